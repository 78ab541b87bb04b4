"""What is chosen, end to end: preferences, profiles, limits, affinity and data, at instances that are real servers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from protes.api.callers import ANONYMOUS
from protes.api.problems import Problem
from protes.api.submission import Submission, submit
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance

CHEAP = {"currency": "EUR", "cpu_core_hour": "0.01", "ram_gb_hour": "0", "disk_gb_hour": "0", "per_task": "0"}
DEAR = {**CHEAP, "cpu_core_hour": "1"}
PROFILES = {
    "only-fast": {"instances": ["fast"], "weight": "0"},
    "german": {"data_rules": [{"prefix": "s3://clinical-", "zones": ["DE"]}]},
}
SETTINGS: Mapping[str, Any] = {"profiles": PROFILES, "api": {"weight": "0"}}


@pytest.fixture
def fakes() -> Iterator[dict[str, FakeTes]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(FakeTes()) for name in ("cheap", "fast")}


def gateway(fakes: Mapping[str, FakeTes], **settings: Any) -> Harness:
    taken = {"input_schemes": ["s3", "https"], "output_schemes": ["s3"]}
    cheap = instance("cheap", fakes["cheap"], prices=CHEAP, speed=1, zone="aws:eu-west-1", limits=taken)
    fast = instance("fast", fakes["fast"], prices=DEAR, speed=4, zone="DE", limits=taken)
    found = Harness(cheap, fast, **{**SETTINGS, **settings})
    found.probe()
    return found


def send(found: Harness, tags: Mapping[str, str] | None = None, profile: str | None = None, **task: Any) -> str:
    document = {**TASK, **task, **({"tags": dict(tags)} if tags else {})}
    return submit(found.services, ANONYMOUS, Submission(document=document, base="/v1", url_profile=profile))


def place(found: Harness, *args: Any, **values: Any) -> str:
    """Send a task, let it be dispatched, and return the id of the instance it went to."""
    task_id = send(found, *args, **values)
    found.turn()
    return str(found.record(task_id).attempts[-1].instance_id)


def test_the_preference_decides(fakes: Mapping[str, FakeTes]) -> None:
    with gateway(fakes) as found:
        assert place(found) == "cheap"
        assert place(found, {"protes.weight": "1"}) == "fast"
        assert place(found, {"protes.value_of_time": "100 EUR/h"}) == "fast"
        assert place(found, {"protes.value_of_time": "0.01 EUR/h"}) == "cheap"
        assert place(found, {"protes.deadline_seconds": "1000", "protes.runtime_seconds": "3600"}) == "fast"
        assert place(found, {"protes.allowed_zones": '["DE"]'}) == "fast"


def test_the_clients_own_choice_wins_over_the_ranker(fakes: Mapping[str, FakeTes]) -> None:
    with gateway(fakes) as found:
        assert place(found, {"protes.instances": '{"type": "order", "instances": ["fast"]}'}) == "fast"
        assert place(found, {"protes.instances": '{"type": "forbid", "instances": ["cheap"]}'}) == "fast"
        by_url = '{"type": "allow", "instances": ["' + fakes["fast"].server.url + '/"]}'
        assert place(found, {"protes.instances": by_url}) == "fast"


def test_an_unknown_instance_is_refused(fakes: Mapping[str, FakeTes]) -> None:
    with gateway(fakes) as found, pytest.raises(Problem, match=r"tags.protes.instances: instances\[1\] is not known"):
        send(found, {"protes.instances": '{"type": "allow", "instances": ["fast", "nowhere"]}'})


def test_a_profile_limits_what_may_be_chosen(fakes: Mapping[str, FakeTes]) -> None:
    with gateway(fakes) as found:
        assert place(found, profile="only-fast") == "fast"
        assert place(found, {"protes.profile": "only-fast", "protes.weight": "0"}) == "fast"
        both = {"protes.profile": "only-fast", "protes.instances": '{"type": "allow", "instances": ["cheap"]}'}
        with pytest.raises(Problem, match="no instance can ever run this task"):
            send(found, both)


@pytest.mark.parametrize("chain", [None, [{"use": "random"}], [{"use": "round_robin"}]])
def test_limits_hold_whatever_the_chain(fakes: Mapping[str, FakeTes], chain: Any) -> None:
    settings = {} if chain is None else {"chain": chain}
    with gateway(fakes, **settings) as found:
        clinical = {"inputs": [{"url": "s3://clinical-a/x", "path": "/x"}]}
        for _ in range(4):
            assert place(found, profile="only-fast") == "fast"
            assert place(found, profile="german", **clinical) == "fast"
            assert place(found, {"protes.instances": '{"type": "forbid", "instances": ["fast"]}'}) == "cheap"


def test_a_task_that_no_instance_may_run_names_each_reason(fakes: Mapping[str, FakeTes]) -> None:
    rules = [{"prefix": "s3://swiss/", "zones": ["CH"]}]
    with gateway(fakes, data_rules=rules) as found:
        with pytest.raises(Problem) as caught:
            send(found, inputs=[{"url": "s3://swiss/x", "path": "/x"}])
        assert caught.value.status == 400
        assert "cheap: " in str(caught.value.detail)
        assert "fast: " in str(caught.value.detail)


def test_tasks_with_one_affinity_stay_together_where_that_costs_little(fakes: Mapping[str, FakeTes]) -> None:
    near = {**CHEAP, "cpu_core_hour": "0.0101"}
    one = instance("one", fakes["cheap"], prices=CHEAP, speed=1)
    other = instance("other", fakes["fast"], prices=near, speed=1)
    with Harness(one, other, **SETTINGS) as found:
        found.probe()
        assert place(found) == "one"
        pinned = {"protes.affinity": "run-1", "protes.instances": '{"type": "allow", "instances": ["other"]}'}
        assert place(found, pinned) == "other"
        assert place(found, {"protes.affinity": "run-1"}) == "other"
        assert place(found, {"protes.affinity": "run-2"}) == "one"
    with gateway(fakes) as found:  # a hundred times dearer is not within the tolerance
        pinned = {"protes.affinity": "run-1", "protes.instances": '{"type": "allow", "instances": ["fast"]}'}
        assert place(found, {**pinned, "protes.runtime_seconds": "36000"}) == "fast"
        assert place(found, {"protes.affinity": "run-1", "protes.runtime_seconds": "36000"}) == "cheap"


def test_a_step_follows_its_input_to_where_that_was_made(fakes: Mapping[str, FakeTes]) -> None:
    """Data gravity: 500 GB made at the dear instance cost more to move than the dear instance does."""
    with gateway(fakes) as found:
        made: dict[str, Any] = {"outputs": [{"url": "s3://work/big.bam", "path": "/out"}]}
        first = send(found, {"protes.instances": '{"type": "allow", "instances": ["fast"]}'}, **made)
        found.turn()
        [copy] = fakes["fast"].tasks.values()
        fakes["fast"].finish(copy.id)
        copy.log["outputs"] = [{"url": "s3://work/big.bam", "path": "/out", "size_bytes": str(500 * 10**9)}]
        found.turns(4, 1)
        assert found.state(first) == "COMPLETE"
        reads: dict[str, Any] = {"inputs": [{"url": "s3://work/big.bam", "path": "/in"}]}
        assert place(found, **reads) == "fast"
        assert place(found, inputs=[{"url": "s3://work/other.bam", "path": "/in"}]) == "cheap"


def test_tasks_that_wait_send_the_next_one_elsewhere(fakes: Mapping[str, FakeTes]) -> None:
    """Time counts alone, and one is four times as fast: until a task waits there, and again when one waits at both."""
    with gateway(fakes) as found:
        quick = {"protes.weight": "1", "protes.runtime_seconds": "20"}
        assert [place(found, quick) for _ in range(3)] == ["fast", "cheap", "fast"]


def test_the_explanation_tells_what_was_weighed(fakes: Mapping[str, FakeTes]) -> None:
    with gateway(fakes) as found:
        task_id = send(found, {"protes.weight": "1", "protes.runtime_seconds": "100"})
        found.turn()
        explained = found.services.planner.explanation(found.record(task_id))
        best, second = explained["candidates"]
        assert (best["instance"], best["rank"], second["instance"]) == ("fast", 1, "cheap")
        assert best["times"]["run"] == 25.0
        assert sum(float(part) for part in best["costs"].values()) == pytest.approx(float(best["cost"]["amount"]))
        assert sum(
            best["times"][name] for name in ("queue", "stage_in", "run", "stage_out") if name in best["times"]
        ) == (pytest.approx(best["seconds"]))
        assert {entry["step"] for entry in explained["trace"]} >= {"feasible", "cost_runtime"}
        [log] = found.task(task_id)["logs"]
        metadata = log["metadata"]
        assert metadata["protes.instance"] == "fast"
        assert metadata["protes.weight"] == "1"
        assert "cheap" in metadata["protes.offers"]
        # What is compared with the wait that comes.
        assert (metadata["protes.wait_seconds"], metadata["protes.queued"]) == ("0.000", "0")
        assert all(isinstance(value, str) for value in metadata.values())


def test_a_repeat_of_a_task_is_that_task_though_its_offer_has_expired_and_its_instance_left(
    fakes: Mapping[str, FakeTes],
) -> None:
    with gateway(fakes) as found:
        parts = found.services
        [offer], _ = parts.offers.save("", ["fast"], parts.clock.now())
        taken = Submission(document={**TASK, "tags": {"protes.offer": offer}}, base="/v1", key="a-key-of-16-char")
        first = submit(parts, ANONYMOUS, taken)
        found.clock.advance(3600)
        assert submit(parts, ANONYMOUS, taken) == first
        with pytest.raises(Problem, match="expired"):
            submit(parts, ANONYMOUS, Submission(document=taken.document, base="/v1", key="another-key-of-16"))


def test_a_repeat_of_a_refused_task_is_refused_again(fakes: Mapping[str, FakeTes]) -> None:
    """A key that was used for a task that was never stored lets nothing in that the task itself would not."""
    with gateway(fakes) as found:
        document = {**TASK, "tags": {"protes.offer": "unknown-1"}}
        refused = Submission(document=document, base="/v1", key="a-key-of-16-char")
        for _ in range(2):
            with pytest.raises(Problem, match="no such offer"):
                submit(found.services, ANONYMOUS, refused)
        assert found.stores.tasks.count() == 0
