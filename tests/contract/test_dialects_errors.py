"""POST /tasks in trouble, for every family: a refusal is one, and what is ambiguous is never sent twice blindly.

Whether a lost task is found again, and whether its absence is believed, each dialect states; the tests hold it to what
its server really does, with tasks of others in the way.
"""

import pytest

from protes.store.records import Phase
from protes.tes.dialects.table import dialect_named
from tests.support.behaviours import CommitThen, Step
from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import (
    FAMILIES_THAT_RUN,
    LONG,
    Case,
    gateway_to,
    last_attempt,
    sweeps,
)
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ours import Node
from tests.support.scripted_server import problem

EVERY_FAMILY = [Case(name) for name in FAMILIES]

REFUSALS: dict[str, str | Step] = {
    "in its own words": "refusal",
    "401": "unauthorized",
    "403": problem(403),
    "404": "missing",
    "405": problem(405),
    "413": problem(413),
    "415": problem(415),
    "422": problem(422),
}
LOST_BUT_CREATED: dict[str, str | Step] = {
    "reset": "reset_after_commit",
    "500": "500_after_commit",
    "no id": "html_after_commit",
    "408": CommitThen(problem(408)),
    "504": CommitThen(problem(504)),
}
LOST_AND_NOT_CREATED: dict[str, str | Step] = {"reset": "reset", "500": "500", "429": "throttled"}

FILTERS_IGNORED = [Case("funnel-0.10", "no_tag_filter"), Case("ga4gh-tes", "before_5_4")]
"""There a search brings the tasks of others."""

SEARCHED_OTHERWISE = [*FILTERS_IGNORED, *(Case("funnel", trap) for trap in ("badger", "dynamodb", "postgres"))]


def _in_the_way(fake: DialectFake) -> None:
    """Have tasks there that are not ours, older and newer than ours will be."""
    fake.crowd(3, "RUNNING")


def _all_copies(task_id: str, *fakes: DialectFake) -> int:
    return sum(len(fake.copies(f"{task_id}-{attempt}")) for fake in fakes for attempt in range(1, 6))


@pytest.mark.parametrize("case", EVERY_FAMILY, ids=str)
def test_a_refusal_is_a_refusal_and_the_next_instance_is_asked_at_once(case: Case) -> None:
    outcomes: dict[str, tuple[int, int, Phase]] = {}
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        for name, refusal in REFUSALS.items():
            fake.fault("create", refusal)
            fake.server.forget()
            task_id = gateway.post(weight="0")
            gateway.turn()
            outcomes[name] = fake.count("create"), _all_copies(task_id, other), last_attempt(gateway, task_id).phase
            sweeps(gateway, 3)  # so that the first is let in again
        assert outcomes == dict.fromkeys(REFUSALS, (1, 1, Phase.ACCEPTED))
        assert not fake.tasks


@pytest.mark.parametrize("case", [*FAMILIES_THAT_RUN, *SEARCHED_OTHERWISE], ids=str)
def test_a_lost_answer_is_settled_by_search_among_the_tasks_of_others(case: Case) -> None:
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        _in_the_way(fake)
        ours = []
        for fault in LOST_BUT_CREATED.values():
            fake.fault("create", fault)
            task_id = gateway.post(weight="0")
            gateway.turn()
            assert last_attempt(gateway, task_id).phase is Phase.UNKNOWN
            assert gateway.state(task_id) == "QUEUED"
            _in_the_way(fake)
            ours.append(task_id)
            sweeps(gateway, 3)
        sweeps(gateway, 20)
        for task_id in ours:
            [copy] = fake.copies(f"{task_id}-1")
            if last_attempt(gateway, task_id).phase is Phase.ACCEPTED:
                assert last_attempt(gateway, task_id).instance_task_id == copy.id
                assert copy.cancels == 0
            else:
                assert case in FILTERS_IGNORED
                assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert other.count("create") == 0
        assert all(task.cancels == 0 for task in fake.tasks.values() if task.marker is None)


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        *((case, "500") for case in FAMILIES_THAT_RUN),
        *((Case(family), fault) for family in ("funnel", "tesk") for fault in ("reset", "429")),
    ],
    ids=str,
)
def test_absence_is_believed_where_the_search_shows_every_task_only(case: Case, fault: str) -> None:
    dialect = dialect_named(case.family)
    believed = dialect.searchable is not None and dialect.read_your_writes and dialect.late_commit_seconds is not None
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        _in_the_way(fake)
        fake.fault("create", LOST_AND_NOT_CREATED[fault])
        task_id = gateway.post(weight="0")
        gateway.turn()
        _in_the_way(fake)
        sweeps(gateway, 20)
        copies = _all_copies(task_id, fake, other)
        assert gateway.record(task_id).attempts[0].phase is (Phase.REJECTED if believed else Phase.FINISHED)
        assert copies == (1 if believed else 0)
        assert gateway.state(task_id) in (("QUEUED", "RUNNING") if believed else ("SYSTEM_ERROR",))
        assert all(task.cancels == 0 for task in fake.tasks.values() if task.marker is None)


@pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)
def test_a_task_that_appears_late_is_adopted_not_repeated(case: Case) -> None:
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        _in_the_way(fake)
        fake.fault("create", "late_commit")
        task_id = gateway.post(weight="0")
        gateway.turns(2, 1)
        fake.land()
        sweeps(gateway, 3)
        assert last_attempt(gateway, task_id).phase is Phase.ACCEPTED
        assert _all_copies(task_id, fake, other) == 1
        assert (fake.count("create"), other.count("create")) == (1, 0)


@pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)
def test_two_copies_become_one(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        fake.fault("create", "500_after_commit")
        task_id = gateway.post(weight="0")
        gateway.turn()
        [copy] = fake.copies(f"{task_id}-1")
        fake.double(copy.id)
        sweeps(gateway, 3)
        first, second = fake.copies(f"{task_id}-1")
        adopted = last_attempt(gateway, task_id).instance_task_id
        assert adopted in (first.id, second.id)
        other = second if adopted == first.id else first
        assert other.state == "CANCELED"
        assert fake.tasks[adopted].cancels == 0


@pytest.mark.parametrize("fault", [*LOST_BUT_CREATED, *LOST_AND_NOT_CREATED])
def test_mock_tes_cannot_be_searched_so_that_the_task_ends(fault: str) -> None:
    with FAMILIES["mock-tes"]() as fake, Node() as other, gateway_to(fake, other) as gateway:
        fake.fault("create", {**LOST_AND_NOT_CREATED, **LOST_BUT_CREATED}[fault])
        task_id = gateway.post(weight="0")
        gateway.turns(20, LONG)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "could not be found out" in gateway.notes(task_id)
        assert (fake.count("create"), other.count("create")) == (1, 0)
