"""What servers forget, or never tell, and the gateway keeps or says for them."""

import pytest

from tests.support.dialects.driving import forwarded, gateway_to, sweeps
from tests.support.dialects.families import FAMILIES


@pytest.mark.parametrize("family", ["tesazure", "ga4gh-tes", "tesk"])
def test_results_are_fetched_once_and_stay_when_the_server_has_forgotten_the_task(family: str) -> None:
    with FAMILIES[family]() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        fake.finish(copy.id, stdout="7 in.txt\n")
        sweeps(gateway, 2)
        shown = gateway.task(task_id)
        assert shown["state"] == "COMPLETE"
        assert shown["logs"][0]["logs"][0]["stdout"] == fake.told("7 in.txt\n")
        reads = copy.reads
        fake.forget(copy.id)  # after 24 to 48 hours
        gateway.turns(3, 86_400)
        assert gateway.task(task_id) == shown
        assert copy.reads == reads
        assert gateway.restarted().task(task_id) == shown


@pytest.mark.parametrize("family", ["tesp", "tesp-sh"])
def test_a_cancellation_that_does_not_stop_the_work_is_told(family: str) -> None:
    with FAMILIES[family]() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        gateway.cancel(task_id)
        gateway.turns(3, 10)
        assert gateway.state(task_id) == "CANCELED"
        assert copy.working
        assert "may go on" in "\n".join(gateway.task(task_id)["logs"][0]["system_logs"])


def test_how_long_a_task_may_run_there_is_the_operators_word() -> None:
    with FAMILIES["tesp"]() as fake, gateway_to(fake) as gateway:
        long = {"executors": [{"image": "a", "command": ["b"]}], "tags": {"protes.runtime_seconds": "3600"}}
        task_id = gateway.post(long)
        gateway.turn()
        assert "gives up a task after 1600 s" in gateway.notes(task_id)
        assert fake.count("create") == 0
    with FAMILIES["tesp"]() as fake:
        patient = {"id": "a", "url": fake.url, "limits": {"max_runtime_seconds": 7200}}
        with gateway_to(fake, instances=[patient]) as gateway:
            gateway.post(long)
            gateway.turn()
            assert fake.count("create") == 1
