"""The embedded runner: a few threads of this process, one that keeps the time, and one that watches the others.

How many threads there are to be, so that jobs that hang keep no others waiting, is said in `protes.runner.elastic`.
The watcher sleeps until jobs wait without a thread, and then until the next of those that run has run for long.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from protes.clock import Clock
from protes.runner.elastic import Crew, hanging, next_hanging
from protes.runner.lanes import Call, Lanes
from protes.runner.protocol import Handler

logger = logging.getLogger(__name__)


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
            clock: measures the pauses of periodic jobs, the grace of `stop`, and whether jobs hang.
            threads: jobs that run at once; more do while some of them hang (`protes.runner.elastic`).
            queue_limit: jobs of a kind that wait at most.
        """
        self._clock = clock
        self._size = threads
        self._limit = queue_limit
        self._handlers: dict[str, Handler] = {}
        self._periodic: list[_Periodic] = []
        self._started = False
        self._stopping = threading.Event()
        self._watched = threading.Event()
        # Guards what follows; notified when something is queued or the runner stops.
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._workers = 0
        self._timing = False
        self._since: dict[Call, float] = {}
        self._queue = Lanes()
        self._waiting: set[Call] = set()
        self._running: set[Call] = set()
        self._again: set[Call] = set()

    @property
    def queued(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._queue)

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
            if self._queue.waiting(job) >= self._limit:
                return False
            self._enqueue(call)
            return True

    def start(self) -> None:
        """See `Runner.start`. Raises RuntimeError the second time."""
        self._check_not_started()
        self._started = True
        with self._changed:
            for _ in range(self._size):
                self._start_worker()
            self._start_thread(self._watch, "protes-watcher")
            if self._periodic:
                self._start_thread(self._keep_time, "protes-timer")

    def stop(self, grace_seconds: float) -> None:
        """See `Runner.stop`; what waits in the queue is dropped, the store knows of it. Harmless the second time."""
        with self._changed:
            self._stopping.set()
            self._queue.clear()
            self._waiting.clear()
            self._again.clear()
            self._changed.notify_all()
            self._watched.set()
            threads = tuple(self._threads)
        deadline = self._clock.monotonic() + grace_seconds
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - self._clock.monotonic()))
        with self._changed:
            left = len(self._running)
        if left:
            logger.warning("%d jobs did not end within %g s and are left behind", left, grace_seconds)

    def _check_not_started(self) -> None:
        if self._started:
            raise RuntimeError("the runner has started")

    def _check_known(self, job: str) -> None:
        if job not in self._handlers:
            raise ValueError(f"the job {job} has no handler")

    def _start_worker(self) -> None:
        self._start_thread(self._work, f"protes-job-{self._workers + 1}")
        self._workers += 1

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]

    def _enqueue(self, call: Call) -> None:
        self._queue.append(call)
        self._waiting.add(call)
        self._changed.notify()
        self._watch_shortage()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._run(call)

    def _next(self) -> Call | None:
        """Wait for a call and mark it as running; None when the runner stops or there are more threads than needed."""
        with self._changed:
            while not self._stopping.is_set() and not self._is_surplus():
                if self._queue:
                    call = self._queue.popleft()
                    self._waiting.remove(call)
                    self._running.add(call)
                    self._since[call] = self._clock.monotonic()
                    return call
                self._changed.wait()
            self._workers -= 1
            if self._queue:
                # It may have been this thread that was told of what waits.
                self._changed.notify()
                self._watch_shortage()
            return None

    @property
    def _free(self) -> int:
        return self._workers - len(self._since)

    def _is_surplus(self) -> bool:
        return self._workers > self._size and self._crew().has_surplus

    def _crew(self) -> Crew:
        hang = hanging(self._since.values(), self._clock.monotonic())
        return Crew(self._size, self._workers, self._free, len(self._queue), hang)

    def _watch_shortage(self) -> None:
        """Wake the watcher where jobs wait without a thread, unless it knows and can do nothing yet."""
        if len(self._queue) > self._free and (not self._timing or self._crew().missing):
            self._watched.set()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            pause = self._reinforce()
            if pause is None:
                self._watched.wait()
            else:
                self._clock.wait(self._watched, pause)

    def _reinforce(self) -> float | None:
        """Start the threads that are missing; return after how many seconds to look again, None: when woken."""
        with self._changed:
            self._watched.clear()
            self._timing = False
            if self._stopping.is_set():
                return 0.0
            crew = self._crew()
            if not crew.is_short:
                return None
            try:
                for _ in range(crew.missing):
                    self._start_worker()
            except RuntimeError as error:
                logger.warning("jobs hang, and no further thread can be started: %s", error)
            else:
                if crew.missing == crew.waiting - crew.free:
                    return None
            self._timing = True
            return next_hanging(self._since.values(), self._clock.monotonic())

    def _run(self, call: Call) -> None:
        """Run a call that is marked as running, and whatever was asked of it meanwhile once more."""
        job, key = call
        try:
            self._handlers[job](key)
        except BaseException:
            # Nobody else would hear of it; and a plug-in that calls sys.exit must not take the thread along.
            logger.exception("job %s %s failed", job, key)
        with self._changed:
            self._running.remove(call)
            self._since.pop(call, None)
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

    def _run_periodic(self, call: Call) -> None:
        """Run the call now, unless it was submitted as well and runs, or is about to."""
        with self._changed:
            if call in self._running or call in self._waiting:
                return
            self._running.add(call)
        self._run(call)
