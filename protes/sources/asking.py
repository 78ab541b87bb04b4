"""Asking many sources at once, within one deadline, with few threads."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Question = Callable[[], Answer]

_MOST_WAITING = 1000


class Asker:
    """A bounded pool of threads.

    What has begun and has not answered in time goes on in the background and fills its cache; what has not begun by
    then is given up, so that the slow inputs of one task do not keep the threads from the next. The servers that a
    task needs share the threads, so that one that hangs does not keep them from the others.
    """

    def __init__(self, parallel: int) -> None:
        """Ask at most `parallel` sources at once; threads are started when they are needed."""
        self._parallel = parallel
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="sources")
        self._waiting = threading.Semaphore(_MOST_WAITING)

    def ask(
        self, questions: Mapping[str, Question[Answer]], seconds: float, server_of: Callable[[str], str]
    ) -> dict[str, Answer]:
        """Return the answers that came in time. A question that fails has none.

        Args:
            questions: by key.
            seconds: how long to wait for all of them.
            server_of: names the server that a key's question goes to.
        """
        servers: dict[str, deque[tuple[str, Question[Answer]]]] = {}
        for key, question in questions.items():
            servers.setdefault(server_of(key), deque()).append((key, question))
        round_ = _Round[Answer](len(questions))
        share = max(1, self._parallel // max(1, len(servers)))
        for waiting in servers.values():
            for _ in range(min(share, len(waiting))):
                self._start(round_, waiting)
        round_.over.wait(seconds)
        return round_.close()

    def close(self) -> None:
        """Ask nothing more; what is under way ends by its own deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, round_: "_Round[Answer]", waiting: "deque[tuple[str, Question[Answer]]]") -> None:
        if not self._waiting.acquire(blocking=False):
            logger.warning("too many sources are slow: some questions are not asked")
            return
        try:
            self._pool.submit(round_.work, waiting).add_done_callback(lambda _: self._waiting.release())
        except RuntimeError:  # closed meanwhile
            self._waiting.release()


class _Round(Generic[Answer]):
    """The questions of one call and the answers so far.

    Attributes:
        over: set when all are answered.
    """

    def __init__(self, questions: int) -> None:
        self.over = threading.Event()
        self._left = questions
        self._closed = False
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        if not questions:
            self.over.set()

    def work(self, waiting: "deque[tuple[str, Question[Answer]]]") -> None:
        """Ask one after the other until none is left or it is too late; on a thread of the pool."""
        while not self._closed:
            try:
                key, question = waiting.popleft()
            except IndexError:
                return
            self._ask(key, question)

    def close(self) -> dict[str, Answer]:
        """Begin no more questions; return the answers."""
        with self._lock:
            self._closed = True
            return dict(self._answers)

    def _ask(self, key: str, question: Question[Answer]) -> None:
        try:
            answer = question()
        except Exception as error:  # noqa: BLE001 (whatever one source does, the others and the task go on)
            logger.warning("a source failed unexpectedly: %s", type(error).__name__)
        else:
            with self._lock:
                self._answers[key] = answer
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.over.set()
