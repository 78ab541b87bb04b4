"""TaskStore on every backend: what a sweep needs of the tasks that an instance has accepted."""

from dataclasses import replace

from protes.store.protocols import TaskStore
from protes.store.records import Followed, Phase, TaskRecord, Transition
from protes.tes.states import State
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded

OTHER = "https://two.example/ga4gh/tes/v1"


def followed(tasks: TaskStore, record: TaskRecord) -> Followed | None:
    """Return what is followed of a task."""
    return next((each for each in tasks.followed(URL, None, 100) if each.task_id == record.id), None)


def test_what_an_instance_has_accepted_is_followed(tasks: TaskStore) -> None:
    accepted = [forwarded(tasks, a_task(), dialect="tesk", intended_at=at(n)) for n in range(3)]
    forwarded(tasks, a_task(), Phase.INTENDED)
    forwarded(tasks, a_task(), Phase.UNKNOWN)
    forwarded(tasks, a_task(), instance_url=OTHER)
    finished = forwarded(tasks, a_task())
    tasks.transition([Transition(finished.id, 1, State.COMPLETE, finished=True)], START)
    assert list(tasks.followed(URL, None, 10)) == [
        Followed(record.id, 1, f"remote-{record.id}", "tesk", State.UNKNOWN, at(n)) for n, record in enumerate(accepted)
    ]
    assert [each.task_id for each in tasks.followed(OTHER, None, 10)] != []
    assert list(tasks.followed("https://none.example", None, 10)) == []


def test_pages_ascend_and_go_on_after_an_id(tasks: TaskStore) -> None:
    ids = [forwarded(tasks, a_task()).id for _ in range(5)]
    pages, after = [], None
    while page := tasks.followed(URL, after, 2):
        pages.append([each.task_id for each in page])
        after = page[-1].task_id
    assert pages == [ids[:2], ids[2:4], ids[4:]]


def test_it_is_as_new_as_the_last_change(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.transition([Transition(record.id, 1, State.RUNNING)], at(1))
    running = followed(tasks, record)
    assert running is not None
    assert (running.state, running.missing) == (State.RUNNING, False)
    tasks.transition([Transition(record.id, 1, State.UNKNOWN, missing_since=at(2))], at(2))
    assert followed(tasks, record) == replace(running, missing=True)
    tasks.transition([Transition(record.id, 1, State.RUNNING)], at(3))
    assert followed(tasks, record) == running
    tasks.request_cancel(record.id, at(4))
    assert followed(tasks, record) == replace(running, due=True)


def test_it_is_of_the_newest_attempt(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task(), Phase.REJECTED)
    assert followed(tasks, record) is None
    assert tasks.claim(record.id, a_lease(until=90), at(1)) is not None
    second = an_attempt(2, Phase.ACCEPTED, instance_task_id="there")
    tasks.save_attempt(record.id, "token", replace(second, phase=Phase.INTENDED), at(1))
    tasks.save_attempt(record.id, "token", second, at(1))
    tasks.release(record.id, "token", None)
    assert followed(tasks, record) == Followed(record.id, 2, "there", "funnel", State.UNKNOWN, at(2))


def test_it_is_what_the_record_says(tasks: TaskStore) -> None:
    for seconds in range(4):
        forwarded(tasks, a_task(), intended_at=at(seconds))
    assert list(tasks.followed(URL, None, 10)) == [record.followed for record in tasks.active(URL, None, 10)]
