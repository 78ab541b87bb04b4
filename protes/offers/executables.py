"""Executables of the Execution Broker as TES tasks: a task itself, or a container as a task of one executor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protes.offers import kinds
from protes.offers.messages import MISSING, Message, message, unsupported
from protes.offers.reading import Node

_MOST_ARGUMENTS = 10_000
_DATA_FOLDER = "/data"
_OF_CONTAINERS = ("image", "entrypoint", "command", "environment")
_TYPED = ("task", *_OF_CONTAINERS)
_BROKERS_OWN = frozenset({"created", "messages", "options"})
"""What metadata hold that a broker says, not its client."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Executable:
    """What is to run.

    Attributes:
        described: as the client has it.
        task: as a TES document, None where there is none to make.
        refusals: what cannot be served.
        remarks: what the client should know.
    """

    described: Mapping[str, Any]
    task: Mapping[str, Any] | None
    refusals: tuple[Message, ...] = ()
    remarks: tuple[Message, ...] = ()


def read_executable(request: Node) -> Executable:
    """Read `executable`, and `data` for containers; errors are noted."""
    node = request.object("executable")
    if node is None:
        if request.raw("executable") is None:
            request.wrong("executable", "is required")
        return Executable({}, None)
    kind = node.text("kind") or node.text("type")
    if kind is None:
        node.wrong("kind", f"is required: {kinds.TASK}, or the URI of {kinds.DOCKER_CONTAINER}")
        return Executable({}, None)
    match kinds.name_of(kind):
        case kinds.TASK:
            return _task(request, node, _described(node, kind, "task"))
        case kinds.DOCKER_CONTAINER:
            return _container(request, node, _described(node, kind, *_OF_CONTAINERS))
        case _:
            why = f"is not run here; known are {kinds.TASK} and {kinds.DOCKER_CONTAINER}"
            return Executable(_described(node, kind), None, (unsupported(node.at("kind"), why),))


def _described(node: Node, kind: str, *read: str) -> dict[str, Any]:
    """Return an executable as it is shown again: of the fields that have a type, those alone that are `read`."""
    others = {*_TYPED, "type", "meta"}.difference(read)
    described = {name: value for name, value in node.whole().items() if name not in others}
    if isinstance(described.get("image"), str):
        described["image"] = {"locations": [described["image"]]}
    meta = node.object("meta")
    if meta is not None:
        for name in ("uuid", "name", "description", "url"):
            meta.text(name)
        described["meta"] = {name: value for name, value in meta.whole().items() if name not in _BROKERS_OWN}
    return {**described, "kind": kind}


def _task(request: Node, node: Node, described: Mapping[str, Any]) -> Executable:
    task = node.object("task")
    if task is None:
        if node.raw("task") is None:
            node.wrong("task", "is required: a tesTask")
        return Executable(described, None)
    refusals = (unsupported("data", "data of a TES task are its inputs"),) if request.raw("data") else ()
    return Executable(described, task.whole(), refusals)


def _container(request: Node, node: Node, described: Mapping[str, Any]) -> Executable:
    image = _image(node)
    entrypoint, arguments = node.text("entrypoint"), node.texts("command", _MOST_ARGUMENTS)
    command = [entrypoint, *arguments] if entrypoint else arguments
    environment = node.text_map("environment")
    refusals = _container_refusals(node, command)
    inputs = _inputs(request, refusals)
    meta = node.object("meta")
    name = meta.text("name") if meta is not None else None
    executor = {"image": image, "command": command, **({"env": environment} if environment else {})}
    task = {**({"name": name} if name else {}), "executors": [executor], **({"inputs": inputs} if inputs else {})}
    remarks = []
    if not entrypoint:
        text = "whether an image's own entrypoint is used is up to the instance; name it in executable.entrypoint"
        remarks.append(message("WARN", "urn:entrypoint", text))
    remarks += [
        message("WARN", "urn:ignored", "{field}: a TES task has no place for it", field=node.at(name))
        for name in ("labels",)
        if node.raw(name)
    ]
    return Executable(described, task, tuple(refusals), tuple(remarks))


def _image(node: Node) -> str:
    """Return the image's first location, pinned to the digest where one is given."""
    if isinstance(node.raw("image"), str):
        return node.text("image") or ""
    image = node.object("image")
    locations = image.texts("locations", 100) if image is not None else []
    if image is None or not locations or not locations[0]:
        if not node.errors:
            node.wrong("image.locations", "must hold at least one location of the image")
        return ""
    digest = image.text("digest")
    return f"{locations[0]}@{digest}" if digest and "@" not in locations[0] else locations[0]


def _container_refusals(node: Node, command: list[str]) -> list[Message]:
    refusals = []
    if not command:
        template = "{field}: a TES task names its program; give entrypoint, command or both"
        refusals.append(message("ERROR", MISSING, template, field=node.at("command")))
    if node.raw("privileged"):
        refusals.append(unsupported(node.at("privileged"), "TES has no privileged containers"))
    network = node.raw("network")
    if isinstance(network, Mapping) and network.get("ports"):
        refusals.append(unsupported(node.at("network.ports"), "TES publishes no ports"))
    image = node.raw("image")
    platform = image.get("platform") if isinstance(image, Mapping) else None
    if isinstance(platform, Mapping) and (platform.get("architecture"), platform.get("os")) != ("amd64", "linux"):
        refusals.append(
            unsupported(node.at("image.platform"), "TES does not choose a platform; linux on amd64 is usual")
        )
    for name in ("volumes", "mounts"):
        if node.raw(name):
            refusals.append(unsupported(node.at(name), f"data are mounted at {_DATA_FOLDER}/<name> alone"))
    return refusals


def _inputs(request: Node, refusals: list[Message]) -> list[dict[str, str]]:
    """Return data as inputs, each at `/data/<name>`, or `/data/<its number>` where the name is none for a file."""
    inputs: list[dict[str, str]] = []
    taken: set[str] = set()
    for number, item in enumerate(request.objects("data"), start=1):
        kind = item.text("kind") or item.text("type")
        if not kinds.is_kind(kind, kinds.DATA):
            refusals.append(unsupported(item.at("kind"), f"only {kinds.name_of(kinds.DATA)} is known here"))
            continue
        location = item.text("location")
        if location is None:
            item.wrong("location", "is required: the URL of the data")
            continue
        meta = item.object("meta")
        name = (meta.text("name") if meta is not None else None) or ""
        file = name if _NAME.fullmatch(name) and name not in taken else str(number)
        taken.add(file)
        inputs.append({**({"name": name} if name else {}), "url": location, "path": f"{_DATA_FOLDER}/{file}"})
    return inputs
