"""Properties of scores, and of figures that are absurd or missing (ESTIMATES.md, "Properties")."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from middleware import (
    Candidate,
    Chain,
    Context,
    DataObject,
    Distribution,
    DistributionRequest,
    InputView,
    Learned,
    Money,
    Network,
    OutputView,
    Preference,
    Prices,
    Replica,
    Reported,
    Resources,
    Route,
    StepSpec,
    TaskView,
    build_chain,
)
from middleware.scoring import Floors, Plan, Ranking, rank, weighed
from tests.support.middleware_samples import order, request, task

WEIGHTS = st.integers(0, 1_000_000) | st.sampled_from([0, 1, 499_999, 500_000, 500_001, 999_999, 1_000_000])
AMOUNTS = st.integers(0, 12) | st.integers(0, 10**12)  # few values make ties
PLANS = st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=10).map(
    lambda pairs: [Plan(cost, time, f"{index:02d}") for index, (cost, time) in enumerate(pairs)]
)
FLOORS = st.builds(Floors, st.integers(1, 10**7), st.integers(1, 10**6))


def ranking_of(plans: list[Plan], weight: int, floors: Floors) -> Ranking:
    return rank(plans, weighed(weight, min(plan.cost for plan in plans), min(plan.time for plan in plans), floors))


def oracle(plans: list[Plan], weight: int, floors: Floors) -> list[int]:
    """Order plans by the definition: relative excess over the ideal, in fractions, ties as specified."""
    w = Fraction(weight, 1_000_000)
    ideal_cost, ideal_time = min(plan[0] for plan in plans), min(plan[1] for plan in plans)
    cost_scale, time_scale = max(ideal_cost, floors.cost), max(ideal_time, floors.time)

    def key(index: int) -> tuple[object, ...]:
        cost, time, name = plans[index]
        excess = (1 - w) * Fraction(cost - ideal_cost, cost_scale) + w * Fraction(time - ideal_time, time_scale)
        return (excess, cost, time, name) if w <= Fraction(1, 2) else (excess, time, cost, name)

    return sorted(range(len(plans)), key=key)


@given(PLANS, WEIGHTS, FLOORS)
def test_the_order_is_that_of_the_definition(plans: list[Plan], weight: int, floors: Floors) -> None:
    ranking = ranking_of(plans, weight, floors)
    assert list(ranking.order) == oracle(plans, weight, floors)
    assert all(score >= 0 for score in ranking.scores)


@given(PLANS, WEIGHTS, FLOORS)
def test_2_the_winner_is_pareto_optimal(plans: list[Plan], weight: int, floors: Floors) -> None:
    best = plans[ranking_of(plans, weight, floors).order[0]]
    for other in plans:
        dominates = other.cost <= best.cost and other.time <= best.time
        assert not dominates or other[:2] == best[:2]


@given(PLANS, st.lists(WEIGHTS, min_size=2, max_size=6), FLOORS)
def test_3_with_a_growing_weight_time_never_grows_and_cost_never_falls(
    plans: list[Plan], weights: list[int], floors: Floors
) -> None:
    winners = [plans[ranking_of(plans, weight, floors).order[0]] for weight in sorted(weights)]
    assert [plan.time for plan in winners] == sorted((plan.time for plan in winners), reverse=True)
    assert [plan.cost for plan in winners] == sorted(plan.cost for plan in winners)


@given(PLANS, WEIGHTS, FLOORS, st.randoms(use_true_random=False))
def test_4_the_order_of_plans_is_irrelevant(plans: list[Plan], weight: int, floors: Floors, random: Random) -> None:
    shuffled = random.sample(plans, len(plans))
    first, second = ranking_of(plans, weight, floors), ranking_of(shuffled, weight, floors)
    assert [plans[index] for index in first.order] == [shuffled[index] for index in second.order]


@given(PLANS, WEIGHTS, FLOORS, st.integers(1, 10**4), st.integers(1, 10**4))
def test_5_units_are_irrelevant(plans: list[Plan], weight: int, floors: Floors, money: int, time: int) -> None:
    scaled = [Plan(plan.cost * money, plan.time * time, plan.key) for plan in plans]
    scaled_floors = Floors(floors.cost * money, floors.time * time)
    assert ranking_of(plans, weight, floors).order == ranking_of(scaled, weight, scaled_floors).order


@given(PLANS, WEIGHTS, FLOORS, st.data())
def test_6_a_dominated_plan_changes_nothing(
    plans: list[Plan], weight: int, floors: Floors, data: st.DataObject
) -> None:
    model = data.draw(st.sampled_from(plans))
    more, longer = data.draw(AMOUNTS), data.draw(AMOUNTS)
    assume(more or longer)
    dominated = Plan(model.cost + more, model.time + longer, "zz")
    before, after = ranking_of(plans, weight, floors), ranking_of([*plans, dominated], weight, floors)
    assert after.scores[:-1] == before.scores
    assert tuple(index for index in after.order if index < len(plans)) == before.order
    assert after.order[0] != len(plans)


RANKER = build_chain([StepSpec("cost_runtime", {"disk_gb": 0})])
MONEY = st.decimals(0, 100, places=6)
SPEEDS = st.floats(0.001, 1000)
INSTANCES = st.lists(
    st.builds(
        Candidate,
        id=st.just(""),
        url=st.just(""),
        prices=st.builds(
            Prices,
            currency=st.just("EUR"),
            cpu_core_hour=MONEY,
            ram_gb_hour=MONEY,
            disk_gb_hour=MONEY,
            per_task=MONEY,
            billing_quantum_seconds=st.integers(0, 7200),
            billing_minimum_seconds=st.integers(0, 7200),
        ),
        speed=SPEEDS,
        queue_seconds=st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=5,
).map(lambda each: [replace(one, id=f"i{n}", url=f"https://i{n}.example") for n, one in enumerate(each)])
TASKS = st.builds(
    task,
    resources=st.builds(Resources, cpu_cores=st.floats(0, 1000), ram_gb=st.floats(0, 1000), disk_gb=st.floats(0, 1000)),
)


def ranked(
    ranker: Chain, candidates: list[Candidate], of: TaskView, weight: int, runtime: int | None = None
) -> Distribution:
    preference = Preference(weight_millionths=weight, runtime_seconds=runtime)
    return ranker.distribute(request(candidates, of=of, preference=preference))


ABSURD = st.sampled_from([float("nan"), float("inf"), float("-inf"), -1.0, -0.001, 1e300])
ABSURD_MONEY = st.sampled_from(
    [Decimal(text) for text in ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "1E+999", "1E-99999", "1000001")]
)


@given(INSTANCES, TASKS, WEIGHTS, ABSURD, ABSURD_MONEY, st.integers(0, 4))
def test_7_absurd_figures_are_missing(
    candidates: list[Candidate], of: TaskView, weight: int, absurd: float, money: Decimal, which: int
) -> None:
    victim = candidates[which % len(candidates)]
    others = [each for each in candidates if each is not victim]
    bad = Prices(
        currency="EUR",
        cpu_core_hour=money,
        ram_gb_hour=money,
        disk_gb_hour=money,
        per_task=money,
        billing_quantum_seconds=absurd,
        billing_minimum_seconds=absurd,
    )
    with_absurd = [*others, replace(victim, prices=bad, speed=absurd, queue_seconds=absurd)]
    with_nothing = [*others, replace(victim, prices=None, speed=None, queue_seconds=None)]
    first, second = ranked(RANKER, with_absurd, of, weight), ranked(RANKER, with_nothing, of, weight)
    assert first == second
    for offer in first.ranked:
        assert offer.time_ms is not None
        assert 0 <= offer.time_ms < 10**15
        assert offer.cost_micro is None or offer.cost_micro >= 0


@given(INSTANCES, st.floats() | st.just(-5.0), WEIGHTS)
def test_7_absurd_requests_are_as_if_not_made(candidates: list[Candidate], asked: float, weight: int) -> None:
    of = task(resources=Resources(cpu_cores=asked, ram_gb=asked, disk_gb=asked))
    result = ranked(RANKER, candidates, of, weight)
    assert len(result.ranked) == len(candidates)
    if not 0 <= asked <= 10**9:
        assert result.ranked == ranked(RANKER, candidates, task(), weight).ranked


@given(INSTANCES, TASKS, WEIGHTS)
def test_hiding_a_price_is_to_be_as_dear_as_the_dearest(candidates: list[Candidate], of: TaskView, weight: int) -> None:
    victim, *others = candidates
    assume(others)
    hidden = ranked(RANKER, [replace(victim, prices=None), *others], of, weight)
    declared = ranked(RANKER, [replace(victim, prices=_dearest(others)), *others], of, weight)
    assert order(hidden) == order(declared)
    costs = {offer.candidate_id: (offer.cost_micro, offer.estimate.cost_basis) for offer in hidden.ranked}
    assert costs[victim.id][1] == "imputed"
    assert all(costs[offer.candidate_id][0] == offer.cost_micro for offer in declared.ranked)


def _dearest(others: list[Candidate]) -> Prices:
    known = [each.prices for each in others if each.prices is not None]
    return Prices(
        currency="EUR",
        cpu_core_hour=max(each.cpu_core_hour for each in known if each.cpu_core_hour is not None),
        ram_gb_hour=max(each.ram_gb_hour for each in known if each.ram_gb_hour is not None),
        disk_gb_hour=max(each.disk_gb_hour for each in known if each.disk_gb_hour is not None),
        per_task=max(each.per_task for each in known if each.per_task is not None),
    )


@given(INSTANCES, TASKS, WEIGHTS)
def test_8_the_same_snapshot_gives_the_same_bytes(candidates: list[Candidate], of: TaskView, weight: int) -> None:
    first = ranked(RANKER, candidates, of, weight)
    assert repr(first) == repr(ranked(RANKER, list(reversed(candidates)), of, weight))


ANY_FLOAT = st.floats() | ABSURD
ANY_MONEY = ABSURD_MONEY | MONEY | st.just(Decimal(0))


@settings(deadline=None, max_examples=60)
@given(st.data(), WEIGHTS)
def test_7_whatever_the_figures_there_is_an_order(data: st.DataObject, weight: int) -> None:
    def number() -> float:
        return data.draw(ANY_FLOAT)

    def money() -> Decimal:
        return data.draw(ANY_MONEY)

    place = (number(), number())
    one = Candidate(
        id="a",
        url="https://a.example",
        zone="z",
        coordinates=place,
        prices=Prices(
            currency="EUR", cpu_core_hour=money(), gpu_hour=money(), ingress_gb=money(), preemptible_factor=money()
        ),
        rework=number(),
        failure_rate=number(),
        ingress_bytes_per_second=number(),
        queue_interval=(number(), number()),
        queue_seconds=number(),
        reported=Reported(
            currency="EUR", compute=money(), storage=money(), transfer_gb_1000km=money(), queue_seconds=number()
        ),
        staging=data.draw(st.sampled_from(["parallel", "sequential"])),
    )
    network = Network(
        routes=(Route(egress_gb=money(), request=money(), bytes_per_second=number(), latency_seconds=number()),),
        egress_gb=money(),
        unknown_egress_gb=money(),
        bytes_per_second=number(),
        local_bytes_per_second=number(),
        latency_seconds=number(),
        thaw_seconds=number(),
        bytes_per_second_per_1000km=number(),
    )
    there = Replica(url="s3://b/1", coordinates=place, available=False)
    context = Context(
        seed="s",
        preference=Preference(
            weight_millionths=weight,
            max_cost=Money(amount=data.draw(ABSURD_MONEY), currency="EUR"),
            value_of_time=data.draw(st.none() | st.builds(Money, amount=ABSURD_MONEY, currency=st.just("EUR"))),
        ),
        network=network,
        data={"drs://d/1": DataObject(size_bytes=data.draw(st.integers(-(10**30), 10**30)), replicas=(there,))},
        runtime=Learned(value=number(), low=number(), high=number(), count=1),
        output_bytes=data.draw(st.integers(-(10**30), 10**30)),
    )
    of = task(
        inputs=(InputView(path="/i", url="drs://d/1", size_bytes=data.draw(st.none() | st.just(-1))),),
        outputs=(OutputView(path="/o", url="s3://o/1"),),
        resources=Resources(cpu_cores=number(), preemptible=True, backend_parameters={"GPU": str(number())}),
    )
    other = Candidate(id="b", url="https://b.example")
    asked = DistributionRequest(task=of, candidates=(one, other), context=context)
    result = WITH_FAILURES.distribute(asked)
    assert {offer.candidate_id for offer in result.ranked} | result.rejected.keys() == {"a", "b"}
    for offer in result.ranked:
        assert offer.time_ms is not None
        assert 0 <= offer.time_ms < 10**30
        assert offer.cost_micro is None or 0 <= offer.cost_micro < 10**60


WITH_FAILURES = build_chain([StepSpec("cost_runtime", {"use_failure_rate": True})])
