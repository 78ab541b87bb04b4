"""The parts of the event log, each alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.events.announcing import Announcer
from protes.events.event import LARGEST_TEXTS, Event, from_json, of_task, to_json
from protes.events.log import MOST_IN_BATCH, Batch, batch_after
from protes.events.removals import Removals
from protes.events.selection import tags_of
from protes.store.memory import MemoryRecords
from protes.store.protocols import StoreUnavailable
from protes.store.records import Transition, tag_entry
from protes.tes.states import State
from tests.support.event_log import DAY, Logged
from tests.support.task_records import START, a_task, at, forwarded
from tests.support.waiting import wait_until

EVENTS = st.builds(
    Event,
    st.text("abc", min_size=1),
    st.datetimes(timezones=st.just(START.tzinfo)),
    st.text(),
    st.text(),
    st.none() | st.sampled_from(State),
    st.sampled_from((State.QUEUED, State.RUNNING)),
    st.integers(0, 99),
    st.integers(0, 99),
    st.text(),
    st.lists(st.text()).map(tuple),
    st.booleans(),
)


@given(EVENTS)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert from_json(to_json(event)) == event


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_tags_are_told_as_their_client_wrote_them(tags: dict[str, str]) -> None:
    entries = tuple(tag_entry(key, value) for key, value in tags.items())
    assert tags_of(Event("x", START, tags=entries)) == tags


@given(st.integers(0, 10**9))
def test_ids_and_batches_agree(event_id: int) -> None:
    needed = batch_after(event_id)
    events = [Event("x", START)] * MOST_IN_BATCH
    assert not Batch(needed - 1, events).after(event_id)
    assert all(found > event_id for found, _ in Batch(needed, events).after(event_id))
    assert Batch(needed, events).after(Batch(needed, events).end) == []
    assert batch_after(Batch(needed, events).end) == needed + 1


def test_large_texts_are_left_out() -> None:
    assert of_task(a_task(tags=("a=b",), name="n")).tags == ("a=b",)
    large = of_task(a_task(tags=("a=" + "b" * LARGEST_TEXTS,), name="n"))
    assert (large.tags, large.name, large.texts_left_out) == ((), "", True)


def test_news_become_events_in_the_order_of_time() -> None:
    logged = Logged()
    later, first = a_task(created_at=at(2)), a_task(created_at=at(1))
    logged.tasks.create_many([later, first])
    assert logged.announcer.announce() == 2
    assert logged.said() == [(first.id, State.QUEUED), (later.id, State.QUEUED)]
    assert [event_id for event_id, _ in logged.events()] == [1001, 1002]
    assert logged.announcer.announce() == 0
    assert logged.told == [later.id, first.id] or set(logged.told) == {later.id, first.id}


def test_the_last_state_is_never_left_out() -> None:
    logged = Logged()
    record = forwarded(logged.tasks, a_task())
    logged.announcer.announce()
    for state in (State.INITIALIZING, State.RUNNING, State.COMPLETE):
        logged.tasks.transition([Transition(record.id, 1, state, finished=state.finished)], at(3))
    logged.announcer.announce()
    assert logged.said() == [(record.id, State.QUEUED), (record.id, State.COMPLETE)]
    assert logged.events()[-1][1].at == at(3)


def test_more_than_a_batch_goes_into_several() -> None:
    logged = Logged()
    logged.tasks.create_many([a_task() for _ in range(MOST_IN_BATCH * 2 + 3)])
    assert logged.announcer.announce() == MOST_IN_BATCH * 2 + 3
    assert [len(batch.events) for batch in logged.log.after(0)] == [MOST_IN_BATCH, MOST_IN_BATCH, 3]


def test_a_removal_is_an_event_once_the_task_is_gone() -> None:
    logged = Logged()
    record = logged.tasks.create(a_task(owner="ann", audience="user:ann"))
    logged.announcer.announce()
    removals = Removals(logged.tasks, logged.records, logged.clock)
    removals.note([record.id, "nobody"])
    assert logged.announcer.announce() == 0, "it is there still"
    logged.tasks.delete(record.id)
    assert logged.announcer.announce() == 1
    gone = logged.events()[-1][1]
    assert (gone.task_id, gone.state, gone.audience) == (record.id, None, "user:ann")
    assert logged.announcer.announce() == 0
    assert removals.remove(["nobody"]) == 0


def test_the_last_state_of_a_task_that_is_removed_at_once_is_not_left_out() -> None:
    logged = Logged()
    old = logged.tasks.create(a_task())
    logged.announcer.announce()
    new = logged.tasks.create(a_task())
    logged.tasks.request_cancel(new.id, logged.clock.now())
    told: list[str] = []
    removals = Removals(
        logged.tasks, logged.records, logged.clock, lambda moved: told.extend(each.id for each in moved)
    )
    assert removals.remove([old.id, new.id]) == 2
    assert told == [new.id]
    logged.announcer.announce()
    assert logged.said()[1:] == [(new.id, State.CANCELED), (old.id, None), (new.id, None)]
    last, gone = (event for _, event in logged.events() if event.task_id == new.id)
    assert last.moves < gone.moves


def test_a_removal_that_was_given_up_is_forgotten() -> None:
    logged = Logged()
    record = logged.tasks.create(a_task())
    logged.announcer.announce()
    Removals(logged.tasks, logged.records, logged.clock).note([record.id])
    logged.clock.advance(61)
    assert logged.announcer.announce() == 0
    logged.tasks.delete(record.id)
    assert logged.announcer.announce() == 0
    assert [state for _, state in logged.said()] == [State.QUEUED]


class Dying(MemoryRecords):
    """Records that carry a write out, and then do not say so."""

    dies_at: str | None = None

    def put(self, kind: str, *arguments: Any, **named: Any) -> int:
        version = super().put(kind, *arguments, **named)
        if kind == self.dies_at:
            raise StoreUnavailable("no answer")
        return version


@pytest.mark.parametrize("kind", ["events_tail", "events"])
def test_a_crash_while_writing_repeats_events_and_loses_none(kind: str) -> None:
    records = Dying()
    logged = Logged(records)
    record = logged.tasks.create(a_task())
    records.dies_at = kind
    with pytest.raises(StoreUnavailable):
        logged.announcer.announce()
    records.dies_at = None
    assert logged.announcer.announce() == 1
    assert set(logged.said()) == {(record.id, State.QUEUED)}
    assert [batch.number for batch in logged.log.after(0)] == list(range(1, len(logged.log.after(0)) + 1))


def test_a_place_is_taken_once() -> None:
    logged = Logged()
    place = logged.log.next_place()
    assert logged.log.append(place, [Event("a", START)], DAY)
    assert not logged.log.append(place, [Event("b", START)], DAY)
    assert [event.task_id for _, event in logged.events()] == ["a"]


def test_versions_never_go_down_though_somebody_stood_still() -> None:
    """Whoever read a task before another wrote its newer state finds the place taken."""
    logged = Logged()
    record = forwarded(logged.tasks, a_task())
    place, old = logged.log.next_place(), logged.tasks.unannounced(10)
    logged.tasks.transition([Transition(record.id, 1, State.RUNNING)], at(1))
    logged.announcer.announce()
    assert not logged.log.append(place, [of_task(each) for each in old], DAY)
    assert logged.said() == [(record.id, State.RUNNING)]


def test_numbers_are_not_used_again_after_all_has_expired() -> None:
    logged = Logged()
    logged.tasks.create(a_task())
    logged.announcer.announce()
    logged.clock.advance(2 * DAY)
    logged.records.expire(logged.clock.now())
    assert logged.log.first_kept() is None
    logged.tasks.create(a_task())
    logged.announcer.announce()
    assert [event_id for event_id, _ in logged.events()] == [2001]


def test_many_who_announce_write_every_task_in_order() -> None:
    """Threads that all announce, and one that moves tasks: versions go up, and every last state is there."""
    logged = Logged()
    records = [forwarded(logged.tasks, a_task()) for _ in range(5)]
    stop = threading.Event()

    def announce() -> None:
        announcer = Announcer(logged.tasks, logged.records, logged.log, logged.clock, DAY)
        while not stop.is_set():
            announcer.announce()

    threads = [threading.Thread(target=announce) for _ in range(3)]
    for each in threads:
        each.start()
    for number, state in enumerate([State.RUNNING, State.INITIALIZING] * 10 + [State.COMPLETE]):
        seen = [Transition(record.id, 1, state, finished=state.finished) for record in records]
        logged.tasks.transition(seen, at(number))
    wait_until(lambda: not logged.tasks.unannounced(1), "all is told")
    stop.set()
    for each in threads:
        each.join(30)
    for record in records:
        versions = [event.version for _, event in logged.events() if event.task_id == record.id]
        assert versions == sorted(versions)
        assert [event.state for _, event in logged.events() if event.task_id == record.id][-1] is State.COMPLETE
