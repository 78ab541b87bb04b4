"""How engines read answers: written from what their decoders accept, so that a regression shows without any engine.

Each decoder takes a document and raises `Undecodable` where the engine's own would fail, or where the engine would then
stop or hang.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Document = Mapping[str, Any]
Decoder = Callable[[Document], None]

# The states that a run of the engine survives, finished or not (ENGINES.md 0.3).
TES_1_0 = frozenset("UNKNOWN QUEUED INITIALIZING RUNNING COMPLETE EXECUTOR_ERROR SYSTEM_ERROR CANCELED".split())  # noqa: SIM905

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LARGEST_SIZE = 2**31 - 1


class Undecodable(Exception):
    """An engine cannot read this; the text says what."""


def need(holds: object, what: str) -> None:
    """Raise `Undecodable` with `what` unless it holds."""
    if not holds:
        raise Undecodable(what)


def texts(value: object, where: str) -> None:
    """Check a map of strings."""
    need(isinstance(value, dict) and all(isinstance(each, str) for each in value.values()), f"{where}: not all strings")


def minimal(document: Document) -> None:
    """Check what every engine reads of MINIMAL, which is also what it gets without a view."""
    need(set(document) == {"id", "state"}, f"MINIMAL has {sorted(document)}")
    need(re.fullmatch(r"[A-Za-z0-9_-]+", document["id"]), "id: needs quoting in a URL")
    need(document["state"] in TES_1_0, f"state {document['state']}")


def cromwell(document: Document) -> None:
    """Read FULL as Cromwell's TES backend does (spray-json): unknown fields are ignored, types are exact."""
    need({"id", "state", "executors"} <= set(document), "id, state or executors missing")
    for executor in document["executors"]:
        need(isinstance(executor["image"], str) and isinstance(executor["command"], list), "executors")
    for part in (*document.get("inputs", ()), *document.get("outputs", ())):
        need(isinstance(part.get("path"), str), "path of an input or output")
    for log in document.get("logs", ()):
        texts(log.get("metadata", {}), "logs.metadata")
        for output in log.get("outputs", ()):
            need(isinstance(output.get("url"), str) and isinstance(output.get("path"), str), "logs.outputs")
            need(isinstance(output.get("size_bytes"), str), "size_bytes: not a string")
            need(int(output["size_bytes"]) <= _LARGEST_SIZE, "size_bytes: too large")
        _exit_codes(log)


def nextflow(document: Document) -> None:
    """Read a task as nf-ga4gh's generated Gson models do: unknown fields ignored, an unknown state becomes null."""
    need(document.get("state") in TES_1_0, f"state {document.get('state')}: it would wait for ever")
    for executor in document.get("executors", ()):
        texts(executor.get("env", {}), "env")
    texts(document.get("tags", {}), "tags")
    for log in document.get("logs", ()):
        texts(log.get("metadata", {}), "logs.metadata")
        _exit_codes(log)
    if document["state"] == "EXECUTOR_ERROR" and "executors" in document:
        # It reads the first entry of both.
        need(isinstance(document["logs"][0]["logs"][0]["exit_code"], int), "no exit code")


def sprocket(document: Document) -> None:
    """Read FULL as Sprocket's `tes` crate does (serde): an absent or null required field is an error."""
    for part in (*document.get("inputs", ()), *document.get("outputs", ())):
        need(part.get("type") in ("FILE", "DIRECTORY"), "type of an input or output")
    _whole_cores(document)
    texts(document.get("tags", {}), "tags")
    _times(document)
    for log in document.get("logs", ()):
        need(isinstance(log.get("logs"), list) and isinstance(log.get("outputs"), list), "logs.logs or logs.outputs")
        for output in log["outputs"]:
            need(isinstance(output.get("size_bytes"), str), "size_bytes: not a string")
        for each in log["logs"]:
            need(type(each.get("exit_code")) is int, "exit_code: not an integer")
    if document["state"] in ("COMPLETE", "EXECUTOR_ERROR"):
        need(document.get("logs"), "no logs at the end")
    if document["state"] == "COMPLETE":
        need(len(document["logs"][-1]["logs"]) == len(document["executors"]), "not one executor log per executor")


def py_tes_0(document: Document) -> None:
    """Read BASIC or FULL as py-tes 0.4.2 does (Snakemake 9, Toil, cwl-WES): an unknown field is an error."""
    need(document["state"] in TES_1_0 | {"PAUSED"}, f"state {document['state']}")
    _only(document, _PY_TES_0)
    _whole_cores(document)
    _times(document)
    for log in document.get("logs", ()):
        need(isinstance(log.get("logs"), list), "logs.logs: null")


def pydantic_tes(document: Document) -> None:
    """Read FULL as pydantic-tes 0.4.0 does (Pulsar)."""
    need(document["state"] in TES_1_0, f"state {document['state']}")
    need(document.get("executors"), "executors")
    sprocket({**document, "state": "RUNNING"})
    for log in document.get("logs", ()):
        texts(log.get("metadata", {}), "logs.metadata")


_PY_TES_0: dict[str, Any] = {
    **dict.fromkeys(["id", "state", "name", "description", "volumes", "creation_time"]),
    "tags": {},
    "inputs": dict.fromkeys(["url", "path", "type", "name", "description", "content"]),
    "outputs": dict.fromkeys(["url", "path", "type", "name", "description"]),
    "resources": dict.fromkeys(["cpu_cores", "ram_gb", "disk_gb", "preemptible", "zones"]),
    "executors": {
        **dict.fromkeys(["image", "command", "workdir", "stdin", "stdout", "stderr"]),
        "env": {},
    },
    "logs": {
        **dict.fromkeys(["start_time", "end_time", "system_logs"]),
        "metadata": {},
        "logs": dict.fromkeys(["start_time", "end_time", "stdout", "stderr", "exit_code"]),
        "outputs": dict.fromkeys(["url", "path", "size_bytes"]),
    },
}
"""The fields that its models know; `{}` is a free map, None a value."""


def _only(value: Any, known: Mapping[str, Any] | None, where: str = "task") -> None:
    if isinstance(value, list):
        for each in value:
            _only(each, known, where)
    elif isinstance(value, dict) and known:
        need(set(value) <= set(known), f"{where}: {sorted(set(value) - set(known))}")
        for key, each in value.items():
            need(each is not None, f"{where}.{key}: null")
            _only(each, known[key], f"{where}.{key}")


def _whole_cores(document: Document) -> None:
    cores = document.get("resources", {}).get("cpu_cores", 1)
    need(type(cores) is int, "cpu_cores: not an integer")


def _times(document: Document) -> None:
    stamped = [document]
    for log in document.get("logs", ()):
        stamped += [log, *log["logs"]]
    for each in stamped:
        for field in ("creation_time", "start_time", "end_time"):
            need(field not in each or _TIME.fullmatch(str(each[field])), f"{field}: {each.get(field)!r}")


def _exit_codes(log: Document) -> None:
    for each in log.get("logs", ()):
        need(type(each.get("exit_code", 0)) is int, "exit_code: not an integer")
