"""Requests have ids, which their answers and their log lines tell; the access log has a line for each."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.api.conftest import Api, problem_of
from tests.support.fake_tes import FakeTes
from tests.support.harness import instance
from tests.support.processes import gateway
from tests.support.running import TASK, TES
from tests.support.waiting import wait_until


def test_every_answer_tells_the_id_of_its_request(api: Api) -> None:
    ids = [
        api.get("/ga4gh/tes/v1/service-info").headers["X-Request-ID"],
        api.get("/healthz").headers["X-Request-ID"],
        api.get("/metrics").headers["X-Request-ID"],
        api.get("/nowhere").headers["X-Request-ID"],
        api.get("/", headers={"Host": "elsewhere.example.org"}).headers["X-Request-ID"],
    ]
    assert len(set(ids)) == len(ids)
    assert all(ids)


@pytest.mark.parametrize("name", ["a", "0af76519-16cd-43dd-8448-eb211c80319c", "run_7.3", "x" * 64])
def test_a_client_may_name_its_request(api: Api, name: str) -> None:
    assert api.get("/ga4gh/tes/v1/tasks", headers={"X-Request-ID": name}).headers["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a;b", "a\x1b[31m", "ü", '"', "<script>"])
def test_a_name_that_is_not_sane_is_replaced(api: Api, name: str) -> None:
    answer = api.get("/ga4gh/tes/v1/tasks", headers={"X-Request-ID": name.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] not in ("", name)


def test_problem_details_stay_what_they_are(api: Api) -> None:
    problem_of(api.get("/ga4gh/tes/v1/tasks/unknown", headers={"X-Request-ID": "mine"}), 404)


def test_json_lines_carry_the_ids_of_request_task_and_instance(tmp_path: Path) -> None:
    nasty = "evil\n[forged]\x1b[31m"
    with FakeTes() as fake:
        settings = {"instances": [instance("site-a", fake)], "logging": {"format": "json", "access": True}}
        with gateway(tmp_path / "g", {**settings, "dispatch": {"first_retry_seconds": 0.1}}) as (url, _):
            log = tmp_path / "g" / "log"
            fake.fault("create", "503_html")
            task = {**TASK, "name": nasty, "tags": {nasty: nasty}}
            answer = requests.post(f"{url}{TES}/tasks", json=task, headers={"X-Request-ID": "mine"}, timeout=30)
            task_id = answer.json()["id"]
            requests.get(f"{url}{TES}/tasks/{task_id}?view=FULL", timeout=30)
            requests.get(f"{url}{TES}/tasks/no%0Asuch%1Btask", timeout=30)
            requests.get(f"{url}{TES}/tasks", params={"page_size": "a\nb"}, timeout=30)
            wait_until(lambda: any(_about(each, task_id) for each in _lines(log)), "the failed attempt is logged", 30)
            # A request is logged after its answer has been sent.
            wait_until(lambda: len(_of_access(_lines(log))) == 4, "all requests are logged", 30)
            lines = _lines(log)
    assert len(lines) >= 5
    access = _of_access(lines)
    [post] = [each for each in access if each.get("request_id") == "mine"]
    assert (post["method"], post["status"], post["route"]) == ("POST", 200, "/ga4gh/tes/v1/tasks")
    [read] = [each for each in access if each["path"].endswith(task_id)]
    assert (read["task_id"], read["route"]) == (task_id, "/ga4gh/tes/v1/tasks/{id}")
    [started] = [each for each in lines if "answers at" in each["message"]]
    assert started["instance_id"] == "site-a"
    assert nasty not in str(lines)
    assert "\x1b" not in str([list(each.values()) for each in lines])


def _lines(log: Path) -> list[dict[str, Any]]:
    """Every line on standard error must be an object; standard output, where the address is said, goes there too."""
    text, _, _ = log.read_text(encoding="utf-8").rpartition("\n")  # the rest is being written
    return [json.loads(line) for line in text.splitlines() if not line.startswith("protes serves")]


def _of_access(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in lines if each["logger"] == "protes.access"]


def _about(line: dict[str, Any], task_id: str) -> bool:
    return line["logger"] == "protes.dispatch.forwarding" and line.get("task_id") == task_id


def test_text_is_the_default_and_there_is_no_access_log(tmp_path: Path) -> None:
    with gateway(tmp_path / "g", {}) as (url, _):
        requests.get(f"{url}{TES}/tasks", timeout=30)
        requests.get(f"{url}{TES}/tasks/no%0Asuch%1Btask", timeout=30)
        log = tmp_path / "g" / "log"
        wait_until(lambda: "refused with 404" in log.read_text().rpartition("\n")[0], "the refusal is logged", 30)
        text = log.read_text(encoding="utf-8")
    assert "protes.access" not in text
    [line] = [each for each in text.splitlines() if "refused with 404" in each]
    assert line.startswith("[")
    assert line.endswith("[protes.api.problems]")
    assert "\x1b" not in text
