"""The views of TES 1.1.0, as the outside is shown them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from protes.api.views import Eyes, View, render, seen_state
from protes.store.records import Phase, TaskRecord
from protes.tes.states import State
from tests.support.task_records import START, a_task, an_attempt

DOCUMENT: dict[str, Any] = {
    "name": "n",
    "inputs": [
        {"path": "/in/a", "content": "secret", "type": "FILE"},
        {"path": "/in/b", "url": "s3://b", "type": "FILE"},
    ],
    "outputs": [{"path": "/out", "url": "s3://o", "type": "DIRECTORY"}],
    "resources": {"cpu_cores": 0.5, "ram_gb": 2.5},
    "executors": [{"image": "alpine", "command": ["true"], "env": {"stdout": "kept"}}],
    "volumes": ["/v"],
    "tags": {"content": "kept"},
}
EXECUTOR_LOG = {"start_time": "2030-01-01T00:00:00Z", "exit_code": 0, "stdout": "out", "stderr": "err"}
LOG: dict[str, Any] = {
    "logs": [EXECUTOR_LOG],
    "outputs": [{"url": "s3://o", "path": "/out", "size_bytes": "3"}],
    "metadata": {"host": "worker-1"},
    "start_time": "2030-01-01T00:00:00Z",
    "end_time": "2030-01-01T00:00:01Z",
    "system_logs": ["from the instance"],
}
METADATA = {"protes.instance": "one", "protes.weight": "0.5", "protes.instance_url": "https://one.example"}


def record(**values: Any) -> TaskRecord:
    attempt = an_attempt(1, Phase.ACCEPTED, instance_task_id="remote-1", log=LOG, metadata=METADATA)
    defaults = {
        "document": json.dumps(DOCUMENT),
        "state": State.RUNNING,
        "attempts": (attempt,),
        "system_logs": ("from the gateway",),
    }
    return a_task("task1", **{**defaults, **values})


def test_minimal_is_id_and_state_alone() -> None:
    assert render(record(), View.MINIMAL, Eyes()) == {"id": "task1", "state": "RUNNING"}


def test_minimal_can_be_made_of_a_head() -> None:
    head = record(document="", attempts=(), system_logs=())
    assert render(head, View.MINIMAL, Eyes()) == {"id": "task1", "state": "RUNNING"}


def test_full_is_what_the_client_sent_and_what_the_server_sets() -> None:
    assert render(record(), View.FULL, Eyes()) == {
        **DOCUMENT,
        "id": "task1",
        "state": "RUNNING",
        "creation_time": "2030-01-01T00:00:00.000000Z",
        "logs": [
            {
                **LOG,
                "metadata": {"host": "worker-1", **METADATA, "protes.instance_task_id": "remote-1"},
                "system_logs": ["from the gateway", "from the instance"],
            }
        ],
    }


def test_basic_lacks_content_stdout_stderr_and_system_logs_and_nothing_else() -> None:
    full, basic = render(record(), View.FULL, Eyes()), render(record(), View.BASIC, Eyes())
    [log] = full["logs"]
    executor_log = {key: value for key, value in EXECUTOR_LOG.items() if key not in ("stdout", "stderr")}
    less = {**{key: value for key, value in log.items() if key != "system_logs"}, "logs": [executor_log]}
    inputs = [{"path": "/in/a", "type": "FILE"}, DOCUMENT["inputs"][1]]
    assert basic == {**full, "inputs": inputs, "logs": [less]}


def test_a_new_task_has_no_logs() -> None:
    for view in (View.BASIC, View.FULL):
        assert "logs" not in render(a_task("task1"), view, Eyes())


def test_the_gateways_own_lines_need_no_attempt() -> None:
    [log] = render(record(attempts=()), View.FULL, Eyes())["logs"]
    assert log == {"logs": [], "outputs": [], "system_logs": ["from the gateway"]}
    assert render(record(attempts=()), View.BASIC, Eyes())["logs"] == [{"logs": [], "outputs": []}]


def test_every_log_has_both_its_lists() -> None:
    for log in (None, {}, {"logs": [EXECUTOR_LOG]}):
        [shown] = render(record(attempts=(an_attempt(log=log),)), View.FULL, Eyes())["logs"]
        assert isinstance(shown["logs"], list)
        assert isinstance(shown["outputs"], list)


def test_the_deciding_attempt_is_shown_alone_unless_all_are_wanted() -> None:
    first = an_attempt(1, Phase.REJECTED, metadata={"protes.instance": "first"})
    second = an_attempt(2, Phase.FINISHED, metadata={"protes.instance": "second"})
    both = record(attempts=(first, second), state=State.SYSTEM_ERROR)
    assert [log["metadata"]["protes.instance"] for log in render(both, View.FULL, Eyes())["logs"]] == ["second"]
    every = render(both, View.FULL, Eyes(all_attempts=True))["logs"]
    assert [log["metadata"]["protes.instance"] for log in every] == ["first", "second"]
    assert ["system_logs" in log for log in every] == [False, True]


@pytest.mark.parametrize(
    ("state", "second", "shown"),
    [
        (State.QUEUED, None, None),  # what failed is over, and nothing is in its place yet
        (State.QUEUED, Phase.INTENDED, "second"),
        (State.QUEUED, Phase.REJECTED, "second"),
        (State.RUNNING, Phase.ACCEPTED, "second"),
        (State.COMPLETE, Phase.FINISHED, "second"),
        (State.SYSTEM_ERROR, None, "first"),
        (State.SYSTEM_ERROR, Phase.REJECTED, "first"),
        (State.CANCELED, Phase.ACCEPTED, "second"),
    ],
)
def test_after_a_retry_the_newest_attempt_is_shown_and_in_the_end_the_one_that_decided(
    state: State, second: Phase | None, shown: str | None
) -> None:
    first = an_attempt(1, Phase.FINISHED, retried=True, log=LOG, metadata={"protes.instance": "first"})
    then = () if second is None else (an_attempt(2, second, metadata={"protes.instance": "second"}),)
    [log] = render(record(state=state, attempts=(first, *then)), View.FULL, Eyes())["logs"]
    assert log.get("metadata", {}).get("protes.instance") == shown
    assert (log["logs"] != []) == (shown == "first")
    assert log["system_logs"][0] == "from the gateway"


def test_a_withdrawn_attempt_decides_nothing() -> None:
    ran = an_attempt(1, Phase.FINISHED, retried=True, metadata={"protes.instance": "first"})
    withdrawn = an_attempt(2, Phase.FINISHED, state=State.CANCELED, withdrawn_at=START)
    [log] = render(record(state=State.SYSTEM_ERROR, attempts=(ran, withdrawn)), View.FULL, Eyes())["logs"]
    assert log["metadata"]["protes.instance"] == "first"


def test_where_instances_are_not_shown_their_url_and_task_id_are_not() -> None:
    nested = {**LOG, "metadata": {"protes.instance_url": "https://behind", "protes.instance_task_id": "x", "a": "b"}}
    [attempt] = record().attempts
    hidden = render(record(attempts=(replace(attempt, log=nested),)), View.FULL, Eyes(instances=False))
    assert hidden["logs"][0]["metadata"] == {"a": "b", "protes.instance": "one", "protes.weight": "0.5"}


@pytest.mark.parametrize(
    ("state", "last_steady", "seen"),
    [
        *((state, State.RUNNING, state) for state in (State.QUEUED, State.INITIALIZING, State.RUNNING)),
        *((state, State.RUNNING, state) for state in (State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR)),
        (State.CANCELED, State.QUEUED, State.CANCELED),
        (State.CANCELING, State.INITIALIZING, State.INITIALIZING),
        (State.PAUSED, State.RUNNING, State.RUNNING),
        (State.UNKNOWN, State.QUEUED, State.QUEUED),
        (State.PREEMPTED, State.RUNNING, State.SYSTEM_ERROR),
    ],
)
def test_engines_see_states_that_they_know(state: State, last_steady: State, seen: State) -> None:
    one = record(state=state, last_steady=last_steady)
    assert seen_state(one, Eyes()) is seen
    assert seen_state(one, Eyes(all_states=True)) is state
    for view in View:
        assert render(one, view, Eyes())["state"] == seen.value
        assert render(one, view, Eyes(all_states=True))["state"] == state.value


@pytest.mark.parametrize(("cores", "whole"), [(0.5, 1), (1, 1), (4, 4), (2.25, 3), (0, 0)])
def test_the_compatibility_dialect_shows_whole_cores(cores: float, whole: int) -> None:
    one = record(document=json.dumps({"resources": {"cpu_cores": cores}, "executors": []}))
    assert render(one, View.FULL, Eyes())["resources"]["cpu_cores"] == cores
    shown = render(one, View.FULL, Eyes(whole_cores=True))["resources"]["cpu_cores"]
    assert (shown, type(shown)) == (whole, int)


def test_no_cores_are_made_up() -> None:
    one = record(document='{"resources":{"ram_gb":1},"executors":[]}')
    assert render(one, View.FULL, Eyes(whole_cores=True))["resources"] == {"ram_gb": 1}
    assert "resources" not in render(a_task(), View.FULL, Eyes(whole_cores=True))


def test_rendering_changes_nothing_that_is_stored() -> None:
    one = record()
    before = json.dumps([one.document, [attempt.log for attempt in one.attempts], list(one.system_logs)])
    for view in View:
        render(one, view, Eyes(whole_cores=True, all_attempts=True))
    assert before == json.dumps([one.document, [attempt.log for attempt in one.attempts], list(one.system_logs)])


def test_times_are_rfc_3339_with_an_offset() -> None:
    shown = render(a_task(created_at=START.replace(microsecond=5)), View.BASIC, Eyes())
    assert shown["creation_time"] == "2030-01-01T00:00:00.000005Z"
