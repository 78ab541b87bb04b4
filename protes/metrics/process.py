"""What this process uses, from the system (proc(5)); nothing where it does not tell."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from protes.metrics.catalogue import CPU, FILES, LINE, MEMORY, PROCESSES, QUEUE, STARTED, THREADS, WAITERS, WRITERS
from protes.metrics.port import Meter

_SELF = Path("/proc/self")


@runtime_checkable
class Queue(Protocol):
    """A runner that knows how many jobs wait in it."""

    @property
    def queued(self) -> int:
        """How many."""


class Intake(Protocol):
    """What bounds requests that write."""

    @property
    def inside(self) -> int:
        """How many hold a place."""

    @property
    def lined_up(self) -> int:
        """How many wait for one."""


class Waiting(Protocol):
    """Where requests wait for changes."""

    @property
    def taken(self) -> int:
        """How many wait."""


class Sampler:
    """Sets the gauges of one process. Used by one thread at a time, or by several: the last one is right."""

    def __init__(self, meter: Meter, runner: object, intake: Intake, waiting: Waiting, started_at: float) -> None:
        """Look at these parts; `started_at` is when the process began, in seconds since 1970."""
        self._meter = meter
        self._runner = runner
        self._intake = intake
        self._waiting = waiting
        self._cpu = 0.0
        meter.set(PROCESSES, 1.0)
        meter.set(STARTED, started_at)

    def sample(self) -> None:
        """Look once; takes less than a millisecond."""
        meter = self._meter
        if isinstance(self._runner, Queue):
            meter.set(QUEUE, float(self._runner.queued))
        meter.set(WRITERS, float(self._intake.inside))
        meter.set(LINE, float(self._intake.lined_up))
        meter.set(WAITERS, float(self._waiting.taken))
        times = os.times()
        used, self._cpu = times.user + times.system - self._cpu, times.user + times.system
        meter.count(CPU, by=max(0.0, used))
        with suppress(OSError, ValueError, IndexError):
            resident = int((_SELF / "statm").read_text(encoding="ascii").split()[1])
            meter.set(MEMORY, float(resident * os.sysconf("SC_PAGE_SIZE")))
            meter.set(THREADS, float(len(os.listdir(_SELF / "task"))))  # noqa: PTH208 - no path is needed of them
            meter.set(FILES, float(len(os.listdir(_SELF / "fd"))))  # noqa: PTH208
