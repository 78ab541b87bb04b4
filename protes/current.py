"""Parts that can be replaced while they are used: who has begun with the old ones ends with them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Something that is closed when nobody needs it any more."""

    def close(self) -> None:
        """Give back what it holds."""


Parts = TypeVar("Parts", bound=Closable)


@dataclass(slots=True, eq=False)
class _Set(Generic[Parts]):
    parts: Parts
    users: int = 0


class Current(Generic[Parts]):
    """The set of parts in use, and the sets before it for as long as somebody uses them. Safe under threads."""

    def __init__(self, first: Parts) -> None:
        """Begin with this set."""
        self._now = _Set(first)
        self._before: list[_Set[Parts]] = []
        self._lock = threading.Lock()

    @property
    def now(self) -> Parts:
        """The newest set, which may be closed under the hands of whoever keeps it for long: see `use`."""
        return self._now.parts

    @contextmanager
    def use(self) -> Iterator[Parts]:
        """Yield the newest set; it is not closed before the block ends, whatever comes after it."""
        with self._lock:
            used = self._now
            used.users += 1
        try:
            yield used.parts
        finally:
            with self._lock:
                used.users -= 1

    def replace(self, new: Parts) -> None:
        """Let everybody who comes from now on have this set."""
        with self._lock:
            self._before.append(self._now)
            self._now = _Set(new)

    def close_unused(self) -> None:
        """Close the replaced sets that nobody uses any more."""
        with self._lock:
            unused = [each for each in self._before if each.users == 0]
            self._before = [each for each in self._before if each.users > 0]
        for each in unused:
            each.parts.close()

    def close(self) -> None:
        """Close all sets, used or not."""
        with self._lock:
            every = [*self._before, self._now]
            self._before = []
        for each in every:
            each.parts.close()
