"""Attempts that are over but may have left a copy at an instance: the relay watches for it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from protes.store.protocols import Records
from protes.store.records import Attempt

_KIND = "orphan"
_PAGE = 256


@dataclass(frozen=True, slots=True)
class Orphan:
    """A copy that may turn up.

    Attributes:
        task_id: the task it is of.
        n: the attempt that may have made it.
        instance_url: base URL of the instance.
        dialect: dialect it was sent in.
        instance_task_id: the copy's id there, None where it must be searched for.
    """

    task_id: str
    n: int
    instance_url: str
    dialect: str
    instance_task_id: str | None = None

    @property
    def key(self) -> str:
        """Its key among the records."""
        return f"{self.task_id}-{self.n}"


class Orphans:
    """The list of them, kept in `Records`."""

    def __init__(self, records: Records, watch_seconds: float) -> None:
        """Forget an orphan `watch_seconds` after it was added."""
        self._records = records
        self._lasting = timedelta(seconds=watch_seconds)

    def add(self, task_id: str, attempt: Attempt, now: datetime) -> None:
        """Put an attempt on the list; adding it again is harmless, and so is adding one that is not over yet."""
        orphan = Orphan(task_id, attempt.n, attempt.instance_url, attempt.dialect, attempt.instance_task_id)
        self._records.put(_KIND, orphan.key, asdict(orphan), now, expires_at=now + self._lasting)

    def all(self, now: datetime, after: str = "") -> Iterator[Orphan]:
        """Yield those on the list in the order of their keys, those after the key `after`."""
        while page := self._records.scan(_KIND, "", now, after=after, limit=_PAGE):
            for stored in page:
                yield Orphan(**stored.value)
            after = page[-1].key

    @staticmethod
    def has(records: Records, task_id: str, now: datetime) -> bool:
        """Tell whether any attempt of a task is on the list in `records`."""
        return bool(records.scan(_KIND, f"{task_id}-", now, limit=1))

    def remove(self, orphan: Orphan) -> None:
        """Take one off the list."""
        self._records.delete(_KIND, orphan.key)
