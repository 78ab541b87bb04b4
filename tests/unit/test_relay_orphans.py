"""Copies whose attempt is over are found and cancelled; the copy that a task runs as never is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.config.settings import Settings
from protes.federation.federation import Federation
from protes.relay.orphans import OrphanWatch
from protes.store.factory import Stores, create_stores
from protes.store.orphans import Orphans
from protes.store.records import Attempt, Phase
from protes.tes.states import State
from tests.support.fake_tes import FakeTask, FakeTes
from tests.support.harness import instance
from tests.support.scripted_server import Answer, Request, answer_json
from tests.support.task_records import a_task, an_attempt

WATCH_SECONDS = 1000.0


class Watching:
    """A watch over fakes, by hand."""

    def __init__(self, stores: Stores, federation: Federation, clock: ManualClock) -> None:
        self.stores, self.clock = stores, clock
        self.orphans = Orphans(stores.records, WATCH_SECONDS)
        self.watch = OrphanWatch(self.orphans, stores.tasks, federation, clock)

    def add(self, attempt: Attempt, task_id: str = "task", **task: Any) -> None:
        """Store a task with an attempt, and put the attempt on the list."""
        self.stores.tasks.create(a_task(task_id, attempts=(attempt,), **task))
        self.orphans.add(task_id, attempt, self.clock.now())

    def listed(self) -> list[str]:
        """Return the keys on the list."""
        return [orphan.key for orphan in self.orphans.all(self.clock.now())]


@contextmanager
def watching(*fakes: FakeTes) -> Iterator[Watching]:
    """Make a watch over instances."""
    stores, clock = create_stores("memory:"), ManualClock()
    settings = Settings.model_validate({"instances": [instance(f"i{n}", fake) for n, fake in enumerate(fakes)]})
    federation = Federation(settings, "gateway-under-test", stores.tasks, stores.records, clock, {})
    try:
        for key in federation.due_probes():
            federation.probe(key)
        yield Watching(stores, federation, clock)
    finally:
        federation.close()


def a_copy(fake: FakeTes, copy_id: str = "copy", state: str = "RUNNING", marker: str = "task-1") -> FakeTask:
    """Put a copy with a marker at an instance."""
    fake.tasks[copy_id] = FakeTask(copy_id, {"tags": {"protes_attempt": marker}}, state)
    return fake.tasks[copy_id]


def over(fake: FakeTes, **values: Any) -> Attempt:
    """Make an attempt that is over, with a copy known by its id."""
    values = {
        "instance_url": fake.url,
        "dialect": "node",
        "instance_task_id": "copy",
        "state": State.SYSTEM_ERROR,
        **values,
    }
    return an_attempt(1, values.pop("phase", Phase.FINISHED), **values)


@pytest.mark.parametrize("known", ["copy", None])
def test_a_copy_that_works_is_cancelled_and_looked_after_until_it_has_ended(known: str | None) -> None:
    with FakeTes() as fake, watching(fake) as at:
        copy = a_copy(fake)
        at.add(over(fake, instance_task_id=known))
        assert at.watch.look() == 1
        assert (copy.state, copy.cancels, at.listed()) == ("CANCELED", 1, ["task-1"])
        assert at.watch.look() == 0
        assert at.listed() == []


@pytest.mark.parametrize(
    ("dialect", "state", "kept"),
    [
        ("node", "SYSTEM_ERROR", False),
        ("funnel", "SYSTEM_ERROR", True),
        ("funnel", "EXECUTOR_ERROR", True),
        ("funnel", "COMPLETE", False),
        ("funnel", "CANCELED", False),
    ],
)
def test_what_has_ended_is_looked_after_where_it_may_be_taken_up_again(dialect: str, state: str, kept: bool) -> None:
    with FakeTes() as fake, watching(fake) as at:
        copy = a_copy(fake, state=state)
        at.add(over(fake, dialect=dialect))
        assert at.watch.look() == 0
        assert (copy.cancels, at.listed() != []) == (0, kept)
        at.clock.advance(WATCH_SECONDS)
        assert at.listed() == []


@pytest.mark.parametrize(("state", "kept"), [(State.SYSTEM_ERROR, False), (State.RUNNING, True)])
def test_a_copy_its_instance_does_not_know_may_come_back_unless_it_was_seen_to_end(state: State, kept: bool) -> None:
    with FakeTes() as fake, watching(fake) as at:
        at.add(over(fake, state=state))
        assert at.watch.look() == 0
        assert (at.listed() != []) is kept


@pytest.mark.parametrize("phase", [Phase.ACCEPTED, Phase.UNKNOWN])
def test_an_attempt_that_is_not_over_is_left_alone(phase: Phase) -> None:
    with FakeTes() as fake, watching(fake) as at:
        copy = a_copy(fake)
        known = "copy" if phase is Phase.ACCEPTED else None
        at.add(over(fake, phase=phase, instance_task_id=known, state=State.RUNNING))
        assert at.watch.look() == 0
        assert (copy.state, at.listed()) == ("RUNNING", ["task-1"])


def test_of_two_copies_with_one_marker_the_adopted_one_runs_on() -> None:
    with FakeTes() as fake, watching(fake) as at:
        adopted, second = a_copy(fake, "adopted"), a_copy(fake, "second")
        attempt = over(fake, phase=Phase.ACCEPTED, instance_task_id="adopted", state=State.RUNNING)
        at.stores.tasks.create(a_task("task", attempts=(attempt,)))
        at.orphans.add("task", over(fake, instance_task_id=None), at.clock.now())
        assert at.watch.look() == 1
        assert (adopted.state, second.state) == ("RUNNING", "CANCELED")


def test_a_copy_that_was_adopted_after_its_task_was_given_up_is_cancelled() -> None:
    with FakeTes() as fake, watching(fake) as at:
        copy = a_copy(fake)
        at.add(
            over(fake, phase=Phase.ACCEPTED, state=State.RUNNING), state=State.SYSTEM_ERROR, finished_at=at.clock.now()
        )
        assert at.watch.look() == 1
        assert copy.state == "CANCELED"


def test_an_instance_that_fails_keeps_no_others_waiting_and_is_tried_again() -> None:
    with FakeTes() as sick, FakeTes() as well, watching(sick, well) as at:
        copies = a_copy(sick), a_copy(well)
        for task_id, fake in (("a", sick), ("b", sick), ("c", well)):
            at.add(over(fake), task_id)
        sick.fault("get", "reset", times=2)
        assert at.watch.look() == 1
        assert [copy.state for copy in copies] == ["RUNNING", "CANCELED"]
        sick.heal()
        sick.fault("cancel", "reset")
        at.watch.look()
        assert copies[0].state == "RUNNING"
        at.watch.look()
        assert copies[0].state == "CANCELED"


def test_what_does_not_fit_into_a_look_comes_first_in_the_next_one() -> None:
    with FakeTes() as fake, watching(fake) as at:
        asked: list[str] = []

        def slow(request: Request) -> Answer:
            asked.append(request.params["id"])
            at.clock.advance(8)  # so that three are a look's time
            return answer_json({"id": request.params["id"], "state": "SYSTEM_ERROR"})

        fake.fault("get", slow, times=100)
        for n in range(5):
            at.add(over(fake, instance_task_id=f"copy{n}", dialect="funnel"), f"task{n}")
        for _ in range(3):
            at.watch.look()
        assert asked[:5] == [f"copy{n}" for n in range(5)]
        assert asked[5] == "copy0"
