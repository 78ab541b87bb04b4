"""The embedded runner: a few threads of this process, and one that keeps the time."""

import logging
import threading
from collections import deque
from dataclasses import dataclass

from protes.clock import Clock
from protes.runner.protocol import Handler

logger = logging.getLogger(__name__)

_Call = tuple[str, str]


@dataclass(slots=True)
class _Periodic:
    job: str
    seconds: float
    next_at: float


class ThreadRunner:
    """A `Runner` on threads of its own.

    Periodic jobs run in the thread that keeps the time, so that they neither overlap themselves nor wait behind the
    queue. All threads are daemons: a job that hangs does not keep the process alive.
    """

    def __init__(self, clock: Clock, threads: int, queue_limit: int) -> None:
        """Make a runner that has not started yet.

        Args:
            clock: measures the pauses of periodic jobs and the grace of `stop`.
            threads: jobs that run at once.
            queue_limit: jobs that wait at most.
        """
        self._clock = clock
        self._size = threads
        self._limit = queue_limit
        self._handlers: dict[str, Handler] = {}
        self._periodic: list[_Periodic] = []
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        # Guards what follows; notified when something is queued or the runner stops.
        self._changed = threading.Condition()
        self._queue: deque[_Call] = deque()
        self._waiting: set[_Call] = set()
        self._running: set[_Call] = set()
        self._again: set[_Call] = set()

    def register(self, job: str, handler: Handler) -> None:
        """See `Runner.register`."""
        self._check_not_started()
        if job in self._handlers:
            raise ValueError(f"the job {job} has a handler already")
        self._handlers[job] = handler

    def every(self, seconds: float, job: str) -> None:
        """See `Runner.every`; the first run is at the start. Raises ValueError where the job has no handler."""
        self._check_not_started()
        self._check_known(job)
        if seconds <= 0:
            raise ValueError(f"the pause of the job {job} must be above 0")
        self._periodic.append(_Periodic(job, seconds, self._clock.monotonic()))

    def submit(self, job: str, key: str) -> bool:
        """See `Runner.submit`. Raises ValueError where the job has no handler."""
        self._check_known(job)
        call = (job, key)
        with self._changed:
            if self._stopping.is_set():
                return False
            if call in self._running:
                self._again.add(call)
                return True
            if call in self._waiting:
                return True
            if len(self._queue) >= self._limit:
                return False
            self._enqueue(call)
            return True

    def start(self) -> None:
        """See `Runner.start`. Raises RuntimeError the second time."""
        self._check_not_started()
        self._threads = [
            threading.Thread(target=self._work, name=f"protes-job-{number}", daemon=True)
            for number in range(1, self._size + 1)
        ]
        if self._periodic:
            self._threads.append(threading.Thread(target=self._keep_time, name="protes-timer", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float) -> None:
        """See `Runner.stop`; what waits in the queue is dropped, the store knows of it. Harmless the second time."""
        with self._changed:
            self._stopping.set()
            self._queue.clear()
            self._waiting.clear()
            self._again.clear()
            self._changed.notify_all()
        deadline = self._clock.monotonic() + grace_seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - self._clock.monotonic()))
        left = sum(thread.is_alive() for thread in self._threads)
        if left:
            logger.warning("%d jobs did not end within %g s and are left behind", left, grace_seconds)

    def _check_not_started(self) -> None:
        if self._threads:
            raise RuntimeError("the runner has started")

    def _check_known(self, job: str) -> None:
        if job not in self._handlers:
            raise ValueError(f"the job {job} has no handler")

    def _enqueue(self, call: _Call) -> None:
        self._queue.append(call)
        self._waiting.add(call)
        self._changed.notify()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._run(call)

    def _next(self) -> _Call | None:
        """Wait for a call and mark it as running; None when the runner stops."""
        with self._changed:
            while not self._queue and not self._stopping.is_set():
                self._changed.wait()
            if self._stopping.is_set():
                return None
            call = self._queue.popleft()
            self._waiting.remove(call)
            self._running.add(call)
            return call

    def _run(self, call: _Call) -> None:
        """Run a call that is marked as running, and whatever was asked of it meanwhile once more."""
        job, key = call
        try:
            self._handlers[job](key)
        except BaseException:
            # Nobody else would hear of it; and a plug-in that calls sys.exit must not take the thread along.
            logger.exception("job %s %s failed", job, key)
        with self._changed:
            self._running.remove(call)
            if call in self._again:
                self._again.remove(call)
                self._enqueue(call)

    def _keep_time(self) -> None:
        while not self._stopping.is_set():
            for periodic in self._periodic:
                now = self._clock.monotonic()
                if now >= periodic.next_at and not self._stopping.is_set():
                    # Runs that were missed are not made up for.
                    periodic.next_at = now + periodic.seconds
                    self._run_periodic((periodic.job, ""))
            pause = min(periodic.next_at for periodic in self._periodic) - self._clock.monotonic()
            if pause > 0:
                self._clock.wait(self._stopping, pause)

    def _run_periodic(self, call: _Call) -> None:
        """Run the call now, unless it was submitted as well and runs, or is about to."""
        with self._changed:
            if call in self._running or call in self._waiting:
                return
            self._running.add(call)
        self._run(call)
