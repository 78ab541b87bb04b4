"""Who listens to the event log, and to what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from protes.clock import ManualClock, SystemClock
from protes.events.announcing import Announcer
from protes.events.connection import Connection
from protes.events.event import LARGEST_TEXTS, Event, of_task
from protes.events.feed import Feed, Listener, Missed
from protes.events.log import EventLog
from protes.events.selection import Selection
from protes.events.streaming import Stream, Wish, sse
from protes.store.protocols import StoreUnavailable
from protes.store.records import TaskRecord
from protes.tes.states import State
from tests.support.event_log import DAY, Logged
from tests.support.task_records import START, a_task
from tests.support.waiting import wait_until


def listened(feed: Feed, after: int | None) -> list[tuple[int, str]]:
    with feed.listen(after) as listener:
        found: list[tuple[int, str]] = []
        while news := feed.news(listener):
            found += [(event_id, event.task_id) for event_id, event in news]
        return found


def test_a_listener_goes_on_where_it_was() -> None:
    logged = Logged()
    ids = [logged.tasks.create(a_task()).id for _ in range(3)]
    logged.announcer.announce()
    feed = Feed(logged.log, logged.clock)
    assert listened(feed, 0) == [(1001, ids[0]), (1002, ids[1]), (1003, ids[2])]
    assert listened(feed, 1002) == [(1003, ids[2])]
    assert listened(feed, 2000) == []
    assert listened(feed, None) == []


@pytest.mark.parametrize("after", [-1, 3000, 10**9])
def test_an_id_that_is_none_of_the_log_is_told(after: int) -> None:
    logged = Logged()
    logged.tasks.create(a_task())
    logged.announcer.announce()
    with pytest.raises(Missed), Feed(logged.log, logged.clock).listen(after):
        pass


def test_what_has_expired_is_missed() -> None:
    logged = Logged()
    for _ in range(3):
        logged.tasks.create(a_task())
        logged.announcer.announce()
        logged.clock.advance(DAY / 2)
    feed = Feed(logged.log, logged.clock)
    with pytest.raises(Missed), feed.listen(0):
        pass
    assert len(listened(feed, 2000)) == 2


def readers() -> int:
    return sum(each.name == "protes-events" for each in threading.enumerate())


def test_a_listener_is_woken_and_the_reader_ends_with_the_last() -> None:
    logged = Logged()
    clock = SystemClock()
    feed = Feed(EventLog(logged.records, clock), clock)
    announcer = Announcer(logged.tasks, logged.records, EventLog(logged.records, clock), clock, DAY)
    wait_until(lambda: readers() == 0, "those of other tests have ended", 30)
    with feed.listen(None) as listener, feed.listen(None) as other:
        assert readers() == 1
        for _ in range(3):
            record = logged.tasks.create(a_task())
            announcer.announce()
            feed.wait(listener, 30)
            assert [event.task_id for _, event in feed.news(listener)] == [record.id]
        assert len(feed.news(other)) == 3
        feed.dismiss()
        assert listener.dismissed
    wait_until(lambda: readers() == 0, "the reader has ended", 30)
    with feed.listen(None) as listener:
        feed.close()
        feed.wait(listener, 30)
        assert feed.closed
    wait_until(lambda: readers() == 0, "the reader has ended", 30)


def test_a_listener_that_is_far_behind_reads_the_store() -> None:
    logged = Logged()
    feed = Feed(logged.log, logged.clock)
    ids = []
    for _ in range(300):
        ids.append(logged.tasks.create(a_task()).id)
        logged.announcer.announce()
    assert [task_id for _, task_id in listened(feed, 0)] == ids
    with feed.listen(0) as listener:
        logged.clock.advance(2 * DAY)
        with pytest.raises(Missed):
            feed.news(listener)


RECORD = a_task(name="align", tags=("a=b", "c=d"), audience="user:ann")


def chosen(record: TaskRecord = RECORD, **wanted: Any) -> bool:
    look = {record.id: record}
    return Selection(**wanted).chosen(of_task(record), look.get) is not None


def test_a_selection() -> None:
    assert chosen()
    assert chosen(ids=frozenset({RECORD.id, "x"}))
    assert not chosen(ids=frozenset({"x"}))
    assert chosen(audiences=frozenset({"", "user:ann"}))
    assert not chosen(audiences=frozenset({""}))
    assert chosen(tags=(("a", "b"), ("c", None)), name_prefix="al")
    assert not chosen(tags=(("a", "x"),))
    assert not chosen(tags=(("b", None),))
    assert not chosen(name_prefix="lign")
    assert chosen(states=frozenset({State.QUEUED}))
    assert not chosen(states=frozenset({State.RUNNING}))


def test_a_selection_by_the_state_that_is_shown() -> None:
    paused = replace(RECORD, state=State.PAUSED, last_steady=State.RUNNING)
    assert chosen(paused, states=frozenset({State.RUNNING}))
    assert not chosen(paused, states=frozenset({State.PAUSED}))
    assert chosen(paused, states=frozenset({State.PAUSED}), all_states=True)


def test_a_selection_looks_at_tasks_with_large_texts() -> None:
    large = replace(RECORD, tags=("a=" + "b" * LARGEST_TEXTS,))
    assert chosen(large, tags=(("a", None),))
    assert not chosen(large, tags=(("b", None),))


def test_removals_are_told_to_all_who_could_see_the_task() -> None:
    gone = Event("x", START, audience="user:ann")
    wanted = Selection(states=frozenset({State.RUNNING}), tags=(("a", None),), audiences=frozenset({"user:ann"}))
    assert wanted.chosen(gone, lambda _: None) == gone
    assert Selection(audiences=frozenset({""})).chosen(gone, lambda _: None) is None
    assert Selection(ids=frozenset({"y"})).chosen(gone, lambda _: None) is None


def test_an_event_is_one_line_of_data() -> None:
    assert sse("task", {"name": "a\nb\r\u2028ü"}, 7) == (
        'id: 7\nevent: task\ndata: {"name":"a\\nb\\r\\u2028\\u00fc"}\n\n'
    )


class Streamed:
    """A stream that is read by hand; its time goes on as fast as the feed looks for news."""

    def __init__(self, **wanted: Any) -> None:
        self.logged = Logged()
        self.clock = ManualClock(START)
        self.feed = Feed(self.logged.log, self.clock)
        self.wish = replace(Wish(Selection(), lambda state: state, lambda _: None, None, 1000.0), **wanted)

    @contextmanager
    def pieces(self) -> Iterator[tuple[Listener, Iterator[bytes]]]:
        with self.feed.listen(None) as listener:
            yield (
                listener,
                Stream(self.feed, listener, self.wish, Connection({}, self.clock), self.clock, None).pieces(),
            )


def test_whom_nothing_concerns_goes_on_from_near_the_end() -> None:
    streamed = Streamed(selection=Selection(audiences=frozenset({"user:ann"})))
    with streamed.pieces() as (listener, pieces):
        assert b"id: 1000\n" in next(pieces)
        streamed.logged.tasks.create(a_task(audience="user:bob"))
        streamed.logged.announcer.announce()
        wait_until(listener.woken.is_set, "the feed has read it", 30)
        assert next(pieces) == b": still here\nid: 2000\n\n"


def test_what_changes_right_after_ready_is_told() -> None:
    states = {"site-a": "ok"}
    streamed = Streamed(instances=lambda: dict(states))
    with streamed.pieces() as (_, pieces):
        assert b"event: ready" in next(pieces)
        states["site-a"] = "unreachable"
        told = next(piece for piece in pieces if b"still here" not in piece)
        assert b"unreachable" in told


def unavailable(*_: object) -> NoReturn:
    raise StoreUnavailable("the store is away")


@pytest.mark.parametrize("wanted", [{"instances": unavailable}, {"look": unavailable}], ids=["instances", "task"])
def test_a_stream_ends_quietly_where_the_store_is_away(wanted: dict[str, Any]) -> None:
    streamed = Streamed(**wanted)
    with streamed.pieces() as (listener, pieces):
        next(pieces)
        streamed.logged.tasks.create(a_task(name="x" * LARGEST_TEXTS, tags=("a=b",)))
        streamed.logged.announcer.announce()
        wait_until(listener.woken.is_set, "the feed has read it", 30)
        assert list(pieces) == []


def test_a_connection_without_a_socket_never_goes() -> None:
    clock = ManualClock()
    connection = Connection({}, clock)
    connection.sending()
    assert not connection.look()
    clock.advance(31)
    assert connection.look(), "it takes nothing"
    assert isinstance(Listener(0).look(), bool)
