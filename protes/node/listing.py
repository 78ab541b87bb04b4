"""The parameters of GET /tasks and GET /tasks/ID (TES 1.1.0), read from the query string."""

import base64
import re
from collections.abc import Sequence

from werkzeug.datastructures import MultiDict

from protes.api.problems import FieldError, Problem, invalid
from protes.node.tasks import Query
from protes.tes.states import State

VIEWS = ("MINIMAL", "BASIC", "FULL")
_DEFAULT_PAGE, _LARGEST_PAGE = 256, 2047
_TASK_ID = re.compile(r"[0-9a-f-]{1,64}")


def view_of(parameters: MultiDict[str, str]) -> str:
    """Return the view asked for.

    Raises:
        Problem: 400, there is no such view.
    """
    view = parameters.get("view") or VIEWS[0]
    if view not in VIEWS:
        raise _wrong("view", f"must be one of {', '.join(VIEWS)}")
    return view


def query_of(parameters: MultiDict[str, str]) -> Query:
    """Return what is to be listed.

    Raises:
        Problem: 400, a parameter is not what the specification says.
    """
    return Query(
        name_prefix=parameters.get("name_prefix", ""),
        state=_state(parameters.get("state", "")),
        tags=_tags(parameters.getlist("tag_key"), parameters.getlist("tag_value")),
        before=_read_token(parameters.get("page_token", "")),
        limit=_page_size(parameters.get("page_size", "")),
    )


def token_after(task_id: str) -> str:
    """Make the token of the page that begins after a task."""
    return base64.urlsafe_b64encode(task_id.encode()).decode().rstrip("=")


def _read_token(token: str) -> str:
    try:
        task_id = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        task_id = "?"
    if token and not _TASK_ID.fullmatch(task_id):
        raise _wrong("page_token", "is not a token of this server")
    return task_id


def _state(text: str) -> State | None:
    if text and text not in State.__members__:
        raise _wrong("state", f"must be one of {', '.join(State)}")
    return State(text) if text else None


def _page_size(text: str) -> int:
    if not text:
        return _DEFAULT_PAGE
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= _LARGEST_PAGE:
        raise _wrong("page_size", f"must be a whole number from 1 to {_LARGEST_PAGE}")
    return int(text)


def _tags(keys: Sequence[str], values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if len(values) > len(keys):
        raise _wrong("tag_value", "each tag_value needs a tag_key")
    return tuple(zip(keys, [*values, *[""] * (len(keys) - len(values))], strict=True))


def _wrong(name: str, detail: str) -> Problem:
    return invalid([FieldError(f"query parameter {name}", detail)])
