"""py-tes 1.1.4, as users have it, against the gateway."""

from typing import Any

import pytest
import tes

from protes.tes.states import State
from tests.api.conftest import Api
from tests.api.test_operations import LOG, RICH, move


@pytest.fixture(params=["", "/w/0.3", "/"])
def client(api: Api, request: pytest.FixtureRequest) -> Any:
    """A client of the gateway's root, or of one with a weight."""
    return tes.HTTPClient(api.url + request.param, timeout=60)


def a_task() -> Any:
    return tes.Task(
        name="py-tes",
        inputs=[tes.Input(path="/in", content="x")],
        outputs=[tes.Output(path="/out", url="file:///out", type="FILE")],
        resources=tes.Resources(cpu_cores=2, ram_gb=0.5, backend_parameters={"VmSize": "large"}),
        executors=[tes.Executor(image="alpine", command=["true"], env={"A": "b"})],
        tags={"a": "b"},
    )


def test_service_info_is_understood(client: Any) -> None:
    info = client.get_service_info()
    assert info.type == {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}
    assert "protes_weight" in info.tes_resources_backend_parameters


def test_a_task_goes_round(api: Api, client: Any) -> None:
    task_id = client.create_task(a_task())
    minimal = client.get_task(task_id, "MINIMAL")
    assert (minimal.id, minimal.state, minimal.executors) == (task_id, "QUEUED", None)
    for view in ("BASIC", "FULL"):
        shown = client.get_task(task_id, view)
        assert shown.name == "py-tes"
        assert shown.resources == a_task().resources
        assert shown.executors == a_task().executors
        assert shown.tags == {"a": "b"}
        assert shown.creation_time is not None
    assert client.get_task(task_id, "FULL").inputs[0].content == "x"
    assert client.get_task(task_id, "BASIC").inputs[0].content is None
    client.cancel_task(task_id)
    client.cancel_task(task_id)
    assert client.wait(task_id, timeout=60).state == "CANCELED"


def test_a_finished_task_is_understood_with_all_its_logs(api: Api, client: Any) -> None:
    task_id = api.create(RICH)
    move(api, task_id, State.COMPLETE, LOG)
    shown = client.get_task(task_id, "FULL")
    [log] = shown.logs
    assert log.logs[0].exit_code == 0
    assert log.logs[0].stdout == "out"
    assert log.start_time.tzinfo is not None
    assert log.outputs[0].size_bytes == 3
    assert log.metadata["protes.instance"] == "one"
    assert client.wait(task_id, timeout=60).state == "COMPLETE"


def test_lists_are_paged(api: Api, client: Any) -> None:
    ids = [api.store() for _ in range(5)]
    found, token = [], None
    for _ in range(3):
        page = client.list_tasks(view="FULL", page_size=2, page_token=token)
        found += [task.id for task in page.tasks]
        token = page.next_page_token
    assert found == ids[::-1]
    assert token is None


def test_a_refusal_reaches_the_user(client: Any) -> None:
    task = a_task()
    task.inputs[0].path = "relative"
    with pytest.raises(Exception, match="400 Client Error"):
        client.create_task(task)
