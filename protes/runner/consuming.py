"""Receives jobs from the broker and has them run: one thread, which alone touches the connection.

A delivery is acknowledged when its job has ended, so that the broker gives it to another worker where this one dies.
Celery's own worker is not used: its pool of threads acknowledges from these threads, on a connection that is not made
for it, and it cannot leave out what is delivered twice.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from protes.clock import Clock
from protes.runner.broker import Broker, Delivery, Receiver
from protes.runner.pauses import Pauses
from protes.runner.protocol import Handler

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 0.01
_IDLE_SECONDS = 0.25
"""How long to wait for a message while jobs run, which are to be acknowledged when they end, and while none do."""
_CLOSE_SECONDS = 5.0

_Call = tuple[str, str]


@dataclass(slots=True)
class _Held:
    """A delivery that is not acknowledged yet.

    Attributes:
        delivery: it.
        covered: whether a run has begun since the job was delivered last.
    """

    delivery: Delivery
    covered: bool = False


class Consumer:
    """Takes deliveries, hands them to `take`, and acknowledges them when their jobs have ended.

    While a job waits or runs here, what is delivered of it once more is acknowledged at once: the delivery that is held
    stands for it, until a run that began later has ended. So it takes no room from others.
    """

    def __init__(self, broker: Broker, clock: Clock, prefetch: int, take: Callable[[str, str], bool]) -> None:
        """Receive nothing yet.

        Args:
            broker: where from.
            clock: measures pauses.
            prefetch: deliveries held at most, of each job.
            take: has a job run soon, once more where it runs; returns False where it will not.
        """
        self._broker = broker
        self._clock = clock
        self._prefetch = prefetch
        self._take = take
        self._jobs: Sequence[str] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._closing = threading.Event()
        # Guards what follows.
        self._lock = threading.Lock()
        self._held: dict[_Call, _Held] = {}
        self._ended: list[Delivery] = []
        self._heard_at = clock.monotonic()

    @property
    def heard_at(self) -> float:
        """When the broker delivered something last, or this was made, on the clock's monotonic scale."""
        return self._heard_at

    def following(self, job: str, handler: Handler) -> Handler:
        """Wrap a handler, so that deliveries are acknowledged when it has ended, however it ends."""

        def run(key: str) -> None:
            with self._lock:
                held = self._held.get((job, key))
                if held is not None:
                    held.covered = True
            try:
                handler(key)
            finally:
                self._end((job, key))

        return run

    def start(self, jobs: Sequence[str]) -> None:
        """Begin to receive jobs with these names; once, after fork."""
        self._jobs = tuple(jobs)
        self._thread = threading.Thread(target=self._run, name="protes-consumer", daemon=True)
        self._thread.start()

    def stop_taking(self) -> None:
        """Receive no more; jobs that run are still acknowledged when they end."""
        self._stopping.set()

    def close(self) -> None:
        """Give back what has not ended. Harmless the second time."""
        self._stopping.set()
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        pauses = Pauses("receiving jobs")
        while not self._stopping.is_set():
            try:
                with self._broker.receiver(self._jobs, self._prefetch, self._receive) as receiver:
                    self._consume(receiver, pauses)
            except Exception as error:  # noqa: BLE001
                # Drivers raise what they like where a connection breaks, and this thread must go on.
                self._forget()
                self._clock.wait(self._stopping, pauses.next(error))

    def _consume(self, receiver: Receiver, pauses: Pauses) -> None:
        while not self._stopping.is_set():
            self._acknowledge()
            receiver.wait(_BUSY_SECONDS if self._held else _IDLE_SECONDS)
            pauses.over()  # to be connected is not enough: what breaks each connection would be met without a pause
        receiver.cancel()
        while self._held and not self._closing.is_set():
            self._acknowledge()
            receiver.wait(_BUSY_SECONDS)  # for heartbeats, and for what was on its way
        self._acknowledge()
        self._give_back()

    def _receive(self, job: str, key: str | None, delivery: Delivery) -> None:
        """Have a delivery run, or see to it that it is covered."""
        self._heard_at = self._clock.monotonic()
        if key is None:
            logger.warning("a message in the queue of the job %s is none of ours and was removed", job)
            delivery.reject()
            return
        call = (job, key)
        with self._lock:
            held = self._held.get(call)
            if held is not None:
                held.covered = False
            else:
                self._held[call] = _Held(delivery)
            taken = self._take(job, key)
            if held is None and not taken:
                del self._held[call]
        if held is not None:
            delivery.ack()
        elif not taken:
            self._refuse(delivery)

    def _refuse(self, delivery: Delivery) -> None:
        if self._stopping.is_set():
            delivery.requeue()
        else:
            delivery.ack()  # the queue here is full: the sweep comes back to it

    def _end(self, call: _Call) -> None:
        with self._lock:
            held = self._held.get(call)
            if held is not None and held.covered:
                del self._held[call]
                self._ended.append(held.delivery)

    def _acknowledge(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for delivery in ended:
            delivery.ack()

    def _give_back(self) -> None:
        with self._lock:
            held, self._held = self._held, {}
        for each in held.values():
            with suppress(Exception):  # closing the connection gives it back as well
                each.delivery.requeue()

    def _forget(self) -> None:
        """The connection is lost, and with it the right to acknowledge; the broker delivers all of it again."""
        with self._lock:
            self._held = {}
            self._ended = []
