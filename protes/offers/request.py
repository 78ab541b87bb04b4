"""What a client asks the Execution Broker for, as a TES task with wishes (STANDARDS.md 5.2, ExecutionRequest).

Read are the 2026 shapes, and `type` for `kind`. What is well written and cannot be served makes the answer NO; what is
badly written is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protes.offers.errors import InvalidRequest
from protes.offers.executables import read_executable
from protes.offers.messages import Message, message, unsupported
from protes.offers.reading import Node
from protes.offers.resources import read_resources
from protes.offers.wishes import Wishes, read_wishes

_KNOWN = ("kind", "type", "meta", "name", "executable", "compute", "storage", "data", "schedule", "costs", "metrics")
_TAG_PREFIX = "protes."


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """A request, read.

    Attributes:
        executable: what is to run, as the client described it.
        task: the same as a TES document, with the resources asked for; not yet checked.
        wishes: what is preferred, as texts by the name of their tag without prefix.
        places: by the same names, the path of the field that said it.
        earliest_start: the begin of the window in which the task is to start, or None.
        latest_start: the end of that window, or None.
        max_offers: how many offers are wanted at most.
        refusals: why the answer is NO, whatever the instances say.
        remarks: what the client should know besides.
    """

    executable: Mapping[str, Any]
    task: Mapping[str, Any]
    wishes: Mapping[str, str]
    places: Mapping[str, str]
    earliest_start: datetime | None
    latest_start: datetime | None
    max_offers: int
    refusals: tuple[Message, ...]
    remarks: tuple[Message, ...]

    def task_with_wishes(self) -> dict[str, Any]:
        """Return the task with each wish as the tag that says it (DESIGN.md section 6)."""
        tags = {_TAG_PREFIX + name: text for name, text in self.wishes.items()}
        return {**self.task, **({"tags": {**self.task.get("tags", {}), **tags}} if tags else {})}


def read_request(document: Any, currency: str) -> ExecutionRequest:
    """Read an ExecutionRequest.

    Args:
        document: the parsed body, without nulls in objects.
        currency: the currency of costs that name none, ISO 4217.

    Raises:
        InvalidRequest: the document is not right.
    """
    if not isinstance(document, Mapping):
        raise InvalidRequest([("body", "must be an object, an ExecutionRequest")])
    node = Node(document, "", [])
    wishes = read_wishes(node, currency)
    resources = read_resources(node)
    executable = read_executable(node)
    refusals = [*wishes.refusals, *resources.refusals, *executable.refusals, *_unserved(node)]
    task = executable.task
    if task is not None and isinstance(task.get("resources", {}), Mapping):
        asked = {**task.get("resources", {}), **resources.asked}
        refusals += resources.excess(asked)
        task = {**task, **({"resources": asked} if asked else {})}
    _contradictions(node, task, wishes)
    if node.errors:
        raise InvalidRequest(node.errors)
    return ExecutionRequest(
        executable=executable.described,
        task=task or {},
        wishes=wishes.texts,
        places=wishes.places,
        earliest_start=wishes.earliest_start,
        latest_start=wishes.latest_start,
        max_offers=wishes.max_offers,
        refusals=tuple(refusals),
        remarks=(*_remarks(node), *executable.remarks),
    )


def _unserved(node: Node) -> list[Message]:
    """What would bind an offer and is nothing that instances are known by."""
    refused = [
        unsupported(name, why)
        for name, why in (
            ("metrics", "nothing is known of metrics of instances"),
            ("resources", "the shape of 2026 has compute, storage and data in its place"),
        )
        if node.raw(name)
    ]
    components = [("compute", node.raw("compute"))]
    for name in ("storage", "data"):
        listed = node.raw(name)
        components += [
            (f"{name}[{index}]", each) for index, each in enumerate(listed if isinstance(listed, list) else ())
        ]
    for place, component in components:
        if isinstance(component, Mapping):
            refused += [
                unsupported(f"{place}.{name}", "what a component costs is not known apart; limit the whole in costs")
                for name in ("costs", "metrics")
                if component.get(name)
            ]
    return refused


def _contradictions(node: Node, task: Mapping[str, Any] | None, wishes: Wishes) -> None:
    tags = (task or {}).get("tags")
    if not isinstance(tags, Mapping):
        return  # absent, or refused by the schema of tasks
    for name, text in wishes.texts.items():
        if tags.get(_TAG_PREFIX + name, text) != text:
            node.wrong(wishes.places[name], f"differs from the task's tag {_TAG_PREFIX}{name}")


def _remarks(node: Node) -> list[Message]:
    ignored = sorted(set(node.names()) - {*_KNOWN, "preferences", "resources"})
    return [
        message("WARN", "urn:ignored", "{field}: is not known and was ignored", field=name[:60])
        for name in ignored[:20]
    ]
