"""Controllers of `openapi/tes.yaml` and `openapi/tes-compat.yaml`: HTTP on this side, use cases on the other.

Function names are the specification's operation ids.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response, request

from protes.api import page_tokens
from protes.api.answers import answer
from protes.api.arriving import arriving
from protes.api.conditional import marked, wait_seconds
from protes.api.parameters import tag_filters
from protes.api.preference import BACKEND_PARAMETERS
from protes.api.problems import FieldError, invalid
from protes.api.reading import Page, Reading, await_change
from protes.api.service_info import legacy, service_info
from protes.api.services import Services, caller, eyes, sees, services
from protes.api.submission import DISPATCH, submit
from protes.api.views import View
from protes.api.visibility import Sight, changeable_task, readable_task
from protes.store.audiences import page
from protes.store.records import TaskQuery, TaskRecord
from protes.tes.states import State

_LARGEST_PAGE = 2047


def GetServiceInfo() -> Response:
    """Answer service-info of TES 1.1.0."""
    parts = services()
    return answer(service_info(parts.settings.service, parts.federation.view(), BACKEND_PARAMETERS))


def GetLegacyServiceInfo() -> Response:
    """Answer service-info as TES 0.4 had it."""
    parts = services()
    return answer(legacy(parts.settings.service, parts.federation.view()))


def CreateTask(body: dict[str, Any]) -> Response:
    """Make a task durable and answer its id."""
    return answer({"id": submit(services(), caller(), arriving(body))})


def GetTask(id: str, view: str = "MINIMAL") -> Response:
    """Answer one task, from the store alone."""
    parts = services()
    read = partial(_one, parts, sees(), id, view != View.MINIMAL or _wanted_seconds(parts) > 0)
    reading = Reading(read, View(view), eyes(), single=True)
    return _answered(parts, reading, lambda page: reading.rendered(page)[0])


def CancelTask(id: str) -> Response:
    """Record the caller's wish and answer at once; repeated or too late it is as good."""
    parts = services()
    changeable_task(parts.tasks, sees(), id)
    with parts.intake.place():
        record = parts.tasks.request_cancel(id, parts.clock.now())
    parts.waiting.nudge()
    if record is not None and record.due_at is not None:
        parts.runner.submit(DISPATCH, id)
    return answer({})


def ListTasks(
    name_prefix: str = "",
    page_size: int = 256,
    page_token: str | None = None,
    view: str = "MINIMAL",
    **_: Any,
) -> Response:
    """Answer a page of the caller's tasks, newest first."""
    if not 1 <= page_size <= _LARGEST_PAGE:
        raise invalid([FieldError("query parameter page_size", f"must be from 1 to {_LARGEST_PAGE}")])
    # Not a parameter: connexion would fill in the default of `tesState`, which is meant for the task's field.
    state = request.args.get("state")
    seen_by, tags = eyes(), tag_filters(request.query_string.decode(errors="replace"))
    filters = (caller().subject, name_prefix, state, tags, seen_by.all_states)
    query = TaskQuery(
        state=State(state) if state else None,
        shown=not seen_by.all_states,
        name_prefix=name_prefix,
        tags=tags,
        before=page_tokens.read(page_token, filters) if page_token else None,
        limit=page_size + 1,
    )
    parts = services()
    reading = Reading(partial(_page, parts, query, sees()), View(view), seen_by)

    def listed(page: Page) -> dict[str, Any]:
        more = {"next_page_token": page_tokens.write(page.records[-1].id, filters)} if page.more else {}
        return {"tasks": reading.rendered(page), **more}

    return _answered(parts, reading, listed)


def _answered(parts: Services, reading: Reading, document: Callable[[Page], Mapping[str, Any]]) -> Response:
    """Answer what is to be shown, after waiting for it where the client prefers so; 304 where it has that already."""
    known, waited = request.if_none_match, 0
    wanted = _wanted_seconds(parts)
    if wanted:
        with parts.waiting.place() as free:
            if free:
                await_change(reading, known, parts.waiting, wanted)
                waited = wanted
    page = reading.read(reading.heads_suffice or bool(known))
    tag = reading.tag(page)
    if known.contains_weak(tag):
        return marked(Response(status=304), tag, waited)
    if known and not reading.heads_suffice:
        page = reading.read(False)
        tag = reading.tag(page)
    return marked(answer(document(page)), tag, waited)


def _wanted_seconds(parts: Services) -> int:
    return wait_seconds(request.headers.get("Prefer"), parts.settings.server.longest_wait_seconds)


def _one(parts: Services, seen: Sight, task_id: str, interested: bool, head: bool) -> Page:
    """Read a task that the caller sees. Who is `interested` has it looked after sooner."""
    record = readable_task(parts.tasks, seen, task_id, head=head)
    if interested and not record.state.finished:
        _mark(parts, record, head)
    return Page((record,))


def _mark(parts: Services, record: TaskRecord, head: bool) -> None:
    """Have a task looked after sooner, and the instance where it runs, which a head does not tell."""
    if head:
        whole = parts.tasks.get(record.id) if parts.interest.asks_where(record.id, record.version) else None
        if whole is None:
            parts.interest.mark(record.id)
            return
        record = whole
    live = record.live_attempt
    parts.interest.mark(record.id, live.instance_url if live is not None else None, version=record.version)


def _page(parts: Services, query: TaskQuery, seen: Sight, heads: bool) -> Page:
    """Read a page of what the caller sees; the query asks for one task more than there is room for."""
    records = page(parts.tasks, replace(query, heads=heads), seen.readable)
    room = query.limit - 1
    return Page(tuple(records[:room]), more=len(records) > room)
