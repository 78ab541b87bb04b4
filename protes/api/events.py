"""Controller of the event stream (`openapi/protes.yaml`, docs/events.md). Function names are operation ids."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request

from protes.api.callers import Caller
from protes.api.parameters import tag_filters
from protes.api.problems import FieldError, Problem, invalid
from protes.api.services import Services, caller, eyes, services
from protes.api.visibility import is_shown_strangers, sight
from protes.events.connection import Connection
from protes.events.feed import Listener, Missed
from protes.events.selection import Selection
from protes.events.streaming import Stream, Wish
from protes.federation.federation import Federation
from protes.tes.states import State

_MOST_IDS = 64
_ID = re.compile(r"[0-9]{1,15}")
_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx and what is like it would keep events back
}
_RETRY_SECONDS = 5
_MISSED = "events are missing: list the tasks again"


def StreamEvents(**_: Any) -> Response:
    """Answer events as they happen, until the client leaves or the time of a stream is over."""
    parts = services()
    wish = _wish(parts, caller())
    after, missed = _last_event_id(), None
    connection = Connection(request.environ, parts.clock)
    with ExitStack() as held:
        if not held.enter_context(parts.waiting.place()):
            raise Problem(
                503,
                "as many clients as may hold a connection do so already: try again, or ask for the tasks instead",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        try:
            listener = _listener(parts, held, connection, after)
        except Missed:
            missed = _MISSED
            listener = _listener(parts, held, connection, None)
        pieces = Stream(parts.feed, listener, wish, connection, parts.clock, missed).pieces()
        answer = Response(pieces, mimetype="text/event-stream", headers=_HEADERS)
        answer.call_on_close(held.pop_all().close)
        return answer


def _listener(parts: Services, held: ExitStack, connection: Connection, after: int | None) -> Listener:
    return held.enter_context(parts.feed.listen(after, connection.look))


def _wish(parts: Services, who: Caller) -> Wish:
    """Return what the request asks for.

    Raises:
        Problem: 400 with the parameter that is wrong.
    """
    query = request.query_string.decode("ascii", "replace")
    said: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        said.setdefault(name, []).append(value)
    sees, tasks = eyes(), sight(who, parts.settings.visibility)
    selection = Selection(
        audiences=tasks.readable,
        ids=_ids(said.get("id", ())),
        states=frozenset(map(_state, said.get("state", ()))),
        tags=tag_filters(query),
        name_prefix=said.get("name_prefix", [""])[-1],
        all_states=sees.all_states,
    )
    return Wish(
        selection,
        lambda state: sees.queued_as if state is State.QUEUED else state,
        partial(parts.tasks.get, head=True),
        partial(_instances, parts.federation, is_shown_strangers(who, tasks))
        if said.get("instances", ["false"])[-1] == "true"
        else None,
        parts.settings.events.connection_seconds,
    )


def _ids(said: Sequence[str]) -> frozenset[str]:
    if len(said) > _MOST_IDS:
        raise invalid([FieldError("query parameter id", f"must be given {_MOST_IDS} times at most")])
    return frozenset(said)


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        known = ", ".join(State)
        raise invalid([FieldError("query parameter state", f"must be one of {known}")]) from None


def _last_event_id() -> int | None:
    """Return the id after which the client goes on; what is no id of ours counts as one that is not known."""
    text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    if not text:
        return None
    return int(text) if _ID.fullmatch(text) else -1


def _instances(federation: Federation, strangers: bool) -> Mapping[str, str]:
    shown = (each for each in federation.view().instances if each.is_member or (strangers and each.in_flight))
    return {each.id: each.status for each in shown}
