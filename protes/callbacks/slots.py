"""How many webhooks go out at once: a few to each host, and none for a while to one that does not answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protes.clock import Clock

_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 60.0
_MOST_HOSTS = 4096


@dataclass(slots=True)
class _Host:
    busy: int = 0
    failures: int = 0
    until: float = 0.0


class Slots:
    """The places of one process. Safe under threads; outlives a change of settings."""

    def __init__(self, clock: Clock, most: int) -> None:
        """Let `most` webhooks out at once."""
        self._clock = clock
        self._most = most
        self._busy = 0
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def place(self, host: str, per_host: int) -> Iterator[bool]:
        """Yield whether there is a place for a webhook to the host; it is kept until the block ends."""
        with self._lock:
            there = self._hosts.setdefault(host, _Host())
            # One alone finds out whether a host that did not answer does so again.
            most = per_host if not there.failures else 1
            free = self._busy < self._most and there.busy < most and there.until <= self._clock.monotonic()
            if free:
                there.busy += 1
                self._busy += 1
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    there.busy -= 1
                    self._busy -= 1
                    self._forget()

    def answered(self, host: str) -> None:
        """Note that the host takes webhooks."""
        with self._lock:
            there = self._hosts.setdefault(host, _Host())
            there.failures, there.until = 0, 0.0

    def failed(self, host: str) -> None:
        """Note that the host did not answer, or with a failure of its own: it is left alone for a while."""
        with self._lock:
            there = self._hosts.setdefault(host, _Host())
            pause = min(_LAST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(there.failures, 10))
            there.failures += 1
            there.until = self._clock.monotonic() + pause

    def _forget(self) -> None:
        if len(self._hosts) > _MOST_HOSTS:
            now = self._clock.monotonic()
            self._hosts = {name: each for name, each in self._hosts.items() if each.busy or each.until > now}
