"""The simulation itself: same seed, same figures; queues that keep what they promise; an oracle that is one."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulate.measures import coverages, dominated_counts, dominators, spread
from tests.simulate.ours import Given, Learning, Surroundings
from tests.simulate.places import PLACES, kilometres
from tests.simulate.play import SEEN_LATE, Finished, Interval, Outcome, Policy, State, play
from tests.simulate.plots import MissingPlots, draw
from tests.simulate.policies import Distance, Oracle, RandomOrder, RoundRobin, Testribute
from tests.simulate.queues import Backfill, Fifo, Queue
from tests.simulate.study import WEIGHTS, Coverage, Key, Run, Trial
from tests.simulate.table import table
from tests.simulate.truth import Plan, Truth, least_cost, least_makespan
from tests.simulate.world import Task, World, make_world

CORES = 8
JOBS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, CORES), st.integers(1, 50)), min_size=1, max_size=25
)  # gap after the one before, cores, seconds
QUEUES: list[Callable[[int], Queue]] = [Fifo, Backfill]

MAKERS: dict[str, Callable[[World], Policy]] = {
    "random": RandomOrder,
    "round robin": lambda _: RoundRobin(),
    "distance": Distance,
    "testribute": lambda world: Testribute(world, 0.5),
    "given": lambda world: Given(Surroundings(world), world, 0.5),
    "learned": lambda world: Learning(Surroundings(world), 0.5),
    "oracle": lambda _: Oracle(0.5),
}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(7, 40)


def outcome_of(world: World, make: Callable[[World], Policy]) -> Outcome:
    return play(world, Truth(world), make(world))


def overlapping(spans: list[tuple[float, float, int]]) -> int:
    """The most cores that are taken at once."""
    changes = sorted([(end, -cores) for _, end, cores in spans] + [(start, cores) for start, _, cores in spans])
    return max(itertools.accumulate(cores for _, cores in changes))


@pytest.mark.parametrize("make", QUEUES)
@given(jobs=JOBS)
def test_a_queue_never_gives_more_cores_than_there_are(
    make: Callable[[int], Queue], jobs: list[tuple[int, int, int]]
) -> None:
    queue, now, spans = make(CORES), 0.0, []
    for gap, cores, seconds in jobs:
        now += gap
        promised = queue.start(now, cores, seconds)
        start = queue.place(now, cores, seconds)
        assert start == promised >= now
        spans.append((start, start + seconds, cores))
    assert overlapping(spans) <= CORES


@given(jobs=JOBS)
def test_first_in_first_out_starts_as_early_as_its_order_lets_it(jobs: list[tuple[int, int, int]]) -> None:
    queue, now, before = Fifo(CORES), 0.0, 0.0
    spans: list[tuple[float, float, int]] = []
    for gap, cores, seconds in jobs:
        now += gap
        earliest = max(now, before)
        free_at = sorted({earliest, *(end for _, end, _ in spans if end > earliest)})
        taken = {time: sum(held for start, end, held in spans if start <= time < end) for time in free_at}
        before = queue.place(now, cores, seconds)
        assert before == next(time for time in free_at if taken[time] + cores <= CORES)
        spans.append((before, before + seconds, cores))


def test_backfilling_takes_a_gap_that_delays_nobody() -> None:
    queue = Backfill(4)
    assert queue.place(0.0, 3, 100.0) == 0.0
    assert queue.place(0.0, 4, 10.0) == 100.0
    assert queue.place(1.0, 1, 99.0) == 1.0
    assert queue.place(1.0, 1, 99.0) == 110.0
    strict = Fifo(4)
    assert [strict.place(0.0, 3, 100.0), strict.place(0.0, 4, 10.0), strict.place(1.0, 1, 99.0)] == [0.0, 100.0, 110.0]


def test_the_same_seed_makes_the_same_world() -> None:
    assert make_world(3, 20) == make_world(3, 20)
    assert make_world(3, 20) != make_world(4, 20)


@pytest.mark.parametrize("name", MAKERS)
def test_a_policy_plays_the_same_world_the_same_way(name: str, world: World) -> None:
    assert outcome_of(world, MAKERS[name]) == outcome_of(world, MAKERS[name])


@pytest.mark.parametrize("name", MAKERS)
def test_every_task_runs_once_after_its_arrival_and_within_the_bounds(name: str, world: World) -> None:
    outcome = outcome_of(world, MAKERS[name])
    assert [done.index for done in outcome.finished] == [task.index for task in world.tasks]
    assert all(done.wait >= 0 and done.end > done.task.arrival for done in outcome.finished)
    assert outcome.cost >= least_cost(world, Truth(world)) * (1 - 1e-9)
    assert outcome.makespan >= least_makespan(world, Truth(world)) * (1 - 1e-9)


def test_a_start_is_seen_late(world: World) -> None:
    class Counting(RoundRobin):
        def choose(self, task: Task, state: State) -> tuple[Plan, Interval | None]:
            waiting = [
                sum(
                    each.plan.site == site.index
                    and state.now < min(each.end, each.task.arrival + each.wait + SEEN_LATE)
                    for each in sent
                )
                for site in world.sites
            ]
            assert [state.queued(site) for site in world.sites] == waiting
            assert all(state.queued(site) <= state.in_flight[site.index] for site in world.sites)
            seen.append(sum(waiting))
            plan, said = super().choose(task, state)
            start = state.now + state.wait(task, plan)
            sent.append(Finished(start + plan.held, task.index, task, plan, start - state.now, said))
            return plan, said

    sent: list[Finished] = []
    seen: list[int] = []
    play(world, Truth(world), Counting())
    assert max(seen) > 0


def test_what_has_ended_is_told_in_order_and_never_early(world: World) -> None:
    class Listening(RoundRobin):
        heard: list[Finished]

        def __init__(self) -> None:
            self.heard = []

        def learn(self, done: Finished) -> None:
            self.heard.append(done)

    policy = Listening()
    outcome = play(world, Truth(world), policy)
    last = world.tasks[-1].arrival
    assert policy.heard == sorted(each for each in outcome.finished if each.end <= last)


def test_the_oracle_at_weight_0_reaches_the_least_cost(world: World) -> None:
    truth = Truth(world)
    assert play(world, truth, Oracle(0.0)).cost == pytest.approx(least_cost(world, truth))


def test_each_of_the_oracles_choices_is_the_best_of_all_at_that_moment(world: World) -> None:
    """Against every replica of every site, not only the plans that are left when the beaten ones are out."""
    truth = Truth(world)

    class Checked(Oracle):
        def choose(self, task: Task, state: State) -> tuple[Plan, Interval | None]:
            chosen, said = super().choose(task, state)
            every = [
                truth.plan(task, site, replicas)
                for site in world.sites
                for replicas in itertools.product(*(range(len(each.zones)) for each in task.inputs))
            ]
            fastest = min(state.wait(task, plan) + plan.held for plan in every)
            assert state.wait(task, chosen) + chosen.held == pytest.approx(fastest)
            return chosen, said

    play(world, truth, Checked(1.0))


def test_replicas_that_nobody_would_take_are_left_out(world: World) -> None:
    truth, random = Truth(world), Random(1)
    for task in random.sample(world.tasks, 10):
        for plan in truth.front(task):
            site = world.sites[plan.site]
            for replicas in itertools.product(*(range(len(each.zones)) for each in task.inputs)):
                other = truth.plan(task, site, replicas)
                assert other.cost >= plan.cost or other.held >= plan.held


def test_distances() -> None:
    assert kilometres((0, 0), (0, 180)) == pytest.approx(20015, abs=1)
    assert kilometres(PLACES["aws:us-east-1"], PLACES["aws:us-east-1"]) == 0


def run(cost: float, makespan: float, held: int = 8) -> Run:
    return Run(cost, makespan, makespan, Coverage(10, held), Coverage(0, 0))


def trial(ours: tuple[float, float], other: tuple[float, float]) -> Trial:
    runs: dict[Key, Run] = {(name, None): run(*other) for name in ("random", "round_robin", "distance")}
    for weight in WEIGHTS:
        runs |= {(name, weight): run(*ours) for name in ("given", "learned", "oracle")}
        runs["testribute", weight] = run(*other)
    return Trial(0, 5, 1.0, 1.0, runs)


@pytest.mark.parametrize(
    ("ours", "other", "dominated"),
    [((2, 2), (1, 1), 5), ((2, 2), (2, 1), 5), ((2, 2), (2, 2), 0), ((2, 2), (1, 3), 0), ((1, 1), (2, 2), 0)],
)
def test_dominated_means_no_better_in_anything(
    ours: tuple[float, float], other: tuple[float, float], dominated: int
) -> None:
    assert dominated_counts([trial(ours, other)], "given") == [dominated]
    assert bool(dominators(trial(ours, other), ("given", 0.5))) is bool(dominated)


def test_coverage_counts_only_what_was_given() -> None:
    assert coverages([trial((1, 1), (2, 2))], "learned", lambda each: each.waits) == [0.8]
    assert coverages([trial((1, 1), (2, 2))], "learned", lambda each: each.runs) == []
    assert spread([3.0]).middle == 3.0


def test_the_table_says_which_aims_are_met_and_fits_the_page() -> None:
    good, bad = table([trial((1, 1), (2, 2))] * 3, 10), table([trial((2, 2), (1, 1))] * 3, 10)
    assert "weights dominated, of 5" in good
    assert good.count("MISSED") == 0
    assert bad.count("MISSED") == 2
    assert max(map(len, good.splitlines())) <= 120


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPlots, match="pip install"):
        draw([trial((1, 1), (2, 2))], tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_with_matplotlib_it_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for path in draw([trial((1, 1), (2, 2))] * 2, tmp_path / "plots"):
        assert path.read_bytes().startswith(b"\x89PNG")
