"""The fakes of TES families do what DIALECTS.md, section 1, says of their servers: asked without a gateway."""

import json
from typing import Any

import pytest
import requests

from tests.support.dialects.asking import (
    SECONDS,
    all_pages,
    get,
    made,
    post,
    status_of,
    with_executor,
    with_input,
)
from tests.support.dialects.driving import ALL_CASES, Case, plain
from tests.support.dialects.elixir import MockTes, Protes2023
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ga4gh_tes import Ga4ghTes
from tests.support.dialects.ours import Node
from tests.support.dialects.tesazure import Tesazure
from tests.support.dialects.tesk import Tesk
from tests.support.dialects.tesp import Tesp
from tests.support.harness import TASK


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_each_says_what_traps_it_has_and_no_others(case: Case) -> None:
    family = FAMILIES[case.family]
    with pytest.raises(ValueError, match="no trap"):
        family("nothing of the kind")
    assert all(text for text in family.TRAPS.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_each_records_what_it_accepted_and_plays_faults(family: str) -> None:
    with FAMILIES[family]() as fake:
        assert post(fake, "/tasks", plain(fake)).status_code == 200
        [task] = fake.tasks.values()
        assert task.document["executors"][0]["command"] == plain(fake)["executors"][0]["command"]
        fake.fault("create", "refusal")
        refused = post(fake, "/tasks", plain(fake))
        assert 400 <= refused.status_code <= 500
        fake.fault("create", "reset_after_commit")
        with pytest.raises(requests.ConnectionError):
            post(fake, "/tasks", plain(fake))
        fake.fault("create", "late_commit")
        assert post(fake, "/tasks", plain(fake)).status_code == 503
        assert (len(fake.tasks), fake.count("create")) == (2, 4)
        fake.land()
        assert len(fake.tasks) == 3
        fake.fault("list", "500")
        fake.heal()
        assert get(fake, "/tasks").status_code == 200
        fake.refuse()
        with pytest.raises(requests.ConnectionError):
            get(fake, "/tasks")
        fake.resume()
        assert get(fake, "/tasks").status_code == 200


def test_tes_by_its_letter() -> None:
    with Node() as fake:
        first, second, third = made(fake, count=3)
        assert all_pages(fake, page_size=2) == [[third, second], [first]]
        fake.finish(second, 3, "out", "err")
        assert get(fake, f"/tasks/{second}").json() == {"id": second, "state": "EXECUTOR_ERROR"}
        basic = get(fake, f"/tasks/{second}", view="BASIC").json()["logs"][0]["logs"][0]
        assert (basic["exit_code"], "stdout" in basic) == (3, False)
        assert get(fake, f"/tasks/{second}", view="FULL").json()["logs"][0]["logs"][0]["stdout"] == "out"
        assert [task["id"] for task in get(fake, "/tasks", state="EXECUTOR_ERROR").json()["tasks"]] == [second]
        assert post(fake, f"/tasks/{first}:cancel").json() == {}
        assert fake.tasks[first].state == "CANCELED"


def test_tesk() -> None:
    with Tesk() as fake:
        assert get(fake, "/service-info").json()["type"]["artifact"] == "TES"
        ids = made(fake, count=4)
        page = get(fake, "/tasks", page_size=1, name_prefix="z", state="COMPLETE", tag_key="k").json()
        assert [task["id"] for task in page["tasks"]] == sorted(ids)
        assert "next_page_token" not in page
        assert get(fake, f"/tasks/{ids[0]}", view="whatever").json() == {"id": ids[0], "state": "QUEUED"}
        wrong: list[dict[str, Any]] = [
            with_executor(ignore_error=True),
            with_input(url="x", streamable=True),
            {"volumes": ["x"]},
        ]
        assert [status_of(fake, **each) for each in wrong] == [400] * 3
        assert status_of(fake, name="x" * 300_000) == 500
        assert requests.post(f"{fake.url}{fake.BASES[0]}/tasks", data="{}", timeout=SECONDS).status_code == 415
        fake.finish(ids[0], 1, "out", "err")
        basic = get(fake, f"/tasks/{ids[0]}", view="BASIC").json()["logs"][0]["logs"][0]
        full = get(fake, f"/tasks/{ids[0]}", view="FULL").json()["logs"][0]["logs"][0]
        assert (basic["stdout"], full["stdout"], "stderr" in full) == ("", "out", False)
        canceled = post(fake, f"/tasks/{ids[1]}:cancel")
        assert (canceled.status_code, canceled.content) == (200, b"")
        for again in (ids[0], ids[1]):
            assert post(fake, f"/tasks/{again}:cancel").status_code == 400
        assert "not found" in get(fake, "/tasks/task-0").json()["message"]
    with Tesk("flaps") as fake:
        [task_id] = made(fake)
        fake.start(task_id)
        assert {get(fake, f"/tasks/{task_id}").json()["state"] for _ in range(2)} == {"QUEUED", "RUNNING"}


def test_tesp() -> None:
    with Tesp() as fake:
        assert requests.get(f"{fake.url}/ga4gh/tes/v1/service-info", timeout=SECONDS).status_code == 404
        paths = with_executor(command=["http://h/x", "./x", "", "/data/", "a//b"], stdin="a//b")
        [mangled] = made(fake, {**TASK, **paths})
        [executor] = fake.tasks[mangled].document["executors"]
        assert executor["command"] == ["http:/h/x", "x", ".", "/data", "a/b"]
        assert executor["stdin"] == "a/b"
        wrong: list[dict[str, Any]] = [
            {"outputs": [{"url": "ftp://h/x", "path": "/x"}]},
            {"outputs": [{"url": "gs://b/x", "path": "/x", "type": "FILE"}]},
            with_input(url="file:///x"),
            with_input(url=""),
            with_input(url="ftp://h/x", type=None),
            {"tags": {"a": None}},
        ]
        assert [status_of(fake, **each) for each in wrong] == [422] * len(wrong)
        assert status_of(fake, executors=[], strange=1) == 200
        ids = list(fake.tasks)
        assert all_pages(fake, limit=3, page_size=1) == [[ids[0]], [ids[1]], []]  # and a token still
        assert get(fake, "/tasks", page_token="f" * 24).json() == {"tasks": [], "next_page_token": "None"}
        assert [len(get(fake, "/tasks", page_size=size).json()["tasks"]) for size in (0, -1)] == [2, 1]
        assert len(get(fake, "/tasks", state="COMPLETE", tag_key="k").json()["tasks"]) == 2
        assert get(fake, "/tasks", name_prefix="[s-u]").json()["tasks"] != []
        assert get(fake, "/tasks", view="basic").status_code == 422
        statuses = [get(fake, f"/tasks/{each}").status_code for each in ("f" * 24, "nobody")]
        assert statuses == [404, 400]
        assert [post(fake, f"/tasks/{each}:cancel").status_code for each in ("f" * 24, "nobody")] == [200, 400]
        assert post(fake, f"/tasks/{ids[0]}:cancel").json() == {}
        assert (fake.tasks[ids[0]].state, fake.tasks[ids[0]].working) == ("CANCELED", True)
        fake.finish(ids[1], 0, "out", "err")
        full = get(fake, f"/tasks/{ids[1]}", view="FULL").json()
        assert (full["author"], full["description"], full["logs"][0]["metadata"]) == ("anonymous", None, None)
        slash = requests.get(f"{fake.url}/v1/tasks/", allow_redirects=False, timeout=SECONDS)
        assert slash.status_code == 307
    with Tesp("forgets_work") as fake:
        [task_id] = made(fake)
        fake.refuse()
        fake.resume()
        fake.finish(task_id)
        assert fake.tasks[task_id].state == "QUEUED"


def test_ga4gh_tes_takes_and_refuses() -> None:
    with Ga4ghTes() as fake:
        assert get(fake, "/service-info").json()["name"] == "GA4GH Task Execution Service"
        assert get(fake, "/tasks/service-info").text == "Invalid ID"
        wrong: list[dict[str, Any]] = [
            {"id": "x"},
            {"executors": []},
            with_executor(stdin=""),
            with_input(url="file:///x"),
            with_input(url="https://h/x", content=""),
            with_input(),
            {"resources": {"ram_gb": 0}},
            {"resources": {"backend_parameters": {"a": "1", "A": "2"}}},
            {"resources": {"backend_parameters": {"a": "1"}, "backend_parameters_strict": True}},
        ]
        assert [status_of(fake, **each) for each in wrong] == [400] * len(wrong)
        document = {
            **TASK,
            "inputs": [{"url": "https://h/x", "path": "/x"}],
            "resources": {"backend_parameters": {"VmSize": "A", "vm_size": "B"}},
            "volumes": ["/v"],
        }
        [task_id] = made(fake, document)
        basic = get(fake, f"/tasks/{task_id}", view="basic").json()
        assert basic["inputs"][0]["type"] == 0
        assert basic["description"] is None
        assert basic["resources"]["preemptible"] is True
        assert basic["resources"]["backend_parameters"] == {"vm_size": "B"}
        assert fake.tasks[task_id].document.get("volumes") is None
        assert get(fake, f"/tasks/{'0' * 36}").status_code == 404
        assert get(fake, "/tasks/short").status_code == 400


def test_ga4gh_tes_runs_the_first_executor_and_starts_again() -> None:
    with Ga4ghTes() as fake:
        [task_id] = made(fake, {**TASK, "executors": [*TASK["executors"], *TASK["executors"]]})
        fake.start(task_id)
        assert get(fake, f"/tasks/{task_id}", view="FULL").json()["logs"][0]["logs"][0]["stdout"] is None
        fake.preempt(task_id)
        assert get(fake, f"/tasks/{task_id}").json()["state"] == "INITIALIZING"
        fake.finish(task_id, stdout="out")
        [executor] = get(fake, f"/tasks/{task_id}", view="FULL").json()["logs"][0]["logs"]
        assert json.loads(executor["stdout"])[0].startswith("https://")
        assert post(fake, f"/tasks/{task_id}:cancel").json() == {}
        assert fake.tasks[task_id].state == "COMPLETE"
    with Ga4ghTes("cancel_races", "beta") as fake:
        [task_id] = made(fake)
        assert [post(fake, f"/tasks/{task_id}:cancel").status_code for _ in range(2)] == [409, 200]
        assert [get(fake, f"/tasks/{task_id}").json()["state"] for _ in range(2)] == ["CANCELING", "CANCELED"]


def test_ga4gh_tes_lists_oldest_first_with_tokens_bound_to_filters() -> None:
    with Ga4ghTes() as fake:
        ids = made(fake, {**TASK, "tags": {"k": "v"}}, 3)
        made(fake)
        assert all_pages(fake, page_size=2, tag_key="k", tag_value="v") == [ids[:2], ids[2:]]
        assert get(fake, "/tasks").json()["next_page_token"] is None
        bad: list[dict[str, str | int]] = [{"page_size": 2048}, {"state": "CANCELING"}, {"view": "ALL"}]
        assert [get(fake, "/tasks", **each).status_code for each in bad] == [400] * 3
        assert len(get(fake, "/tasks", state="queued").json()["tasks"]) == 4
        token = get(fake, "/tasks", page_size=1).json()["next_page_token"]
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{fake.url}/v1/tasks", {"page_token": token, "state": "QUEUED"}, timeout=0.2)
    with Ga4ghTes("before_5_4") as fake:
        made(fake, count=2)
        assert len(get(fake, "/tasks", tag_key="nothing").json()["tasks"]) == 2


def test_tesazure() -> None:
    with Tesazure() as fake:
        elsewhere = get(fake, "/service-info")
        assert (elsewhere.status_code, elsewhere.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert set(get(fake, "/tasks/service-info").json()) == {"name", "doc", "storage"}
        assert post(fake, "/tasks", TASK).status_code == 422
        wrong: list[dict[str, Any]] = [
            {"resources": {"zones": ["eu"]}},
            {"description": None},
            with_input(url="https://h/x", type="file"),
        ]
        assert [status_of(fake, **each) for each in wrong] == [422] * 3
        assert status_of(fake, **with_input(url="https://h/x", content=None)) == 200
        [task_id] = made(fake, {**TASK, "resources": {"ram_gb": 0.5, "cpu_cores": 2.7}, **with_executor(workdir="/w")})
        kept = fake.tasks[task_id].document
        assert (kept["resources"], "workdir" in kept["executors"][0]) == ({"ram_gb": 0, "cpu_cores": 2}, False)
        page = get(fake, "/tasks", page_size=1, state="COMPLETE", view="MINIMAL").json()
        assert [task["state"] for task in page["tasks"]] == ["UNKNOWN", "UNKNOWN"]
        assert (page["next_page_token"], page["tasks"][1]["name"]) == ("N/A", "t")
        fake.start(task_id)
        shown = get(fake, f"/tasks/{task_id}").json()
        assert (shown["state"], shown["resources"]["cpu_cores"]) == ("QUEUED", 0)
        fake.finish(task_id, 1, "out")
        assert get(fake, "/tasks").json()["tasks"][1]["state"] == "QUEUED"
        ended = get(fake, f"/tasks/{task_id}").json()
        assert (ended["state"], ended["logs"][0]["system_logs"]) == ("SYSTEM_ERROR", "[]")
        assert ended["logs"][0]["logs"][0]["end_time"] == "2024-05-01 10:01:12+00:00"


def test_tesazure_cancels() -> None:
    with Tesazure() as fake:
        active, done = made(fake, count=2)
        fake.finish(done)
        assert post(fake, f"/tasks/{active}:cancel").json() == "{}"
        assert get(fake, f"/tasks/{active}").json()["state"] == "CANCELED"
        gone = get(fake, f"/tasks/{active}")
        assert (gone.status_code, "could not locate it" in gone.json()["errors"]) == (500, True)
        assert post(fake, f"/tasks/{active}:cancel").status_code == 500
        assert post(fake, f"/tasks/{done}:cancel").status_code == 200
        assert get(fake, f"/tasks/{done}").status_code == 500  # its log is lost
        assert get(fake, "/tasks/nobody").status_code == 404
    with Tesazure("gone_at_once") as fake:
        [task_id] = made(fake)
        post(fake, f"/tasks/{task_id}:cancel")
        assert get(fake, f"/tasks/{task_id}").status_code == 500


def test_mock_tes() -> None:
    with MockTes() as fake:
        assert get(fake, "/tasks/service-info").json() == {}
        assert made(fake) == ["task_id"]
        assert get(fake, "/tasks/whatever").json() == {"executors": []}
        assert get(fake, "/tasks").json() == {"tasks": []}
        assert get(fake, "/tasks", tag_key="k").status_code == 400
        assert post(fake, "/tasks/whatever:cancel").json() == {}
        assert "estimated_compute_costs" in post(fake, "/tasks/task-info", {}).json()


def test_protes_of_2023() -> None:
    with Protes2023() as fake:
        assert get(fake, "/service-info").json()["name"] == "proTES"
        ids = made(fake, count=7)
        assert all_pages(fake) == [ids[:1:-1], ids[1::-1], []]
        assert "name" in get(fake, "/tasks").json()["tasks"][0]
        assert get(fake, "/tasks", state="QUEUED").status_code == 400
        assert [len(get(fake, "/tasks", name_prefix=each).json()["tasks"]) for each in ("t", "x")] == [5, 0]
        assert get(fake, "/tasks/nobody").status_code == 404
