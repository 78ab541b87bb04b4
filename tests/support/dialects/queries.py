"""What a request for tasks asks for, and which tasks that is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from tests.support.dialects.held import HeldTask
from tests.support.http_messages import Request


def first(request: Request, name: str) -> str | None:
    """The first value of a query parameter."""
    return request.query.get(name, (None,))[0]


def integer(request: Request, name: str, default: int) -> int:
    """A query parameter as a number."""
    return int(first(request, name) or default)


def after(tasks: Sequence[HeldTask], token: str | None) -> Sequence[HeldTask]:
    """The tasks behind the one with an id; all of them without a token."""
    places = (place for place, task in enumerate(tasks, start=1) if task.id == token)
    return tasks if not token else tasks[next(places, len(tasks)) :]


def passes(task: HeldTask, request: Request, filters: Iterable[str] = ("state", "name_prefix", "tag_key")) -> bool:
    """Whether a task passes those filters of TES 1.1 that a server heeds."""
    tags: Mapping[str, str] = task.document.get("tags") or {}
    pairs = itertools.zip_longest(request.query.get("tag_key", ()), request.query.get("tag_value", ()), fillvalue="")
    verdicts = {
        "state": (first(request, "state") or task.state) == task.state,
        "name_prefix": (task.document.get("name") or "").startswith(first(request, "name_prefix") or ""),
        "tag_key": all(key in tags and value in ("", tags[key]) for key, value in pairs),
    }
    return all(verdicts[each] for each in filters)
