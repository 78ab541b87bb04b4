"""What a real Funnel itself does with what the gateway relies on: requests, views, lists, filters, errors, cancel."""

from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.peers.funnel import Funnel
from tests.peers.install import FUNNEL_VERSION
from tests.support.waiting import wait_until

pytestmark = pytest.mark.services

TASK: dict[str, Any] = {"executors": [{"image": "debian", "command": ["true"]}]}


def error(answer: Any) -> str:
    """Check the shape of an error and return its text."""
    # There is no content type for errors, so the web server's guess comes; a client must parse nevertheless.
    assert answer.headers["Content-Type"].startswith("text/plain")
    document = answer.json()
    assert set(document) == {"error"}
    return str(document["error"])


def shell(script: str, **executor: Any) -> dict[str, Any]:
    return {"executors": [{"image": "debian", "command": ["sh", "-c", script], **executor}]}


@pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/v1", ""])
def test_service_info_names_funnel_and_its_own_version(funnel: Funnel, base: str) -> None:
    info = requests.get(f"{funnel.root}{base}/service-info", timeout=10).json()
    assert (info["id"], info["name"]) == ("org.ga4gh.funnel", "Funnel")
    assert info["type"]["version"] == FUNNEL_VERSION.removeprefix("v")
    assert requests.get(f"{funnel.root}{base}/tasks/service-info", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"nope": 1}, 'unknown field "nope"'),
        ({"executors": []}, "Task.Executors: at least one executor is required"),
        ({"executors": [{"image": "debian", "command": []}]}, "Task.Executors[0].Command: required, but empty"),
        ({"executors": [{"image": "", "command": ["true"]}]}, "Task.Executors[0].Image: required, but empty"),
        ({"tags": {"": "x"}}, "empty key"),
        ({"tags": {"x": None}}, "invalid value for string field value: null"),
        ({"inputs": [{"path": "/x", "content": ""}]}, "Task.Inputs[0].Url: required, but empty"),
        ({"inputs": [{"path": "/x", "content": "x", "url": "file:///x"}]}, "Task.Inputs[0].Content: Url is non-empty"),
        ({"outputs": [{"path": "x", "url": "file:///x"}]}, "must be an absolute path"),
        (
            {"resources": {"backend_parameters": {"a": "b"}, "backend_parameters_strict": True}},
            "backend parameters not supported",
        ),
    ],
)
def test_a_task_that_it_refuses_is_a_400(funnel: Funnel, change: dict[str, Any], text: str) -> None:
    answer = funnel.call("POST", "/tasks", json={**TASK, **change})
    assert answer.status_code == 400
    assert text in error(answer)


@pytest.mark.parametrize(
    "change",
    [
        {"description": None},
        {"inputs": [{"path": "/x", "content": "x", "type": None}]},
        {"resources": {"backend_parameters": {"a": "b"}}},
        {"executors": [{"image": "debian", "command": ["true"], "ignore_error": True}]},
        {"outputs": [{"path": "/o/*", "path_prefix": "/o", "url": "file:///x"}]},
    ],
    ids=["null", "null type", "backend parameters", "ignore_error", "path_prefix"],
)
def test_what_it_takes(funnel: Funnel, change: dict[str, Any]) -> None:
    assert funnel.call("POST", "/tasks", json={**TASK, **change}).status_code == 200


def test_cpu_cores_may_be_fractional(funnel: Funnel) -> None:
    task_id = funnel.create({**TASK, "resources": {"cpu_cores": 1.5, "ram_gb": 0.5}})
    resources = funnel.get(task_id)["resources"]
    assert (resources["cpu_cores"], resources["ram_gb"]) == (1.5, 0.5)


def test_a_command_of_one_word_goes_to_a_shell(funnel: Funnel) -> None:
    one = funnel.create({"executors": [{"image": "debian", "command": ["echo $((6*7))"]}]})
    [log] = funnel.wait(one, "COMPLETE")["logs"]
    assert log["logs"][0]["stdout"] == "42\n"


def test_arguments_arrive_as_they_are(funnel: Funnel) -> None:
    words = ["a b", "", "$HOME", "'", "//x//", "./y/"]
    one = funnel.create({"executors": [{"image": "debian", "command": ["printf", "[%s]", *words]}]})
    [log] = funnel.wait(one, "COMPLETE")["logs"]
    assert log["logs"][0]["stdout"] == "".join(f"[{word}]" for word in words)


@pytest.mark.parametrize("executor", [{"env": {"A": "x y"}}, {"image": "debian x"}], ids=["env", "image"])
def test_a_blank_before_the_command_breaks_it(funnel: Funnel, executor: dict[str, Any]) -> None:
    """The arguments for Docker are put together as one text and cut at its blanks."""
    good = funnel.create(shell('echo "$A"', env={"A": "xy"}))
    bad = funnel.create(shell('echo "$A"', **executor))
    assert funnel.wait(good, "COMPLETE")["logs"][0]["logs"][0]["stdout"] == "xy\n"
    [log] = funnel.wait(bad, "EXECUTOR_ERROR")["logs"][0]["logs"]
    assert (log["stdout"], log["exit_code"] == 0) == ("", False)


def test_after_an_ignored_error_the_next_executor_runs_and_the_task_fails(funnel: Funnel) -> None:
    executors = [
        {"image": "debian", "command": ["sh", "-c", "echo one; exit 3"], "ignore_error": True},
        {"image": "debian", "command": ["sh", "-c", "echo two"]},
    ]
    [log] = funnel.wait(funnel.create({"executors": executors}), "EXECUTOR_ERROR")["logs"]
    assert [(each["stdout"], each["exit_code"]) for each in log["logs"]] == [("one\n", 3), ("two\n", 0)]


@pytest.mark.parametrize("view", ["basic", "full", "minimal", "nope"])
def test_a_view_in_lower_case_is_a_500_for_one_task(funnel: Funnel, view: str) -> None:
    answer = funnel.call("GET", f"/tasks/{funnel.create(TASK)}", params={"view": view})
    assert (answer.status_code, error(answer)) == (500, f"Unknown view: {view}")


def test_a_call_that_it_does_not_have_is_a_500(funnel: Funnel) -> None:
    answer = funnel.call("POST", "/tasks/task-info", json={})
    assert (answer.status_code, error(answer)) == (500, "Method Not Allowed")


@pytest.mark.parametrize(
    "executor",
    [{"env": {"A": "x\ty"}}, {"env": {"A": "x\ny"}}, {"env": {"A B": "x"}}, {"workdir": "/a b"}],
    ids=["tab", "line break", "name", "workdir"],
)
def test_other_white_space_breaks_the_command_too(funnel: Funnel, executor: dict[str, Any]) -> None:
    task_id = funnel.create(shell('echo "$A"', **executor))
    assert funnel.wait(task_id, "EXECUTOR_ERROR", "COMPLETE")["state"] == "EXECUTOR_ERROR"


def test_stdout_is_cut_at_its_start(funnel: Funnel) -> None:
    task_id = funnel.create(shell("yes | head -c 20000; echo end"))
    [log] = funnel.wait(task_id, "COMPLETE")["logs"]
    assert len(log["logs"][0]["stdout"]) == 10000
    assert log["logs"][0]["stdout"].endswith("y\nend\n")


def test_an_unknown_scheme_is_found_out_when_it_runs(funnel: Funnel) -> None:
    task_id = funnel.create({**TASK, "inputs": [{"path": "/in/x", "url": "nope://x/y"}]})
    [log] = funnel.wait(task_id, "SYSTEM_ERROR")["logs"]
    assert "could not find matching storage system" in log["system_logs"][-1]


def test_what_each_view_shows(funnel: Funnel) -> None:
    document = {**shell("echo out; exit 3", stdout="/w/out"), "inputs": [{"path": "/in/x", "content": "abc"}]}
    task_id = funnel.create({**document, "name": "n", "tags": {"k": "v"}})
    full = funnel.wait(task_id, "EXECUTOR_ERROR")
    basic, minimal = funnel.get(task_id, "BASIC"), funnel.get(task_id, "MINIMAL")
    assert set(minimal) == set(basic) == set(full)
    assert {key for key, value in minimal.items() if value} == {"id", "state"}
    assert funnel.call("GET", f"/tasks/{task_id}").json() == minimal
    assert (full["executors"][0]["stdout"], basic["executors"][0]["stdout"]) == ("/w/out", "")
    assert (full["inputs"][0]["content"], basic["inputs"][0].get("content", "")) == ("abc", "")
    assert full["logs"][0]["logs"][0]["exit_code"] == basic["logs"][0]["logs"][0]["exit_code"] == 3
    assert (full["logs"][0]["logs"][0]["stdout"], basic["logs"][0]["logs"][0]["stdout"]) == ("out\n", "")
    assert (bool(full["logs"][0]["system_logs"]), basic["logs"][0].get("system_logs", [])) == (True, [])
    assert full["tags"] == basic["tags"] == {"k": "v"}


def test_an_exit_code_of_zero_is_there_before_the_end(funnel: Funnel) -> None:
    task_id = funnel.create(shell("sleep 60"))
    funnel.wait(task_id, "RUNNING")
    wait_until(lambda: bool(funnel.get(task_id)["logs"][0]["logs"]), "an executor log")
    [executor] = funnel.get(task_id)["logs"][0]["logs"]
    assert (executor["exit_code"], executor["end_time"]) == (0, "")
    assert funnel.call("POST", f"/tasks/{task_id}:cancel").json() == {}


def test_pages_are_newest_first_and_their_token_is_the_last_id(funnel: Funnel) -> None:
    marker = uuid4().hex
    made = [funnel.create({**TASK, "tags": {"page": marker}}) for _ in range(4)]
    query: dict[str, str | int] = {"tag_key": "page", "tag_value": marker, "view": "MINIMAL", "page_size": 2}
    first = funnel.list(**query)
    second = funnel.list(**query, page_token=first["next_page_token"])
    assert [each["id"] for page in (first, second) for each in page["tasks"]] == made[::-1]
    assert first["next_page_token"] == made[2]
    # A full page has a token even where nothing follows.
    assert funnel.list(**query, page_token=second["next_page_token"]) == {"next_page_token": "", "tasks": []}


def test_odd_tokens_and_queries_are_no_errors(funnel: Funnel) -> None:
    funnel.create(TASK)
    newest = funnel.list(view="MINIMAL")["tasks"][0]["id"]
    assert funnel.list(view="MINIMAL", page_token="zzz")["tasks"][0]["id"] == newest
    assert funnel.list(view="MINIMAL", page_token="0")["tasks"] == []
    assert funnel.list(view="MINIMAL", page_size=0)["tasks"][0]["id"] == newest
    assert funnel.list(nope="1")["tasks"][0]["id"] == newest
    assert funnel.list(view="nope")["tasks"][0]["id"] == newest


def test_filters(funnel: Funnel) -> None:
    marker = uuid4().hex
    named = funnel.create({**TASK, "name": f"{marker}-x", "tags": {"f": marker}})
    funnel.wait(named, "COMPLETE")
    for view in ("MINIMAL", "BASIC", "FULL"):
        for found in (
            funnel.list(name_prefix=marker, view=view),
            funnel.list(tag_key="f", tag_value=marker, view=view),
            funnel.list(tag_key="f", tag_value=marker, state="COMPLETE", view=view),
        ):
            assert [each["id"] for each in found["tasks"]] == [named]
        assert funnel.list(tag_key="f", tag_value=marker, state="QUEUED", view=view)["tasks"] == []
    assert funnel.call("GET", "/tasks", params={"state": "NOPE"}).status_code == 400


@pytest.mark.parametrize("path", ["/tasks/nope", "/tasks/a%2Fb", "/tasks/nope:cancel", "/tasks/..%2F..%2Fx"])
def test_what_is_not_there_is_a_404(funnel: Funnel, path: str) -> None:
    answer = funnel.call("POST" if path.endswith(":cancel") else "GET", path)
    assert answer.status_code == 404
    assert error(answer)


def test_cancel_in_every_phase(funnel: Funnel) -> None:
    running = funnel.create(shell("echo begun; sleep 60"))
    funnel.wait(running, "RUNNING")
    # RUNNING alone says too little: what is cancelled before its container is there runs on to its end.
    wait_until(lambda: "begun" in str(funnel.get(running)["logs"][0]["logs"]), "its work has begun", 20)
    for _ in range(2):
        answer = funnel.call("POST", f"/tasks/{running}:cancel")
        assert (answer.status_code, answer.json()) == (200, {})
        assert funnel.get(running, "MINIMAL")["state"] == "CANCELED"
    wait_until(lambda: bool(funnel.get(running)["logs"][0]["end_time"]), "its work has ended")
    # It was killed, and yet the code is 0.
    assert all(each["exit_code"] == 0 for each in funnel.get(running)["logs"][0]["logs"])
    ended = funnel.create(TASK)
    funnel.wait(ended, "COMPLETE")
    answer = funnel.call("POST", f"/tasks/{ended}:cancel")
    assert answer.status_code == 500
    assert "terminal states" in error(answer)
    assert funnel.get(ended, "MINIMAL")["state"] == "COMPLETE"


def test_a_browser_gets_html_and_we_do_not(funnel: Funnel) -> None:
    html = funnel.call("GET", "/tasks", headers={"Accept": "text/html"})
    assert "json" not in html.headers["Content-Type"]
    assert funnel.call("GET", "/tasks", headers={"Accept": "application/json"}).json()["tasks"] is not None
