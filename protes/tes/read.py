"""Reads what instances answer, however they write it (DIALECTS.md 2.4). Pure.

Taken are `id`, `state` and the deciding task log, nothing else: names, paths, resources and tags are served from the
gateway's own record. snake_case and camelCase are equal, null is missing, and what cannot be read is left out rather
than passed on or failed at. Only an answer that is no JSON object at all is an error.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from protes.clock import rfc3339
from protes.tes.errors import BadAnswer
from protes.tes.redaction import redact, without
from protes.tes.states import State, parse_state

DEFAULT_TAIL_BYTES = 4 * 1024 * 1024
MAX_ID_CHARACTERS = 512

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.IGNORECASE | re.ASCII,
)
_INTEGER = re.compile(r"[+-]?\d{1,20}(\.0*)?", re.ASCII)
_EARLIEST_YEAR = 1970
"""Go's and .NET's zero times mean "not set"."""

_INT32_LOWEST, _INT32_HIGHEST = -(2**31), 2**31 - 1
_INT64_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SeenTask:
    """A task as an instance shows it.

    Attributes:
        id: its id there; "" where the answer has none.
        state: its state; UNKNOWN where it has none or an unknown one.
        log: the deciding `tesTaskLog`, clean, or None where the answer has none.
    """

    id: str
    state: State
    log: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a task list.

    Attributes:
        entries: those with a usable id: the id, and the entry as it came.
        token: as it came, "" for none.
        left_out: how many more entries it has.
    """

    entries: tuple[tuple[str, Mapping[str, Any]], ...]
    token: str
    left_out: int = 0


def read_task(
    answer: object,
    *,
    tail_bytes: int = DEFAULT_TAIL_BYTES,
    omitted_exit_code_is_zero: bool = False,
    killed_exit_code_is_zero: bool = False,
) -> SeenTask:
    """Read one task.

    Args:
        answer: parsed JSON.
        tail_bytes: stdout and stderr are cut to about this many bytes of UTF-8, from the end.
        omitted_exit_code_is_zero: the server leaves out zeros, so an executor that ended without a code ended with 0.
        killed_exit_code_is_zero: the server shows 0 for the executor that a cancellation ended, the last one: it has
            none.

    Raises:
        BadAnswer: not a JSON object.
    """
    if not isinstance(answer, Mapping):
        raise BadAnswer("answered with JSON that is not an object")
    state = parse_state(field(answer, "state"))
    logs = field(answer, "logs")
    logs = logs if isinstance(logs, list) else [logs]
    last = next((log for log in reversed(logs) if isinstance(log, Mapping)), None)
    if killed_exit_code_is_zero and state is State.CANCELED and last is not None:
        last = _with_killed_last(last, earlier_are_zero=omitted_exit_code_is_zero)
        omitted_exit_code_is_zero = False
    log = None if last is None else _task_log(last, state, tail_bytes, omitted_exit_code_is_zero)
    return SeenTask(read_id(answer), state, log)


def read_seen(task_id: str, entry: Mapping[str, Any]) -> SeenTask:
    """Read the state of a task in a list, and nothing else of it."""
    return SeenTask(task_id, parse_state(field(entry, "state")))


def read_id(answer: Mapping[str, Any]) -> str:
    """Return the id, or "" where it is missing or could not be part of a URL."""
    plain = answer.get("id")
    if isinstance(plain, str) and plain.isalnum() and plain.isascii() and len(plain) <= MAX_ID_CHARACTERS:
        return plain  # as nearly all are: lists have a thousand of them
    value = _text(field(answer, "id"))
    usable = value not in (".", "..") and len(value) <= MAX_ID_CHARACTERS and value.isprintable() and value.strip()
    return value if usable else ""


def read_page(answer: object) -> Page:
    """Read a page of a list.

    Raises:
        BadAnswer: not a JSON object, or `tasks` is there and no list.
    """
    if not isinstance(answer, Mapping):
        raise BadAnswer("answered with JSON that is not an object")
    tasks = field(answer, "tasks")
    if tasks is not None and not isinstance(tasks, list):
        raise BadAnswer("answered with tasks that are not a list")
    entries = tuple((task_id, each) for each in tasks or () if isinstance(each, Mapping) and (task_id := read_id(each)))
    return Page(entries, _text(field(answer, "next_page_token")), len(tasks or ()) - len(entries))


def field(document: Mapping[str, Any], name: str) -> Any:
    """Return a field by its snake_case name, written either way; None where it is missing."""
    value = document.get(name)
    if value is not None:
        return value
    first, *others = name.split("_")
    return document.get(first + "".join(map(str.capitalize, others)))


def read_time(value: object) -> str | None:
    """Return a time as RFC 3339 in UTC with microseconds, or None where it is none or means "not set".

    Accepted: a space for the T, any number of fractional digits, any offset; without an offset it is taken as UTC.
    """
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, time, fraction, offset = match.groups()
    offset = "+00:00" if offset is None or offset.upper() in ("Z", "UTC", "GMT") else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if moment.year < _EARLIEST_YEAR:
        return None
    return rfc3339(moment.replace(microsecond=int((fraction or "")[:6].ljust(6, "0"))))


def tail(text: str, max_bytes: int) -> str:
    """Cut a text to its last `max_bytes` bytes of UTF-8, whole characters, with a first line that says so."""
    data = text.encode("utf-8")
    if len(data) <= max_bytes:
        return text
    kept = data[len(data) - max_bytes :].decode("utf-8", "ignore")
    return f"[{len(data) - len(kept.encode())} bytes before this were left out]\n{kept}"


def masked(seen: SeenTask, secrets: Sequence[str]) -> SeenTask:
    """Return what an instance tells of a task without secrets that were shown to it; what the task wrote stays.

    Args:
        seen: what it tells.
        secrets: texts that must not occur in `system_logs` and `metadata`.
    """
    log = seen.log
    if log is None or not any(secrets):
        return seen
    changed = dict(log)
    if "system_logs" in log:
        changed["system_logs"] = [without(line, *secrets) for line in log["system_logs"]]
    if "metadata" in log:
        changed["metadata"] = {name: without(text, *secrets) for name, text in log["metadata"].items()}
    return replace(seen, log=changed)


def _with_killed_last(log: Mapping[str, Any], *, earlier_are_zero: bool) -> Mapping[str, Any]:
    """Take the last executor's zero away, and write out the zeros that were left out of those before it."""
    executors = _objects(field(log, "logs"))
    if not executors:
        return log
    *earlier, last = executors
    if earlier_are_zero:
        earlier = [each if field(each, "exit_code") is not None else {**each, "exit_code": 0} for each in earlier]
    if _integer(field(last, "exit_code")) in (0, None):
        last = {name: value for name, value in last.items() if name not in ("exit_code", "exitCode")}
    return {**log, "logs": [*earlier, last]}


def _task_log(log: Mapping[str, Any], state: State, tail_bytes: int, omitted_is_zero: bool) -> dict[str, Any]:
    """`tesTaskLog`; what executors left that had no exit code goes into its system logs."""
    executors: list[dict[str, Any]] = []
    system_logs = _system_logs(field(log, "system_logs"))
    for number, entry in enumerate(_objects(field(log, "logs")), start=1):
        executor = _executor_log(entry, tail_bytes)
        code = _exit_code(entry, state, ended="end_time" in executor, omitted_is_zero=omitted_is_zero)
        if code is not None:
            executors.append({**executor, "exit_code": code})
        elif state.finished:
            # The specification requires the code, and an invented one would decide about retries.
            system_logs += [
                f"executor {number} left no exit code; its {name}: {executor[name]}"
                for name in ("stdout", "stderr")
                if name in executor
            ]
    result = {"logs": executors, "outputs": [*filter(None, map(_output, _objects(field(log, "outputs"))))]}
    return result | _times(log) | _unless_empty(metadata=_metadata(field(log, "metadata")), system_logs=system_logs)


def _executor_log(entry: Mapping[str, Any], tail_bytes: int) -> dict[str, Any]:
    texts = {name: tail(_text(field(entry, name)), tail_bytes) for name in ("stdout", "stderr")}
    return _times(entry) | _unless_empty(**texts)


def _exit_code(entry: Mapping[str, Any], state: State, *, ended: bool, omitted_is_zero: bool) -> int | None:
    """The exit code, where it means something: before the end Funnel shows 0."""
    code = _integer(field(entry, "exit_code"))
    if not (ended or state.finished):
        return None
    if code is None and (omitted_is_zero or state is State.COMPLETE):
        return 0
    return code if code is not None and _INT32_LOWEST <= code <= _INT32_HIGHEST else None


def _output(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """`tesOutputFileLog`, or None where it does not say which file."""
    url, path = _text(field(entry, "url")), _text(field(entry, "path"))
    if not (url and path):
        return None
    size = _integer(field(entry, "size_bytes")) or 0
    return {"url": redact(url), "path": path, "size_bytes": str(size if 0 <= size <= _INT64_HIGHEST else 0)}


def _times(entry: Mapping[str, Any]) -> dict[str, Any]:
    return _unless_empty(**{name: read_time(field(entry, name)) for name in ("start_time", "end_time")})


def _metadata(value: object) -> dict[str, str]:
    """A map of strings; what is deeper is written as JSON. Some name blobs there by their signed URLs."""
    if not isinstance(value, Mapping):
        return {}
    return {_clean(str(key)): redact(_text(each)) for key, each in value.items() if each is not None}


def _system_logs(value: object) -> list[str]:
    """A list of lines; a string may be one line or a list written as JSON.

    Servers write the URLs that they fetch there: signatures, which the gateway may have had made, are masked.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            parsed = None
        value = parsed if isinstance(parsed, list) else value
    lines = value if isinstance(value, list) else [value]
    return [redact(text) for text in map(_text, lines) if text]


def _objects(value: object) -> list[Mapping[str, Any]]:
    """A list's objects; a lone object counts as a list of one, and what is no object as an empty one."""
    if isinstance(value, Mapping):
        return [value]
    return [each if isinstance(each, Mapping) else {} for each in value] if isinstance(value, list) else []


def _integer(value: object) -> int | None:
    """An integer, also one written as a string or as a whole float."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def _text(value: object) -> str:
    """A string as it is, nothing as "", anything else as JSON; "" too for what is nested too deeply to be written."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _clean(value)
    try:
        return _clean(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # parsing it took fewer frames than were left then, writing it takes more than are left now
        return ""


def _clean(text: str) -> str:
    """Replace lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unless_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
