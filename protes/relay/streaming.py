"""Slow sources in threads of their own, their items one by one in the caller's, who never waits idly for long."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


class _Stream(Generic[Item]):
    """The items of all sources, a few ahead of who takes them, so that nothing piles up."""

    def __init__(self, sources: Sequence[Iterator[Item]]) -> None:
        self._queue: queue.Queue[Item | _Ended] = queue.Queue(maxsize=len(sources))
        self._stopped = threading.Event()
        for source in sources:
            # What log lines are about goes along.
            run, args = copy_context().run, (self._run, source)
            threading.Thread(target=run, args=args, name="protes-sweep", daemon=True).start()

    def take(self) -> Item | _Ended | None:
        """Return what comes next; None where nothing has come for a while."""
        try:
            return self._queue.get(timeout=_BEAT_SECONDS)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Begin nothing more; what is under way ends by its own deadline."""
        self._stopped.set()

    def _run(self, source: Iterator[Item]) -> None:
        error: BaseException | None = None
        try:
            for item in source:
                if not self._put(item):
                    return
        except BaseException as raised:  # noqa: BLE001 - raised in the thread that takes the items
            error = raised
        self._put(_Ended(error))

    def _put(self, item: Item | _Ended) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False


def streamed(sources: Sequence[Iterator[Item]], beat: Callable[[], None]) -> Generator[Item, None, None]:
    """Yield the items of all sources as they come; each source runs in a thread, up to two items ahead.

    Args:
        sources: generators that may take their time.
        beat: called every second at least while something is awaited; may raise to stop.

    Raises:
        Exception: what a source raised, in place of its next item; the others are stopped.
    """
    left = len(sources)
    stream = _Stream(sources)
    try:
        while left:
            item = stream.take()
            if isinstance(item, _Ended):
                left -= 1
                if item.error is not None:
                    raise item.error
            elif item is None:
                beat()
            else:
                yield item
                beat()
    finally:
        stream.stop()


def at_once(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, beat: Callable[[], None]
) -> Generator[Result, None, None]:
    """Yield what `work` returns for each item, as it comes, with so many under way at once; see `streamed`."""
    source, lock = iter(items), threading.Lock()

    def shared() -> Iterator[Result]:
        while True:
            with lock:
                item = next(source, _NOTHING)
            if isinstance(item, _Nothing):
                return
            yield work(item)

    return streamed([shared() for _ in range(threads)], beat)


class _Nothing:
    """What comes after the last item."""


_NOTHING = _Nothing()
