"""Where a workflow has been so far."""

import pytest

from middleware import TaskView
from protes.clock import ManualClock
from protes.config.planning import PlanningSettings
from protes.planning.affinity import AFFINITY_KIND, Affinities
from protes.store.factory import create_stores
from protes.store.records import TaskRecord
from tests.support.middleware_samples import task
from tests.support.task_records import a_task

HERE, THERE = "https://here/ga4gh/tes/v1", "https://there/ga4gh/tes/v1"
BOTH = frozenset({HERE, THERE})
TASK = task()


def tagged(name: str | None, owner: str = "") -> TaskRecord:
    return a_task(owner=owner, preference={"weight": "0.5", "carrier": "default", "affinity": name})


class World:
    """Affinities over a store of their own."""

    def __init__(self, **settings: bool | float) -> None:
        self.clock = ManualClock()
        self.records = create_stores("memory:").records
        self.found = Affinities(PlanningSettings.model_validate(settings), self.records, self.clock)

    def went(self, name: str | None, url: str, owner: str = "", candidates: frozenset[str] = BOTH) -> None:
        self.found.remember(tagged(name, owner), TASK, url, candidates)

    def at(self, name: str | None, owner: str = "", view: TaskView = TASK) -> str | None:
        return self.found.url_for(tagged(name, owner), view)


def test_the_first_instance_stays_the_workflows_while_it_can_take_its_tasks() -> None:
    world = World()
    assert world.at("run") is None
    world.went("run", HERE)
    assert world.at("run") == HERE
    world.went("run", THERE)
    assert world.at("run") == HERE
    world.went("run", THERE, candidates=frozenset({THERE}))
    assert world.at("run") == THERE


@pytest.mark.parametrize(("name", "owner"), [("other", ""), ("run", "somebody"), (None, "")])
def test_others_have_nothing_to_do_with_it(name: str | None, owner: str) -> None:
    world = World()
    world.went("run", HERE)
    assert world.at(name, owner) is None


def test_it_is_forgotten_some_time_after_the_last_task() -> None:
    world = World(affinity_keep_seconds=1000)
    world.went("run", HERE)
    world.clock.advance(600)
    world.went("run", THERE)  # which makes it last, where it is
    world.clock.advance(600)
    assert world.at("run") == HERE
    world.clock.advance(500)
    assert world.at("run") is None


def test_nothing_is_written_for_each_task() -> None:
    world = World()
    for _ in range(5):
        world.went("run", HERE)
    [stored] = world.records.scan(AFFINITY_KIND, "", world.clock.now())
    assert stored.version == 1


def test_without_a_name_nothing_is_kept() -> None:
    world = World()
    world.went(None, HERE)
    assert not world.records.scan(AFFINITY_KIND, "", world.clock.now())


def test_an_engines_run_is_a_name_where_the_operator_wants_that() -> None:
    run = task(
        name="wf.step",
        tags={"root_workflow_id": "0f9d6a0e-5c43-4d8e-9f43-0a1b2c3d4e5f"},
    )
    for wanted in (True, False):
        world = World(affinity_by_workflow=wanted)
        world.found.remember(tagged(None), run, HERE, BOTH)
        assert world.at(None, view=run) == (HERE if wanted else None)
