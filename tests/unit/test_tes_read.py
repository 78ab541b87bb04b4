"""Reading instances' answers: what the servers of DIALECTS.md 1.4 write, and arbitrary JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.tes.errors import BadAnswer
from protes.tes.read import SeenTask, masked, read_page, read_task, read_time, tail
from protes.tes.states import State

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def log_of(answer: object, **options: Any) -> dict[str, Any]:
    log = read_task(answer, **options).log
    assert log is not None
    check_task_log(log)
    return log


def ended(state: str = "COMPLETE", **log: Any) -> dict[str, Any]:
    return {"id": "t", "state": state, "logs": [log]}


def check_task_log(log: dict[str, Any]) -> None:
    """The shape of `tesTaskLog` in TES 1.1.0, with its required fields, and no nulls."""
    assert {"logs", "outputs"} <= set(log) <= {"logs", "outputs", "metadata", "start_time", "end_time", "system_logs"}
    check_times(log)
    for executor in log["logs"]:
        assert {"exit_code"} <= set(executor) <= {"exit_code", "stdout", "stderr", "start_time", "end_time"}
        assert type(executor["exit_code"]) is int
        assert -(2**31) <= executor["exit_code"] < 2**31
        assert all(isinstance(executor.get(name, ""), str) for name in ("stdout", "stderr"))
        check_times(executor)
    for output in log["outputs"]:
        assert set(output) == {"url", "path", "size_bytes"}
        assert all(isinstance(value, str) for value in output.values())
        assert output["size_bytes"].isdigit()
    assert all(type(key) is str and type(value) is str for key, value in log.get("metadata", {}).items())
    assert all(type(line) is str for line in log.get("system_logs", []))
    json.dumps(log, ensure_ascii=False, allow_nan=False).encode("utf-8")


def check_times(entry: dict[str, Any]) -> None:
    for name in ("start_time", "end_time"):
        if name in entry:
            assert RFC3339.fullmatch(entry[name])
            datetime.fromisoformat(entry[name])


def test_a_clean_answer() -> None:
    log = log_of(
        {
            "id": "t1",
            "state": "EXECUTOR_ERROR",
            "name": "ignored",
            "logs": [
                {"logs": [], "outputs": [], "system_logs": ["first attempt"]},
                {
                    "logs": [
                        {
                            "start_time": "2024-05-01T12:00:00+02:00",
                            "end_time": "2024-05-01T10:00:01.5Z",
                            "stdout": "out",
                            "stderr": "err",
                            "exit_code": 3,
                        }
                    ],
                    "outputs": [{"url": "file:///o", "path": "/o", "size_bytes": "12"}],
                    "metadata": {"host": "h"},
                    "system_logs": ["a", "b"],
                    "start_time": "2024-05-01T10:00:00Z",
                    "end_time": "2024-05-01T10:00:02Z",
                },
            ],
        }
    )
    assert log == {
        "logs": [
            {
                "start_time": "2024-05-01T10:00:00.000000Z",
                "end_time": "2024-05-01T10:00:01.500000Z",
                "stdout": "out",
                "stderr": "err",
                "exit_code": 3,
            }
        ],
        "outputs": [{"url": "file:///o", "path": "/o", "size_bytes": "12"}],
        "metadata": {"host": "h"},
        "system_logs": ["a", "b"],
        "start_time": "2024-05-01T10:00:00.000000Z",
        "end_time": "2024-05-01T10:00:02.000000Z",
    }


def test_camel_case_with_zeros_left_out() -> None:
    """Funnel up to 0.10."""
    executor = {"startTime": "2019-05-01T10:00:00.123456789+01:00", "endTime": "2019-05-01T10:00:01Z"}
    answer = ended(
        "EXECUTOR_ERROR",
        logs=[executor, {**executor, "exitCode": 1}],
        outputs=[{"url": "u", "path": "p", "sizeBytes": "7"}, {"url": "u", "path": "q"}],
        systemLogs=["x"],
    )
    log = log_of(answer, omitted_exit_code_is_zero=True)
    assert [each["exit_code"] for each in log["logs"]] == [0, 1]
    assert [each["size_bytes"] for each in log["outputs"]] == ["7", "0"]
    assert log["logs"][0]["start_time"] == "2019-05-01T09:00:00.123456Z"
    assert log["system_logs"] == ["x"]


def test_everything_null_or_empty_is_missing() -> None:
    """TESP, ga4gh-tes and new Funnel, which write every field."""
    assert read_task({"id": None, "state": None, "logs": None}) == SeenTask("", State.UNKNOWN)
    empty: dict[str, Any] = {
        "logs": None,
        "outputs": [],
        "metadata": None,
        "start_time": "",
        "end_time": None,
        "system_logs": [],
    }
    assert log_of({"id": "t", "state": "RUNNING", "logs": [empty]}) == {"logs": [], "outputs": []}


def test_tesazures_ways() -> None:
    log = log_of(
        ended(logs=[{"start_time": "2019-05-01 01:00:00+00:00", "exit_code": "0"}], system_logs="[]", outputs=None)
    )
    assert log == {"logs": [{"start_time": "2019-05-01T01:00:00.000000Z", "exit_code": 0}], "outputs": []}


@pytest.mark.parametrize(
    ("given_logs", "lines"),
    [
        ("one\ntwo", ["one\ntwo"]),
        ('["a", 1, null, {"b": 2}]', ["a", "1", '{"b": 2}']),
        ("[not json", ["[not json"]),
        ([None, "", "a", 5], ["a", "5"]),
        ({"a": 1}, ['{"a": 1}']),
        ("", None),
        ([], None),
    ],
)
def test_system_logs_may_be_a_string_or_a_list(given_logs: object, lines: list[str] | None) -> None:
    assert log_of(ended(system_logs=given_logs)).get("system_logs") == lines


def test_metadata_is_a_flat_map_of_strings() -> None:
    metadata = {"host": "h", "n": 1, "x": 1.5, "yes": True, "deep": {"a": [1]}, "none": None, "empty": ""}
    assert log_of(ended(metadata=metadata))["metadata"] == {
        "host": "h",
        "n": "1",
        "x": "1.5",
        "yes": "true",
        "deep": '{"a": [1]}',
        "empty": "",
    }
    assert "metadata" not in log_of(ended(metadata=["a"]))


@pytest.mark.parametrize(
    ("state", "executor", "code"),
    [
        ("RUNNING", {"exit_code": 0}, None),
        ("RUNNING", {"exit_code": 0, "end_time": ""}, None),
        ("RUNNING", {"exit_code": 0, "end_time": "0001-01-01T00:00:00Z"}, None),
        ("RUNNING", {"exit_code": 0, "end_time": "2024-05-01T10:00:00Z"}, 0),
        ("CANCELED", {"exit_code": 137}, 137),
        ("EXECUTOR_ERROR", {"exit_code": "-1"}, -1),
        ("EXECUTOR_ERROR", {"exit_code": 2.0}, 2),
        ("COMPLETE", {}, 0),
        ("SYSTEM_ERROR", {}, None),
        ("SYSTEM_ERROR", {"exit_code": "killed"}, None),
        ("SYSTEM_ERROR", {"exit_code": True}, None),
        ("SYSTEM_ERROR", {"exit_code": 2**40}, None),
    ],
)
def test_an_exit_code_counts_when_something_has_ended(state: str, executor: dict[str, Any], code: int | None) -> None:
    found = log_of(ended(state, logs=[executor]))["logs"]
    assert [each["exit_code"] for each in found] == ([] if code is None else [code])


def test_what_an_executor_without_exit_code_wrote_is_kept() -> None:
    log = log_of(ended("CANCELED", logs=[{"exit_code": 0, "stdout": "a"}, {"stdout": "half", "stderr": "way"}]))
    assert [each["exit_code"] for each in log["logs"]] == [0]
    assert log["system_logs"] == [
        "executor 2 left no exit code; its stdout: half",
        "executor 2 left no exit code; its stderr: way",
    ]
    running = log_of(ended("RUNNING", logs=[{"stdout": "half"}]))
    assert running == {"logs": [], "outputs": []}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-01-01T10:00:00.000Z", "2024-01-01T10:00:00.000000Z"),
        ("2024-01-01T10:00:00.1234567Z", "2024-01-01T10:00:00.123456Z"),
        ("2024-01-01T10:00:00.999999999-05:30", "2024-01-01T15:30:00.999999Z"),
        ("2024-01-01 10:00:00+00:00", "2024-01-01T10:00:00.000000Z"),
        ("2024-01-01 10:00:00 UTC", "2024-01-01T10:00:00.000000Z"),
        ("2024-01-01t10:00:00z", "2024-01-01T10:00:00.000000Z"),
        ("2024-01-01T10:00:00", "2024-01-01T10:00:00.000000Z"),
        ("2024-01-01T10:00+0200", "2024-01-01T08:00:00.000000Z"),
        (" 2024-01-01T10:00:00+02 ", "2024-01-01T08:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("2024-13-01T10:00:00Z", None),
        ("2024-01-01T24:61:00Z", None),
        ("2024-01-01", None),
        ("yesterday", None),
        ("", None),
        (1714557600, None),
        (None, None),
    ],
)
def test_times(text: object, read: str | None) -> None:
    assert read_time(text) == read


@given(st.text(), st.integers(1, 40))
def test_a_tail_is_whole_characters_of_the_end(text: str, size: int) -> None:
    cut = tail(text, size)
    if len(text.encode()) <= size:
        assert cut == text
    else:
        note, _, kept = cut.partition("\n")
        left_out = int(note.removeprefix("[").split(" ")[0])
        assert text.endswith(kept)
        assert len(kept.encode()) <= size < len(kept.encode()) + 4
        assert left_out == len(text.encode()) - len(kept.encode())


def test_long_output_is_cut_and_says_so() -> None:
    log = log_of(ended(logs=[{"exit_code": 0, "stdout": "x" * 100, "stderr": "y" * 10}]), tail_bytes=10)
    assert log["logs"][0]["stdout"] == "[90 bytes before this were left out]\n" + "x" * 10
    assert log["logs"][0]["stderr"] == "y" * 10


@pytest.mark.parametrize(
    ("given_state", "state"),
    [
        ("complete", State.COMPLETE),
        (" RUNNING ", State.RUNNING),
        ("EXPLODED", State.UNKNOWN),
        (3, State.UNKNOWN),
        (None, State.UNKNOWN),
        (["COMPLETE"], State.UNKNOWN),
    ],
)
def test_states(given_state: object, state: State) -> None:
    assert read_task({"id": "t", "state": given_state}).state is state


@pytest.mark.parametrize(
    ("given_id", "read"),
    [
        ("abc", "abc"),
        (12, "12"),
        ("a/../b", "a/../b"),
        ("", ""),
        (None, ""),
        (".", ""),
        ("..", ""),
        ("  ", ""),
        ("a\nb", ""),
    ]
    + [("x" * 513, "")],
)
def test_ids_that_no_url_can_hold_are_none(given_id: object, read: str) -> None:
    assert read_task({"id": given_id}).id == read


def test_lone_surrogates_do_not_get_through() -> None:
    log = log_of(
        json.loads('{"state": "COMPLETE", "logs": [{"system_logs": ["a\\ud800b"], "metadata": {"\\udfff": "x"}}]}')
    )
    assert log["system_logs"] == ["a?b"]


@pytest.mark.parametrize("answer", [None, 1, "x", [], [{"id": "t"}], True])
def test_what_is_no_object_is_a_bad_answer(answer: object) -> None:
    with pytest.raises(BadAnswer):
        read_task(answer)
    with pytest.raises(BadAnswer):
        read_page(answer)


def test_pages() -> None:
    page = read_page({"tasks": [{"id": "a"}, None, {"state": "RUNNING"}, 5, {"id": 7}], "next_page_token": "t"})
    assert page.entries == (("a", {"id": "a"}), ("7", {"id": 7}))
    assert page.token == "t"
    assert read_page({"tasks": None, "nextPageToken": None}) == read_page({})
    assert read_page({"nextPageToken": 5}).token == "5"
    with pytest.raises(BadAnswer, match="list"):
        read_page({"tasks": {"id": "a"}})


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2024-01-01T00:00:00Z", "7", "COMPLETE", "[1]"])
)
names = st.sampled_from(
    ["id", "state", "logs", "outputs", "metadata", "system_logs", "systemLogs", "exit_code", "exitCode", "stdout"]
    + ["stderr", "start_time", "endTime", "end_time", "url", "path", "size_bytes", "sizeBytes", "other"]
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=30
)
task_logs = st.dictionaries(names, anything, max_size=8)
tasks = st.fixed_dictionaries(
    {},
    optional={
        "id": leaves,
        "state": st.sampled_from(list(State)) | leaves,
        "logs": st.lists(task_logs | anything, max_size=3) | anything,
    },
)


@given(tasks | anything, st.integers(1, 50), st.booleans())
def test_arbitrary_json_never_fails_and_becomes_a_clean_log(answer: object, tail_bytes: int, omitted: bool) -> None:
    if not isinstance(answer, dict):
        return
    seen = read_task(answer, tail_bytes=tail_bytes, omitted_exit_code_is_zero=omitted)
    assert isinstance(seen.state, State)
    assert isinstance(seen.id, str)
    if seen.log is not None:
        check_task_log(seen.log)
        # What is clean stays as it is.
        again = read_task({"state": seen.state, "logs": [seen.log]}, tail_bytes=10_000)
        assert again.log is not None
        assert {**again.log, "logs": []} == {**seen.log, "logs": []}


def test_signatures_in_system_logs_are_masked() -> None:
    line = "download of https://store/x?X-Amz-Signature=hunter2&part=1 failed"
    seen = read_task({"id": "a", "state": "SYSTEM_ERROR", "logs": [{"system_logs": [line]}]})
    assert seen.log is not None
    assert seen.log["system_logs"] == ["download of https://store/x?X-Amz-Signature=***&part=1 failed"]


def test_what_was_shown_to_the_instance_is_in_nothing_that_it_tells() -> None:
    told: dict[str, Any] = {
        "system_logs": ["curl -u ann:hunter2", "done"],
        "metadata": {"login": "hunter2", "zone": "a"},
    }
    wrote = {"exit_code": 0, "stdout": "hunter2", "end_time": "2024-05-01T10:00:02Z"}
    seen = read_task(ended(**told, logs=[wrote]))
    log = masked(seen, ("hunter2", "", "ann:hunter2")).log
    assert log is not None
    assert log["system_logs"] == ["curl -u ***", "done"]
    assert log["metadata"] == {"login": "***", "zone": "a"}
    assert log["logs"][0]["stdout"] == "hunter2"
    assert masked(seen, ("",)) is seen
    assert masked(SeenTask("t", State.RUNNING), ("hunter2",)).log is None
