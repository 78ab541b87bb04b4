"""Looks at URLs: shared, bounded, in turns, and used again for a while."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from protes.clock import Clock, ManualClock, SystemClock
from protes.federation.looks import Looks, Turns
from tests.support.waiting import at_once, wait_until


def looks(
    look: Callable[[str, float], str], clock: Clock | None = None, *, threads: int = 8, **values: float
) -> Looks[str]:
    settings = {"look_seconds": 5.0, "keep_seconds": 200.0, **values}
    entries = int(settings.pop("entries", 100))
    return Looks(
        look,
        lambda answer: 10.0 if answer == "bad" else 100.0,
        Turns(threads),
        clock or SystemClock(),
        entries=entries,
        **settings,
    )


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


class Server:
    """Answers with the key, or what is scripted; counts."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, str] = {}
        self.go = threading.Event()
        self.slow: set[str] = set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self, key: str, until: float) -> str:
        with self._lock:
            self.asked[key] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if key in self.slow:
            self.go.wait(10)
        with self._lock:
            self.at_once -= 1
        return self.answers.get(key, key)


@pytest.fixture
def server() -> Server:
    return Server()


def test_many_who_ask_at_once_ask_once(server: Server) -> None:
    found = looks(server)
    answers = at_once([lambda: found.answers(["a", "b"], soon(), ask=True) for _ in range(50)])
    assert answers == [{"a": "a", "b": "b"}] * 50
    assert server.asked == {"a": 1, "b": 1}


def test_without_asking_only_what_is_known_is_told_and_nothing_is_begun(server: Server) -> None:
    found = looks(server)
    assert found.answers(["a"], soon(), ask=False) == {}
    assert found.answers(["a"], soon(), ask=True) == {"a": "a"}
    assert found.answers(["a", "b"], soon(), ask=False) == {"a": "a"}
    assert server.asked == {"a": 1}


def test_who_does_not_wait_finds_the_answer_later(server: Server) -> None:
    server.slow.add("slow")
    found = looks(server)
    began = time.monotonic()
    assert found.answers(["slow", "quick"], soon(1), ask=True) == {"quick": "quick"}
    assert time.monotonic() - began < 8
    server.go.set()
    assert found.answers(["slow"], soon(), ask=True) == {"slow": "slow"}
    assert server.asked == {"slow": 1, "quick": 1}


def test_nobody_waits_longer_than_a_look_may_take(server: Server) -> None:
    server.slow.add("stuck")
    found = looks(server, look_seconds=0.2)
    began = time.monotonic()
    for _ in range(5):
        assert found.answers(["stuck"], soon(10), ask=True) == {}
    assert time.monotonic() - began < 8
    assert server.asked == {"stuck": 1}
    server.go.set()


def test_an_old_answer_is_used_while_a_new_one_is_asked_for_and_a_very_old_one_is_not(server: Server) -> None:
    clock = ManualClock()
    found = looks(server, clock)

    def ask() -> dict[str, str]:
        return found.answers(["a"], clock.monotonic() + 5, ask=True)

    assert ask() == {"a": "a"}
    clock.advance(99)
    assert ask() == {"a": "a"}
    assert server.asked["a"] == 1
    clock.advance(2)
    server.answers["a"] = "bad"
    server.slow.add("a")
    assert ask() == {"a": "a"}
    wait_until(lambda: server.asked["a"] == 2, "it is asked again")
    assert ask() == {"a": "a"}
    server.go.set()
    wait_until(lambda: ask() == {"a": "bad"}, "the new answer is used")
    assert server.asked["a"] == 2
    clock.advance(11)  # what failed is asked again sooner, and nobody waits for it
    server.answers["a"] = "good"
    ask()
    wait_until(lambda: ask() == {"a": "good"}, "the newest answer is used")
    clock.advance(201)
    server.answers["a"] = "newer"
    assert ask() == {"a": "newer"}


def test_an_old_answer_is_told_without_asking(server: Server) -> None:
    clock = ManualClock()
    found = looks(server, clock)
    found.answers(["a"], 5, ask=True)
    clock.advance(150)
    assert found.answers(["a"], clock.monotonic(), ask=False) == {"a": "a"}
    clock.advance(51)
    assert found.answers(["a"], clock.monotonic(), ask=False) == {}
    assert server.asked == {"a": 1}


def test_what_is_used_least_is_forgotten_first(server: Server) -> None:
    found = looks(server, entries=2)
    for key in ("a", "b", "a", "c"):
        found.answers([key], soon(), ask=True)
    assert len(found) == 2
    assert set(found.answers(["a", "b", "c"], soon(), ask=False)) == {"a", "c"}


def test_many_slow_ones_do_not_keep_out_others(server: Server) -> None:
    over = threading.Event()

    def look(key: str, until: float) -> str:
        if key.startswith("slow"):
            over.wait(0.2)
        return server(key, until)

    found = looks(look, threads=2)
    found.answers([f"slow{number}" for number in range(40)], time.monotonic(), ask=True)
    assert found.answers(["quick"], soon(), ask=True) == {"quick": "quick"}
    asked = len(server.asked)
    over.set()
    assert asked < 40  # the next turn, not the last


def test_no_more_threads_than_allowed(server: Server) -> None:
    keys = [str(number) for number in range(20)]
    server.slow |= set(keys)
    found = looks(server, threads=3)
    found.answers(keys, time.monotonic(), ask=True)
    wait_until(lambda: server.at_once == 3, "three are asked")
    server.go.set()
    assert len(found.answers(keys, soon(), ask=True)) == 20
    assert server.most_at_once == 3
    wait_until(lambda: not any(each.name == "look" for each in threading.enumerate()), "the threads have ended")


def test_what_has_not_had_its_turn_in_time_is_dropped(server: Server) -> None:
    server.slow.add("stuck")
    found = looks(server, threads=1, look_seconds=0.1)
    assert found.answers(["stuck", "late"], soon(), ask=True) == {}
    server.go.set()
    wait_until(lambda: found.answers(["late"], soon(), ask=True) == {"late": "late"}, "it is asked anew")


def test_a_look_that_fails_unexpectedly_harms_nobody_else(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def fails(key: str, until: float) -> str:
        if key == "bad":
            raise RuntimeError("a mistake")
        return server(key, until)

    found = looks(fails, threads=1)
    assert found.answers(["bad", "a"], soon(), ask=True) == {"a": "a"}
    assert "a look failed unexpectedly" in caplog.text


def test_after_closing_nothing_is_begun(server: Server) -> None:
    server.slow.add("a")
    turns = Turns(1)
    found: Looks[str] = Looks(server, lambda _: 10.0, turns, SystemClock(), look_seconds=5, keep_seconds=10, entries=9)
    found.answers(["a", "b"], time.monotonic(), ask=True)
    wait_until(lambda: server.asked["a"] == 1, "the first is asked")
    turns.close()
    server.go.set()
    assert found.answers(["a"], soon(), ask=True) == {"a": "a"}
    assert "b" not in server.asked
