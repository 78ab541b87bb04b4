"""The waiting room: who waits is woken by a change, by the end of the wait, or by the room's end."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack

import pytest

from protes.api import waiting
from protes.api.waiting import WaitingRoom
from protes.clock import ManualClock, SystemClock
from protes.store.protocols import StoreUnavailable
from tests.support.waiting import wait_until


class Shelf:
    """Versions that a test changes; counts how often they are read, and by how much each."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {"a": 1, "b": 1}
        self.reads: list[int] = []
        self.fails = False

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        self.reads.append(len(task_ids))
        if self.fails:
            raise StoreUnavailable("away")
        return {each: self.stored[each] for each in task_ids if each in self.stored}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def room(shelf: Shelf) -> Iterator[WaitingRoom]:
    wait_until(lambda: not _watchers(), "those of other tests have ended")
    room = WaitingRoom(shelf, SystemClock(), 16)
    yield room
    room.close()
    wait_until(lambda: not _watchers(), "the room's thread has ended")


def _watchers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "protes-waiting"]


def _until(shelf: Shelf, task_id: str, wanted: int) -> Callable[[], Mapping[str, int] | None]:
    def look() -> Mapping[str, int] | None:
        return None if shelf.stored.get(task_id) == wanted else {task_id: shelf.stored.get(task_id, 0)}

    return look


def _waiting(room: WaitingRoom, shelf: Shelf, task_id: str, wanted: int, seconds: float = 30) -> threading.Thread:
    thread = threading.Thread(target=room.wait, args=(_until(shelf, task_id, wanted), seconds))
    thread.start()
    return thread


def _ends(thread: threading.Thread) -> None:
    thread.join(30)
    assert not thread.is_alive()


def test_places_are_a_quarter_of_the_threads(shelf: Shelf) -> None:
    for threads, places in ((1, 0), (3, 0), (4, 1), (16, 4), (19, 4)):
        room = WaitingRoom(shelf, SystemClock(), threads)
        with ExitStack() as stack:
            got = [stack.enter_context(room.place()) for _ in range(places + 2)]
            assert got == [True] * places + [False] * 2
            assert room.taken == places
        assert room.taken == 0


def test_a_place_is_given_back_though_its_holder_fails(room: WaitingRoom) -> None:
    with pytest.raises(ValueError, match="no"), room.place():
        raise ValueError("no")
    assert room.taken == 0


def test_who_is_satisfied_waits_for_nothing(room: WaitingRoom, shelf: Shelf) -> None:
    room.wait(_until(shelf, "a", 1), 30)
    assert shelf.reads == []
    assert not _watchers()


def test_a_change_wakes_those_who_wait_for_it_and_nobody_else(room: WaitingRoom, shelf: Shelf) -> None:
    one, other = _waiting(room, shelf, "a", 2), _waiting(room, shelf, "b", 2)
    wait_until(lambda: 2 in shelf.reads, "both are watched by one read")
    shelf.stored["a"] = 2
    _ends(one)
    assert other.is_alive()
    del shelf.stored["b"]
    wait_until(lambda: shelf.reads[-1] == 1, "the other one is watched on")
    shelf.stored["b"] = 2
    _ends(other)


def test_a_change_that_is_none_to_the_waiter_leaves_it_waiting(room: WaitingRoom, shelf: Shelf) -> None:
    thread = _waiting(room, shelf, "a", 3)
    wait_until(lambda: bool(shelf.reads), "it is watched")
    shelf.stored["a"] = 2
    reads = len(shelf.reads)
    wait_until(lambda: len(shelf.reads) > reads + 3, "it is watched on")
    assert thread.is_alive()
    shelf.stored["a"] = 3
    _ends(thread)


def test_without_a_change_the_wait_ends_in_time(room: WaitingRoom, shelf: Shelf) -> None:
    began = SystemClock().monotonic()
    room.wait(_until(shelf, "a", 2), 0.2)
    assert SystemClock().monotonic() - began >= 0.2


def test_the_room_looks_less_often_while_nothing_happens(room: WaitingRoom, shelf: Shelf) -> None:
    room.wait(_until(shelf, "a", 2), 1.0)
    assert 3 <= len(shelf.reads) <= 12


def test_who_looks_for_others_looks_again_and_again(room: WaitingRoom, shelf: Shelf) -> None:
    looks = 0

    def look() -> Mapping[str, int] | None:
        nonlocal looks
        looks += 1
        return None if looks == 3 else {}

    room.wait(look, 30, others=True)
    assert looks == 3


def test_a_store_that_is_away_for_a_while_is_lived_through(room: WaitingRoom, shelf: Shelf) -> None:
    shelf.fails = True
    thread = _waiting(room, shelf, "a", 2)
    wait_until(lambda: len(shelf.reads) > 1, "it has been tried")
    shelf.stored["a"], shelf.fails = 2, False
    _ends(thread)


def test_what_the_waiter_itself_runs_into_is_raised(room: WaitingRoom) -> None:
    def look() -> Mapping[str, int] | None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        room.wait(look, 30)


def test_a_closed_room_sends_everybody_away(room: WaitingRoom, shelf: Shelf) -> None:
    thread = _waiting(room, shelf, "a", 2)
    wait_until(lambda: bool(shelf.reads), "it waits")
    room.close()
    _ends(thread)
    with room.place() as free:
        assert not free
    room.wait(_until(shelf, "a", 2), 30)


def test_the_thread_leaves_with_the_last_waiter_and_another_comes(room: WaitingRoom, shelf: Shelf) -> None:
    for version in (2, 3):
        thread = _waiting(room, shelf, "a", version)
        wait_until(lambda: len(_watchers()) == 1, "one thread watches")
        shelf.stored["a"] = version
        _ends(thread)
        wait_until(lambda: not _watchers(), "nobody waits, nothing watches")


def test_however_often_it_is_nudged_the_room_keeps_its_pace(room: WaitingRoom, shelf: Shelf) -> None:
    clock = SystemClock()
    began, thread = clock.monotonic(), _waiting(room, shelf, "a", 2, 0.5)
    nudges = 0
    while thread.is_alive():
        room.nudge()
        nudges += 1
        thread.join(0.0005)
    assert nudges > len(shelf.reads)
    assert 3 <= len(shelf.reads) <= 50 * (clock.monotonic() - began) + 2  # every 20 ms


def test_who_sits_down_again_does_not_hurry_the_room(
    room: WaitingRoom, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_SIT_SECONDS", 0.02)
    looks, clock = 0, SystemClock()
    began = clock.monotonic()

    def look() -> Mapping[str, int] | None:
        nonlocal looks
        looks += 1
        return None if looks > 10 and clock.monotonic() - began > 1 else {"a": 1}

    room.wait(look, 30)
    assert looks > 10
    assert len(shelf.reads) <= 10 * (clock.monotonic() - began) + 2


@pytest.mark.parametrize("changes", [False, True])
def test_pages_are_read_at_a_pace_of_their_own(room: WaitingRoom, shelf: Shelf, changes: bool) -> None:
    looks: list[float] = []

    def look() -> Mapping[str, int]:
        looks.append(SystemClock().monotonic())
        return dict(shelf.stored)

    thread = threading.Thread(target=room.wait, args=(look, 1.5), kwargs={"others": True})
    thread.start()
    while thread.is_alive():
        shelf.stored["a"] += changes
        room.nudge()
        thread.join(0.005)
    assert 2 <= len(looks) <= 5
    if changes:
        assert looks[1] - looks[0] < 0.9  # the first change is not kept waiting


def test_without_room_for_a_thread_who_waits_looks_itself_now_and_then(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def look() -> Mapping[str, int]:
        looks.append(clock.monotonic())
        return {"a": 1}

    clock, looks = ManualClock(), list[float]()
    room = WaitingRoom(shelf, clock, 16)
    monkeypatch.setattr(threading.Thread, "start", no_room)
    room.wait(look, 12)
    assert looks == [0, 5, 10, 12]
    assert "cannot be watched" in caplog.text
    assert not room._watching
    assert not room._seats
