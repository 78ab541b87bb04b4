"""Waiting with a deadline, and running things at once; in the place of fixed sleeps."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until `condition` holds; fail with `what` when `seconds` have passed without it."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        pause.wait(0.002)


def at_once(calls: Sequence[Callable[[], Result]], seconds: float = 30.0) -> list[Result | BaseException]:
    """Run each call in a thread of its own, started together; return what each returned or raised."""
    outcomes: list[Result | BaseException | None] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(place: int, call: Callable[[], Result]) -> None:
        barrier.wait()
        try:
            outcomes[place] = call()
        except Exception as error:  # noqa: BLE001 - the test judges it
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), f"not done within {seconds:g} s"
    return outcomes  # type: ignore[return-value]
