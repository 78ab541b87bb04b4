"""The fakes of Funnel do what DIALECTS.md, section 1, says of its versions: asked without a gateway."""

from typing import Any

import pytest
import requests

from tests.support.dialects.asking import (
    RESOURCES,
    SECONDS,
    all_pages,
    get,
    made,
    post,
    status_of,
    with_executor,
    with_input,
)
from tests.support.dialects.driving import gateway_to
from tests.support.dialects.funnel import Funnel, Funnel010, Funnel011
from tests.support.harness import TASK


def test_funnel_shows_every_field_and_guesses_the_view() -> None:
    with Funnel() as fake:
        for base in fake.BASES:
            info = requests.get(f"{fake.url}{base}/service-info", timeout=SECONDS).json()
            assert (info["id"], info["type"]["version"]) == ("org.ga4gh.funnel", "0.12.2")
        [task_id] = made(fake, {**TASK, **with_executor(stdout="/log")})
        minimal = get(fake, f"/tasks/{task_id}").json()
        assert (minimal["id"], minimal["state"], minimal["name"], minimal["resources"]) == (task_id, "QUEUED", "", None)
        assert minimal["executors"] == []
        fake.start(task_id)
        running = get(fake, f"/tasks/{task_id}", view="FULL").json()
        assert running["logs"][0]["logs"][0]["exit_code"] == 0
        assert running["executors"][0]["stdout"] == "/log"
        assert get(fake, f"/tasks/{task_id}", view="BASIC").json()["executors"][0]["stdout"] == ""
        page = requests.get(f"{fake.url}/tasks/{task_id}", headers={"Accept": "text/html"}, timeout=SECONDS)
        assert page.headers["Content-Type"].startswith("text/html")
    with Funnel("no_system_logs") as fake:
        [task_id] = made(fake)
        fake.finish(task_id, stdout="out")
        assert get(fake, f"/tasks/{task_id}", view="FULL").json()["logs"][0]["logs"][0]["stdout"] == ""


def test_funnel_refuses_what_its_validation_finds() -> None:
    with Funnel() as fake:
        wrong: list[dict[str, Any]] = [
            {"priority": 1},
            {"executors": []},
            with_executor(image=""),
            with_executor(workdir="here"),
            with_input(url="ftp://h/x", content="y"),
            with_input(),
            {"outputs": [{"path": "/out"}]},
            {"tags": {"": "x"}},
            {"volumes": ["data"]},
        ]
        assert [status_of(fake, **each) for each in wrong] == [400] * len(wrong)
        assert status_of(fake, **with_input(content="")) == 400
        assert (
            status_of(fake, tags={"a": None}, executors=[{"image": "i", "command": ["c"], "ignoreError": True}]) == 200
        )
        assert status_of(fake, resources={"cpu_cores": 0.5}) == 200
        # It lets the next executor run, and ends the task as if the error had not been ignored.
        assert ["ignore_error" in task.document["executors"][0] for task in fake.tasks.values()] == [False, False]
        [task_id] = made(fake, {**RESOURCES, **with_executor(env={"A": "x y", "B": ""})})
        assert fake.tasks[task_id].document["executors"][0]["env"] == {"A": "x", "B": ""}
        views = ("MINIMAL", "BASIC", "FULL", "basic", "full", "nope")
        assert [get(fake, f"/tasks/{task_id}", view=view).status_code for view in views] == [200] * 3 + [500] * 3
        assert get(fake, "/tasks", view="basic").status_code == 200
        assert get(fake, "/tasks/nobody").status_code == 404
        assert post(fake, "/tasks/task-info", {}).status_code == 500
    with Funnel011() as fake:
        refused = post(fake, "/tasks", {"executors": []})
        assert refused.status_code == 500
        assert refused.json()["error"].startswith("invalid task message")
        unknown = get(fake, "/tasks/nobody")
        assert (unknown.status_code, unknown.json()["error"]) == (500, "task not found")
        assert status_of(fake, tags={"a": None}) == 500


def test_funnel_lists_newest_first_by_tag_and_token() -> None:
    with Funnel() as fake:
        ids = made(fake, {**TASK, "tags": {"k": "v"}}, 3)
        other = made(fake)[0]
        assert all_pages(fake, page_size=2) == [[other, ids[2]], [ids[1], ids[0]]]
        assert [each["id"] for each in get(fake, "/tasks", tag_key="k", tag_value="v").json()["tasks"]] == ids[::-1]
        assert get(fake, "/tasks").json()["next_page_token"] == ""
        fake.crowd(300)
        assert [len(page) for page in all_pages(fake, page_size=0)] == [256, 48]
    with Funnel("dynamodb") as fake:
        ids = made(fake, {**TASK, "tags": {"k": "v"}}, 1)
        fake.crowd(9)
        assert all_pages(fake, tag_key="k", tag_value="v") == [[], [], ids]
    with Funnel011("dropped_token") as fake:
        fake.crowd(3)
        assert "next_page_token" not in get(fake, "/tasks", page_size=2).json()
        assert "next_page_token" in get(fake, "/tasks", page_size=2, view="FULL").json()


def test_funnel_closes_the_connection_over_some_views() -> None:
    for trap, bad, good in (("postgres", "MINIMAL", "BASIC"), ("badger", "FULL", "MINIMAL")):
        with Funnel(trap) as fake:
            assert get(fake, "/tasks", view=bad).json()["tasks"] == []
            [task_id] = made(fake)
            assert get(fake, f"/tasks/{task_id}", view=good).status_code == 200
            for path in ("/tasks", f"/tasks/{task_id}"):
                with pytest.raises(requests.ConnectionError):
                    get(fake, path, view=bad)


def test_funnel_cancels() -> None:
    with Funnel() as fake, Funnel("old_cancel") as old, Funnel("cancel_fails") as failing:
        for each, finished in ((fake, 200), (old, 500)):
            active, done = made(each, count=2)
            each.finish(done)
            assert post(each, f"/tasks/{active}:cancel").json() == {}
            assert post(each, f"/tasks/{active}:cancel").status_code == 200
            assert post(each, f"/tasks/{done}:cancel").status_code == finished
            assert each.tasks[done].state == "COMPLETE"
        [active] = made(failing)
        assert post(failing, f"/tasks/{active}:cancel").status_code == 500
        assert failing.tasks[active].state == "CANCELED"
        assert post(fake, "/tasks/nobody:cancel").status_code == 404


def test_old_funnel_is_in_camel_case_without_zeros() -> None:
    with Funnel010() as fake:
        assert requests.get(f"{fake.url}/ga4gh/tes/v1/service-info", timeout=SECONDS).status_code == 404
        info = get(fake, "/tasks/service-info").json()
        assert {"name", "taskStateCounts"} <= set(info)
        assert "id" not in info
        [task_id] = made(fake)
        fake.finish(task_id)
        full = get(fake, f"/tasks/{task_id}", view="FULL").json()
        assert "creationTime" in full
        assert "exitCode" not in full["logs"][0]["logs"][0]
        assert post(fake, "/tasks", {**TASK, **with_executor(ignore_error=True)}).status_code == 500


@pytest.mark.parametrize("family", [Funnel, Funnel011, Funnel010])
def test_that_funnel_gives_no_estimates_is_found_out_once(family: type[Funnel]) -> None:
    with family() as fake, gateway_to(fake, sources={"http_sizes": False, "drs": False, "task_info": True}) as gateway:
        for _ in range(3):
            gateway.post(TASK)
            gateway.turn(700)
        assert fake.server.count("POST", "*/tasks/task-info") == 1
        assert gateway.services.federation.view().instances[0].health is None
