"""GET of tasks by clients that have them already: ETag and If-None-Match, on every base path and in every view."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from protes.store.factory import Stores
from protes.store.records import Lease, Phase, Transition
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from protes.tes.states import State
from tests.api.conftest import BASES, OPERATOR_TOKEN, Api, serving
from tests.support.task_records import a_task, an_attempt

VIEWS = ("MINIMAL", "BASIC", "FULL")


def _lease(api: Api) -> Lease:
    return Lease("worker", "token", api.clock.now() + timedelta(seconds=60))


def _accepted(api: Api, task_id: str) -> None:
    """Bring a task to an instance."""
    tasks, now = api.gateway.stores.tasks, api.clock.now()
    assert tasks.claim(task_id, _lease(api), now) is not None
    attempt = an_attempt(intended_at=now, deadline=now)
    tasks.save_attempt(task_id, "token", attempt, now)
    tasks.save_attempt(task_id, "token", replace(attempt, phase=Phase.ACCEPTED, instance_task_id="r"), now)
    tasks.release(task_id, "token", None)


def _moves(api: Api, task_id: str, state: State) -> None:
    assert api.gateway.stores.tasks.transition([Transition(task_id, 1, state)], api.clock.now())


def _get(api: Api, path: str, tag: str, **headers: str) -> requests.Response:
    return api.get(path, headers={"If-None-Match": tag, **headers})


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_task_is_sent_again_when_it_has_changed_alone(api: Api, base: str, view: str) -> None:
    task_id = api.create(base=base)
    _accepted(api, task_id)
    path = f"{base}/tasks/{task_id}?view={view}"
    first = api.get(path)
    same = _get(api, path, first.headers["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary", "X-Protes-Gateway"):
        assert same.headers[name] == first.headers[name]
    assert "Content-Type" not in same.headers
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in first.headers["Vary"]

    _moves(api, task_id, State.RUNNING)
    changed = _get(api, path, first.headers["ETag"])
    assert (changed.status_code, changed.json()["state"]) == (200, "RUNNING")
    assert changed.headers["ETag"] not in ("", first.headers["ETag"])
    assert changed.content == api.get(path).content


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_is_sent_again_when_a_task_on_it_has_changed_or_come(api: Api, view: str) -> None:
    task_id = api.create()
    _accepted(api, task_id)
    path = f"/ga4gh/tes/v1/tasks?view={view}&page_size=2"
    seen = [api.get(path)]

    def changed() -> None:
        assert _get(api, path, ", ".join(each.headers["ETag"] for each in seen)).status_code == 200
        seen.append(api.get(path))
        assert _get(api, path, seen[-1].headers["ETag"]).status_code == 304

    assert _get(api, path, seen[0].headers["ETag"]).status_code == 304
    _moves(api, task_id, State.RUNNING)
    changed()
    other = api.create()
    changed()
    api.create()  # it pushes one to the next page
    changed()
    assert seen[-1].json()["next_page_token"]
    api.gateway.stores.tasks.delete(other)
    changed()


def test_what_others_do_with_a_task_is_not_seen_in_the_smallest_view(api: Api) -> None:
    task_id = api.create()
    tags = {view: api.get(f"/v1/tasks/{task_id}?view={view}").headers["ETag"] for view in VIEWS}
    api.gateway.stores.tasks.claim(task_id, _lease(api), api.clock.now())
    assert _get(api, f"/v1/tasks/{task_id}", tags["MINIMAL"]).status_code == 304
    assert _get(api, f"/v1/tasks/{task_id}?view=FULL", tags["FULL"]).status_code == 200


def test_a_view_has_a_tag_of_its_own(api: Api) -> None:
    task_id = api.create()
    tags = {
        api.get(f"{base}/tasks/{task_id}?view={view}").headers["ETag"]
        for base in ("/v1", "/ga4gh/tes/v1")
        for view in VIEWS
    }
    assert len(tags) == 6  # the two dialects show cpu_cores differently


def test_what_the_operator_is_shown_is_something_else(configured: Api) -> None:
    task_id = configured.create()
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    path = f"/v1/tasks/{task_id}?view=FULL"
    tag = configured.get(path).headers["ETag"]
    assert _get(configured, path, tag).status_code == 304
    assert _get(configured, path, tag, **operator).status_code == 200


def test_other_settings_are_another_tag() -> None:
    tags = set()
    for settings in ({}, {"all_attempts": True}, {"states": "all"}, {"show_instances": False}):
        with serving(api=settings) as api:
            api.gateway.stores.tasks.create(a_task("fixed"))
            tags.add(api.get("/ga4gh/tes/v1/tasks/fixed?view=FULL").headers["ETag"])
    assert len(tags) == 4


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('W/"other", "x,y", W/{tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
        ('"', 200),
        ("{tag}x", 200),
        ('"W/{tag}"', 200),
    ],
)
def test_if_none_match_is_read_as_http_has_it(api: Api, header: str, status: int) -> None:
    task_id = api.create()
    for path in (f"/v1/tasks/{task_id}?view=FULL", "/v1/tasks"):
        tag = api.get(path).headers["ETag"]
        assert tag.startswith('"')
        assert tag.endswith('"')
        assert _get(api, path, header.format(tag=tag)).status_code == status


def test_a_head_request_is_answered_alike(api: Api) -> None:
    path = f"/v1/tasks/{api.create()}"
    head = api.call("HEAD", path)
    assert head.headers["ETag"] == api.get(path).headers["ETag"]
    assert api.call("HEAD", path, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_what_is_not_there_or_not_right_is_no_304(api: Api) -> None:
    assert _get(api, "/v1/tasks/none", "*").status_code == 404
    assert _get(api, "/v1/tasks?page_size=0", "*").status_code == 400
    assert _get(api, f"/v1/tasks/{api.create()}?view=SMALL", "*").status_code == 400


def test_a_304_reads_no_document(tmp_path: Path) -> None:
    read: list[str] = []
    database = Database(tmp_path / "protes.db", trace=read.append)
    database.open()
    stores = Stores(SQLiteTaskStore(database), SQLiteRecords(database), database.close)
    with serving(stores) as api:
        task_id = api.create()
        for path in (f"/v1/tasks/{task_id}?view=FULL", "/v1/tasks?view=FULL"):
            read.clear()
            tag = api.get(path).headers["ETag"]
            assert any("FROM documents" in statement for statement in read)
            read.clear()
            assert _get(api, path, tag).status_code == 304
            assert read
            assert not any("FROM documents" in statement for statement in read)
