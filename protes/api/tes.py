"""Controllers of `openapi/tes.yaml` and `openapi/tes-compat.yaml`: HTTP on this side, use cases on the other.

Function names are the specification's operation ids.
"""

from typing import Any

from flask import Response, request

from protes.api import page_tokens
from protes.api.answers import answer
from protes.api.arriving import arriving
from protes.api.callers import caller_may_see
from protes.api.parameters import tag_filters
from protes.api.preference import BACKEND_PARAMETERS
from protes.api.problems import FieldError, Problem, invalid
from protes.api.service_info import legacy, service_info
from protes.api.services import caller, eyes, services
from protes.api.submission import DISPATCH, submit
from protes.api.views import View, render
from protes.store.records import TaskQuery, TaskRecord
from protes.tes.states import State

_LARGEST_PAGE = 2047

# The interest a reader shows in a task could shorten its poll interval; reads never do more than read the store.


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
    minimal = view == View.MINIMAL
    record = _own(services().tasks.get(id, head=minimal))
    return answer(render(record, View(view), eyes()))


def CancelTask(id: str) -> Response:
    """Record the caller's wish and answer at once; repeated or too late it is as good."""
    parts = services()
    _own(parts.tasks.get(id, head=True))
    record = parts.tasks.request_cancel(id, parts.clock.now())
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
    filters = (name_prefix, state, tags, seen_by.all_states)
    query = TaskQuery(
        owner=caller().subject,
        state=State(state) if state else None,
        shown=not seen_by.all_states,
        name_prefix=name_prefix,
        tags=tags,
        before=page_tokens.read(page_token, filters) if page_token else None,
        limit=page_size + 1,
        heads=view == View.MINIMAL,
    )
    records = services().tasks.list(query)
    page = records[:page_size]
    listed: dict[str, Any] = {"tasks": [render(record, View(view), seen_by) for record in page]}
    if len(records) > page_size:
        listed["next_page_token"] = page_tokens.write(page[-1].id, filters)
    return answer(listed)


def _own(record: TaskRecord | None) -> TaskRecord:
    """Return the record if it is the caller's; somebody else's is as good as absent."""
    if record is None or not caller_may_see(caller(), record.owner):
        raise Problem(404, "id: there is no task with this id")
    return record
