"""Records as documents of MongoDB, and back.

Fields have the names and the values of SQLite's columns: texts, numbers, and no map whose keys a client chose. A field
without a value is absent, so that sparse indexes leave it out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from protes.store.mongo import texts
from protes.store.mongo.texts import Text, TextWriter
from protes.store.records import Attempt, Followed, TaskRecord
from protes.store.sqlite import codec as columns

Document = dict[str, Any]

LARGE = ("document", "system_logs", "attempts")
"""Fields that a head is read without."""

HEAD = dict.fromkeys(LARGE, 0)
"""Projection of what `head` reads."""

WITHOUT_DOCUMENT = {"document": 0}
"""Projection of what `whole` reads, but for the document."""

FOLLOWED = dict.fromkeys(("live_since", "due_at", *columns.FOLLOWED_COLUMNS), 1)
"""Projection of what `followed` reads."""

_HEAD_COLUMNS = (*columns.CONSTANT_COLUMNS[1:], *columns.CHANGING_COLUMNS)
_CHANGING = (*columns.CHANGING_COLUMNS, *columns.DERIVED_COLUMNS)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task as it was read: the document as it is stored, and the record that it says."""

    document: Document
    record: TaskRecord


@dataclass(frozen=True, slots=True)
class Update:
    """How a document becomes that of the next version.

    Attributes:
        operators: the operators of MongoDB's `update`.
        dropped: ids of parts that nothing names afterwards.
    """

    operators: dict[str, Any]
    dropped: Sequence[str]


def new_document(record: TaskRecord, writer: TextWriter) -> Document:
    """Return the document of a task; parts that go with it are in `writer` afterwards."""
    document: Document = dict(zip(columns.CONSTANT_COLUMNS, columns.constant_values(record), strict=True))
    if not document["audience"]:
        del document["audience"]  # as in the tasks that processes of an older version store
    document = {"_id": document.pop("id"), **document, "labels": labels(record), **_changing(record)}
    document["document"] = writer.write(record.document)
    document["system_logs"] = writer.write(columns.to_json(record.system_logs))
    document["attempts"] = [_attempt(each, writer) for each in record.attempts]
    return document


def labels(record: TaskRecord) -> list[str]:
    """Return what tags are found by: each entry, `key=value`, and each key alone, which has no `=`."""
    return sorted({*record.tags, *(entry.partition("=")[0] for entry in record.tags)})


def update(before: Loaded, after: TaskRecord, writer: TextWriter) -> Update:
    """Return what makes the next version; what is constant, such as the document, and what is the same is left out."""
    fields = _changing(after)
    if after.system_logs != before.record.system_logs:
        fields["system_logs"] = writer.write(columns.to_json(after.system_logs))
    if after.attempts != before.record.attempts:
        fields["attempts"] = _attempts(before, after, writer)
    absent = object()
    changed = {name: value for name, value in fields.items() if before.document.get(name, absent) != value}
    gone = [name for name in _CHANGING_AND_MORE if name in before.document and name not in fields]
    operators = {"$set": changed} | ({"$unset": dict.fromkeys(gone, "")} if gone else {})
    kept = set(named_parts({**before.document, **fields}))
    return Update(operators, [each for each in named_parts(before.document) if each not in kept])


def _changing(record: TaskRecord) -> Document:
    fields = {
        name: value for name, value in zip(_CHANGING, columns.changing_values(record), strict=True) if value is not None
    }
    if "live_url" in fields:
        fields["live_queued"] = int(fields["live_queued"])  # to be summed up
        fields["live_id"] = record.id  # a sparse index cannot have `_id`, which is never absent
    if record.finished_at is None:
        fields["open_owner"] = record.owner
    return fields


_CHANGING_AND_MORE = (*_CHANGING, "live_id", "open_owner")


def _attempts(before: Loaded, after: TaskRecord, writer: TextWriter) -> list[Document]:
    stored = {each["n"]: each for each in before.document["attempts"]}
    known = {each.n: each for each in before.record.attempts}
    written = []
    for attempt in after.attempts:
        old = known.get(attempt.n)
        if old == attempt:
            written.append(stored[attempt.n])
        elif old is not None and old.log == attempt.log:
            written.append(_attempt(attempt, writer, stored[attempt.n].get("log")))
        else:
            written.append(_attempt(attempt, writer))
    return written


def _attempt(attempt: Attempt, writer: TextWriter, stored_log: Text | None = None) -> Document:
    n, data, log = columns.attempt_values(attempt)
    document: Document = {"n": n, "data": data}
    if log is not None:
        document["log"] = writer.write(log) if stored_log is None else stored_log
    return document


def missing_parts(document: Document, parts: Mapping[str, str]) -> list[str]:
    """Return the ids of parts that a document names and that are not among `parts`."""
    return [each for each in named_parts(document) if each not in parts]


def named_parts(document: Document) -> list[str]:
    """Return the ids of the parts that a document names."""
    return texts.part_ids(_texts(document))


def _texts(document: Document) -> Iterator[Text | None]:
    yield document.get("document")
    yield document.get("system_logs")
    for attempt in document.get("attempts", ()):
        yield attempt.get("log")


def head(document: Document) -> TaskRecord:
    """Make a head of a document."""
    said = {"audience": "", **document}
    return columns.head_from_row((document["_id"], *(said.get(name) for name in _HEAD_COLUMNS)))


def whole(document: Document, parts: Mapping[str, str]) -> TaskRecord:
    """Make a record of a document and its parts; without its document where that was left out."""
    read = (
        columns.attempt_from_json(
            json.loads(each["data"]), json.loads(texts.read(each["log"], parts)) if "log" in each else None
        )
        for each in document["attempts"]
    )
    return replace(
        head(document),
        document=texts.read(document.get("document", ""), parts),
        system_logs=tuple(json.loads(texts.read(document["system_logs"], parts))),
        attempts=tuple(read),
    )


def followed(document: Document) -> Followed:
    """Make it of the fields of `FOLLOWED`."""
    said = (document.get(name) for name in columns.FOLLOWED_COLUMNS)
    return columns.followed_from_row((document["_id"], document["live_since"], "due_at" in document, *said))


def time(moment: datetime) -> str:
    """Write a time so that it sorts as text, microseconds and all; MongoDB's own type has milliseconds."""
    text = columns.to_time(moment)
    assert text is not None  # noqa: S101 - there is a moment
    return text
