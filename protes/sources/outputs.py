"""Where the outputs of tasks went, and which instance made them, so that the next step can run beside its inputs."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from protes.clock import Clock
from protes.sources.locations import folded
from protes.store.protocols import Records
from protes.store.records import TaskRecord
from protes.tes.states import State

OUTPUT_KIND = "output"
_MOST_PER_TASK = 256
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Made:
    """An output of an earlier task.

    Attributes:
        instance: base URL of the instance that made it.
        size_bytes: its size, None where that is not known, as of a directory.
    """

    instance: str
    size_bytes: int | None


class Outputs:
    """Remembers outputs in the store, by a hash of their URL: URLs may hold secrets.

    Each audience (`TaskRecord.audience`) has its own: nobody learns what others have made, or where, and nobody can
    write down for others that something is where it is not.
    """

    def __init__(self, records: Records, clock: Clock, keep_seconds: float) -> None:
        """Remember each for so long."""
        self._records = records
        self._clock = clock
        self._keep = timedelta(seconds=keep_seconds)

    def remember(self, finished: Sequence[TaskRecord]) -> None:
        """Note what finished tasks put out; only those that are COMPLETE. Safe to repeat."""
        now = self._clock.now()
        for record in finished:
            if record.state is not State.COMPLETE or not record.attempts:
                continue
            maker = record.attempts[-1].instance_url
            for url, size, directory in _outputs(record):
                value = {"instance": maker, "size": size, "directory": directory}
                self._records.put(OUTPUT_KIND, _key(url, record.audience), value, now, expires_at=now + self._keep)

    def find(self, url: str, audience: str = "") -> Made | None:
        """Return what tasks of an audience made known of a URL, or of a directory that it is in; the nearest one."""
        return self.find_all([url], audience).get(url)

    def find_all(self, urls: Iterable[str], audience: str = "") -> dict[str, Made]:
        """Do so for many; the folders that they share are looked up once."""
        now = self._clock.now()
        stored = lru_cache(maxsize=None)(lambda key: self._records.get(OUTPUT_KIND, key, now))
        found: dict[str, Made] = {}
        for url in urls:
            for depth, place in enumerate(_above(url)):
                value = known.value if (known := stored(_key(place, audience))) is not None else None
                if value is not None and (depth == 0 or value["directory"]):
                    found[url] = Made(value["instance"], value["size"] if depth == 0 else None)
                    break
        return found


def _key(url: str, audience: str) -> str:
    place = folded(url).rstrip("/").encode(errors="replace")
    if not audience:
        return hashlib.sha256(place).hexdigest()[:40]
    # Keyed, so that no URL, whatever a client writes as one, is found under another audience.
    return hmac.digest(audience.encode(), place, "sha256").hex()[:40]


def _above(url: str) -> Iterator[str]:
    """The URL itself, then the folders that it is in, nearest first."""
    place = url.rstrip("/")
    for _ in range(_DEEPEST):
        yield place
        place, slash, _ = place.rpartition("/")
        if not slash or place.endswith((":/", ":")):
            return


def _outputs(record: TaskRecord) -> Iterator[tuple[str, int | None, bool]]:
    """URL, size and whether it is a directory, of what a task was to put out and of what its instance says it did."""
    found: dict[str, tuple[int | None, bool]] = {}
    document: Mapping[str, Any] = json.loads(record.document) if record.document else {}
    for each in document.get("outputs", ()):
        directory = each.get("type") == "DIRECTORY" or "path_prefix" in each
        found[each["url"]] = (None, directory)
    log = record.attempts[-1].log or {}
    for entry in log.get("outputs", ()):
        url = entry.get("url")
        if isinstance(url, str) and url:
            found[url] = (_size(entry.get("size_bytes")), found.get(url, (None, False))[1])
    for url, (size, directory) in list(found.items())[:_MOST_PER_TASK]:
        yield url, size, directory


def _size(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
