"""What a store asks of MongoDB, and whether an index answers it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

BY_ID = (("_id", 1),)

MERGED = 32
"""Scans that MongoDB merges rather than sort their results; by itself it would merge 200."""

_NO_BOUNDS = ("$not", "$ne", "$nin", "$exists")


@dataclass(frozen=True)
class Question:
    """One question for documents of a collection.

    Attributes:
        command: its name.
        collection: of which collection.
        wanted: the filter.
        order: what the answer is sorted by.
        hint: the index it names.
    """

    command: str
    collection: str
    wanted: Mapping[str, Any]
    order: tuple[tuple[str, int], ...] = ()
    hint: str | None = None


class Recorder(CommandListener):
    """Keeps the commands that a client sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        with self._lock:
            self.commands.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing more is known of it."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing more is known of it."""

    def clear(self) -> None:
        with self._lock:
            self.commands.clear()

    @property
    def names(self) -> list[str]:
        """The names of the commands so far, in order."""
        return [name for name, _ in self.commands]


def questions(name: str, command: Mapping[str, Any]) -> Iterator[Question]:
    """Yield what a command asks for; an insert asks for nothing."""
    collection = str(command.get(name, ""))
    if name == "find":
        order = tuple(command.get("sort", {}).items())
        yield Question(name, collection, command["filter"], order, command.get("hint"))
    elif name == "aggregate":
        yield Question(name, collection, command["pipeline"][0]["$match"], (), command.get("hint"))
    elif name in ("update", "delete"):
        for each in command[f"{name}s"]:
            yield Question(name, collection, each["q"], (), each.get("hint"))


def uses(question: Question, index: Sequence[tuple[str, int]]) -> bool:
    """Tell whether an index finds what is asked for, and in order, reading nothing else of the collection.

    Its first field must be bounded, and what the answer is sorted by must come right after fields that have one value,
    or a few: MongoDB reads along the index for each of them, and merges that.
    """
    conditions = _conditions(question.wanted)
    if index[0][0] not in conditions:
        return False
    fields = [name for name, _ in index]
    place = 0
    while place < len(fields) and conditions.get(fields[place]) in ("one", "few"):
        place += 1
    rest = list(index[place : place + len(question.order)])
    asked = list(question.order)
    # What has one value only needs no order.
    asked = [each for each in asked if conditions.get(each[0]) != "one"]
    rest = rest[: len(asked)]
    return asked in (rest, [(name, -direction) for name, direction in rest])


def _conditions(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return for each field with bounds whether it has "one" value, a "few", "some", or a "range" of them."""
    found: dict[str, str] = {}
    for name, condition in wanted.items():
        if name == "$and":
            for each in condition:
                found = {**_conditions(each), **found}
        elif name.startswith("$"):
            continue  # looked at document by document
        elif not isinstance(condition, Mapping):
            found[name] = "one"
        elif "$all" in condition:
            found[name] = "one"  # the first one bounds
        elif "$in" in condition:
            found[name] = "few" if len(condition["$in"]) <= MERGED else "some"
        elif not all(operator in _NO_BOUNDS for operator in condition):
            found[name] = "range"
    return found


def scans(plan: Any, *, sorting: bool = True) -> bool:
    """Tell whether a plan, as MongoDB explains it, reads a whole collection or (`sorting`) sorts what it has read."""
    if isinstance(plan, Mapping):
        refused = ("COLLSCAN", "SORT") if sorting else ("COLLSCAN",)
        return plan.get("stage") in refused or any(scans(each, sorting=sorting) for each in plan.values())
    return isinstance(plan, list) and any(scans(each, sorting=sorting) for each in plan)
