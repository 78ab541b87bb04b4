"""Read what clients send: bodies and query parameters, refused by name with what would be right."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Request

from protes.node.problems import Problem, invalid, invalid_parameter
from protes.node.settings import NodeSettings
from protes.node.task_files import TASK_ID
from protes.node.tasks import Filter
from protes.node.validation import errors_of
from protes.node.views import View
from protes.tes.documents import normalise
from protes.tes.states import State

_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,9}")
_PAGE_SIZE, _LARGEST_PAGE = 256, 2047
_DEEPEST = 32
_OPTIONAL_PATHS = ("workdir", "stdin", "stdout", "stderr")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create.

    Attributes:
        document: normalised: no nulls, nothing that the server sets, no backend parameters.
        warnings: what its system log must say.
    """

    document: Mapping[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A list that is asked for.

    Attributes:
        wanted: which tasks.
        size: how many at most.
        before: the id it goes on after, None for the first page.
        view: how they are shown.
    """

    wanted: Filter
    size: int
    before: str | None
    view: View


def read_task(request: Request, settings: NodeSettings) -> NewTask:
    """Read the body of CreateTask.

    Raises:
        Problem: 415 where it is not declared as JSON, 400 where it is not a task for this node.
    """
    _require_json(request)
    document = _without_nulls(_parse(request.get_data()))
    if not isinstance(document, dict):
        raise Problem(400, "body: must be a JSON object, a tesTask")
    errors = errors_of(document, settings)
    if errors:
        raise invalid(errors)
    return _clean(normalise(document))


def check_cancel(request: Request) -> None:
    """Check the body of CancelTask: none, `{}` or `null`, as clients send them.

    Raises:
        Problem: 415 where a body is not declared as JSON, 400 where it holds anything.
    """
    raw = request.get_data()
    # A web page can send a POST without a body to anywhere; the guard has refused foreign origins before.
    if not raw:
        return
    _require_json(request)
    if _parse(raw) not in (None, {}):
        raise Problem(400, "body: must be empty, {} or null")


def read_view(request: Request) -> View:
    """Read the query parameter `view`.

    Raises:
        Problem: 400, it is none.
    """
    return _one_of(View, request, "view") or View.MINIMAL


def read_page(request: Request) -> Page:
    """Read the query parameters of ListTasks.

    Raises:
        Problem: 400, one of them is wrong.
    """
    token = request.args.get("page_token")
    wanted = Filter(
        name_prefix=request.args.get("name_prefix", ""),
        state=_one_of(State, request, "state"),
        tags=_tags(request.args.getlist("tag_key"), request.args.getlist("tag_value")),
    )
    return Page(wanted, _page_size(request), _read_token(token) if token else None, read_view(request))


def page_token(before: str) -> str:
    """Make the token of the page that goes on after a task."""
    return base64.urlsafe_b64encode(before.encode()).decode()


def _read_token(token: str) -> str:
    try:
        before = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        before = ""
    if not TASK_ID.fullmatch(before):
        raise invalid_parameter("page_token", "is not a token of this node")
    return before


def _require_json(request: Request) -> None:
    if not _JSON_TYPE.fullmatch(request.mimetype):
        raise Problem(415, "header Content-Type: must be application/json")


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_constant=_refuse_constant)
    except RecursionError:
        raise Problem(400, "body: is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, f"body: is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _without_nulls(value: Any, depth: int = 0) -> Any:
    """Drop members that are null, at any depth, and check that all text is text; nulls in lists stay to be refused."""
    if depth > _DEEPEST:
        raise Problem(400, "body: is nested too deeply")
    if isinstance(value, dict):
        return {
            _without_nulls(name): _without_nulls(item, depth + 1) for name, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [_without_nulls(item, depth + 1) for item in value]
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Problem(400, "body: holds half of a surrogate pair (\\ud800 to \\udfff), which is no text") from None
    return value


def _clean(document: dict[str, Any]) -> NewTask:
    """Drop paths that are "" (some clients write every field) and backend parameters, which this node has none of."""
    for executor in document["executors"]:
        for field in _OPTIONAL_PATHS:
            if executor.get(field) == "":
                del executor[field]
    resources = document.get("resources", {})
    # "Backends shall log system warnings if a key is passed that is unsupported", and not store it (TES 1.1.0).
    unknown = sorted(resources.pop("backend_parameters", ()))
    return NewTask(document, tuple(f"warning: backend parameter {key!r} is not supported" for key in unknown))


def _one_of(kind: Callable[[str], Value], request: Request, name: str) -> Value | None:
    text = request.args.get(name)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise invalid_parameter(name, f"must be one of {', '.join(kind)}") from None  # type: ignore[arg-type]


def _page_size(request: Request) -> int:
    text = request.args.get("page_size")
    if not text:
        return _PAGE_SIZE
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= _LARGEST_PAGE:
        raise invalid_parameter("page_size", f"must be a whole number from 1 to {_LARGEST_PAGE}")
    return int(text)


def _tags(keys: list[str], values: list[str]) -> dict[str, str | None]:
    """Zip keys and values; an empty or missing value matches any (TES 1.1.0, `ListTasks`)."""
    if len(values) > len(keys):
        raise invalid_parameter("tag_value", "each tag_value needs a tag_key before it")
    wanted: dict[str, str | None] = {}
    for index, key in enumerate(keys):
        value = values[index] if index < len(values) else ""
        earlier = wanted.get(key)
        if earlier and value and earlier != value:
            raise invalid_parameter("tag_value", f"two values for the tag {key[:60]!r}")
        wanted[key] = value or earlier
    return wanted
