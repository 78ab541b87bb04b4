"""Sends jobs to the broker in a thread of its own: who submits one never waits for the broker, whatever state it is in.

While the broker is away the thread tries again with growing pauses; nothing is lost, since the store knows what is due.
"""

import logging
import threading
from collections.abc import Sequence

from protes.clock import Clock
from protes.runner.broker import Broker, Sender
from protes.runner.pauses import Pauses

logger = logging.getLogger(__name__)

_FULL_SECONDS = 1.0
_FLUSH_SECONDS = 2.0

_Call = tuple[str, str]


class Publisher:
    """Keeps what is to be sent, and sends it."""

    def __init__(self, broker: Broker, clock: Clock, limit: int) -> None:
        """Send nothing yet.

        Args:
            broker: where to.
            clock: measures pauses.
            limit: jobs kept at most.
        """
        self._broker = broker
        self._clock = clock
        self._limit = limit
        self._jobs: Sequence[str] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        # Guards what follows; notified when there is something to send, or the end has come.
        self._changed = threading.Condition()
        self._waiting: dict[_Call, None] = {}
        self._full_until: dict[str, float] = {}
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether the broker could not be reached when it was tried last."""
        return self._is_away

    def submit(self, job: str, key: str) -> bool:
        """Have a job sent soon; return False where that is not likely. Never waits."""
        call = (job, key)
        with self._changed:
            if self._stopping.is_set() or self._full_until.get(job, 0.0) > self._clock.monotonic():
                return False
            if call not in self._waiting:
                if len(self._waiting) >= self._limit:
                    return False
                self._waiting[call] = None
                self._changed.notify()
            return not self._is_away

    def start(self, jobs: Sequence[str]) -> None:
        """Begin to send jobs with these names; once, after fork."""
        self._jobs = tuple(jobs)
        self._thread = threading.Thread(target=self._run, name="protes-publisher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, if that goes quickly, and end. Harmless the second time."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_FLUSH_SECONDS)
            if self._thread.is_alive():
                logger.warning("the broker does not answer; what was not sent to it is found in the store")

    def _run(self) -> None:
        pauses = Pauses("submitting jobs")
        while self._may_go_on():
            try:
                with self._broker.sender(self._jobs) as sender:
                    self._is_away = False
                    pauses.over()
                    self._send(sender)
            except Exception as error:  # noqa: BLE001
                # Drivers raise what they like where a connection breaks, and this thread must go on.
                self._is_away = True
                self._clock.wait(self._stopping, pauses.next(error))

    def _may_go_on(self) -> bool:
        return not self._stopping.is_set() or (bool(self._waiting) and not self._is_away)

    def _send(self, sender: Sender) -> None:
        """Send what there is, and what comes, until the end."""
        while (call := self._next()) is not None:
            try:
                if sender.has_room(call[0]):
                    sender.send(*call)
                else:
                    self._drop(call[0])
            except BaseException:
                self._put_back(call)
                raise

    def _next(self) -> _Call | None:
        """Wait for something to send and take it; None when the end has come.

        It is taken before it is sent: a job that is submitted again afterwards may have started already, and is sent
        once more.
        """
        with self._changed:
            while not self._waiting:
                if self._stopping.is_set():
                    return None
                self._changed.wait()
            call = next(iter(self._waiting))
            del self._waiting[call]
            return call

    def _drop(self, job: str) -> None:
        """Forget what waits for a queue that is full; the sweep comes back to it."""
        with self._changed:
            self._waiting = {call: None for call in self._waiting if call[0] != job}
            self._full_until[job] = self._clock.monotonic() + _FULL_SECONDS

    def _put_back(self, call: _Call) -> None:
        with self._changed:
            self._waiting = {call: None, **self._waiting}
