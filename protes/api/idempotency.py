"""One task for one wish: the `Idempotency-Key` header, and what py-tes sends twice (DESIGN.md section 5).

Both answer the same way: with the id that the first request chose. As creation is idempotent for an id, whoever comes
second makes the same task durable and answers with it, whether the first has finished, is in progress, or died.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from protes.api.ingress import TES_BASES
from protes.api.problems import KEY_HEADER, FieldError, Problem, invalid
from protes.clock import Clock
from protes.store.protocols import Conflict, Records, StoreError

logger = logging.getLogger(__name__)

_KEY_KIND = "idempotency"
_REPOST_KIND = "repost"
_KEPT = timedelta(hours=24)
_SHORTEST, _LONGEST = 16, 255
_SLOW_SECONDS = 8.0
_REMEMBERED = timedelta(seconds=60)


def fingerprint(*parts: str) -> str:
    """Hash parts into a key, unambiguously and without keeping any of them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode())
    return digest.hexdigest()


def id_for_key(records: Records, clock: Clock, subject: str, key: str, body: str, new_id: str) -> str:
    """Return the id that belongs to an Idempotency-Key, as `ids_for_key` does for several."""
    return ids_for_key(records, clock, subject, key, body, [new_id])[0]


def ids_for_key(
    records: Records, clock: Clock, subject: str, key: str, body: str, new_ids: Sequence[str]
) -> Sequence[str]:
    """Return the ids that belong to an Idempotency-Key: `new_ids` if the key is new.

    Args:
        records: where keys are remembered.
        clock: the clock.
        subject: the caller; keys of different callers never meet.
        key: the header's value.
        body: hash of the normalised body; equal ones stand for as many tasks.
        new_ids: the ids to remember where the key is new.

    Raises:
        Problem: 400 where the key is too short or long, 422 where it was used with another body.
    """
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise invalid([FieldError(f"header {KEY_HEADER}", f"must have {_SHORTEST} to {_LONGEST} characters")])
    now = clock.now()
    record_key = fingerprint(subject, key)
    value = {"task_ids": list(new_ids), "body": body}
    try:
        records.put(_KEY_KIND, record_key, value, now, expected_version=0, expires_at=now + _KEPT)
    except Conflict:
        stored = records.get(_KEY_KIND, record_key, now)
        if stored is None:
            raise Problem(409, f"header {KEY_HEADER}: the key has just expired; send the request again") from None
        if stored.value["body"] != body:
            raise Problem(422, f"header {KEY_HEADER}: was used before with another body; use a new key") from None
        return [str(task_id) for task_id in stored.value["task_ids"]]
    return new_ids


@dataclass(slots=True)
class _Post:
    base_index: int
    task_id: str
    started: float


class Reposts:
    """Recognises a submission that py-tes 1.1 sends again because the first was slow.

    py-tes walks its base paths on a time-out. So a POST that is in progress, or took longer than 8 s, is remembered for
    60 s by caller, body and gateway root: the same body on a *later* base path is the same submission; on the same base
    path it is a task of its own.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        """Remember slow posts in `records`, those in progress in this process."""
        self._records = records
        self._clock = clock
        self._in_progress: dict[str, list[_Post]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, subject: str, body: str, prefix: str, base: str, new_id: str) -> Iterator[str]:
        """Yield the id of the task: that of an earlier POST of the same submission, or `new_id`."""
        key = fingerprint(subject, body, prefix)
        index = TES_BASES.index(base) if base in TES_BASES else 0
        post = _Post(index, new_id, self._clock.monotonic())
        with self._lock:
            earlier = [each for each in self._in_progress.get(key, ()) if each.base_index < index]
            self._in_progress.setdefault(key, []).append(post)
        try:
            post.task_id = earlier[0].task_id if earlier else self._remembered(key, index) or new_id
            yield post.task_id
        finally:
            self._leave(key, post)

    def _remembered(self, key: str, index: int) -> str | None:
        if index == 0:
            return None
        stored = self._records.get(_REPOST_KIND, key, self._clock.now())
        if stored is None or stored.value["base_index"] >= index:
            return None
        return str(stored.value["task_id"])

    def _leave(self, key: str, post: _Post) -> None:
        try:
            if self._clock.monotonic() - post.started > _SLOW_SECONDS:
                now = self._clock.now()
                value = {"task_id": post.task_id, "base_index": post.base_index}
                self._records.put(_REPOST_KIND, key, value, now, expires_at=now + _REMEMBERED)
        except StoreError as error:
            logger.warning("a slow submission could not be remembered: %s", error)
        finally:
            # Only now: between the note and this, both places know of the post, and never neither.
            with self._lock:
                self._in_progress[key].remove(post)
                if not self._in_progress[key]:
                    del self._in_progress[key]
