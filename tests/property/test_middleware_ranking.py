"""The ranker against every plan of the Cartesian product, in fractions (ESTIMATES.md, "Properties")."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from middleware import DataObject, Money, Network, Offer, Prices, Replica, StepSpec, build_chain
from tests.support.plan_oracle import OraclePlan, all_plans, best_of_each, half_up
from tests.support.plan_strategies import SIZES, WEIGHTS, World, replicas, worlds

RANKER = build_chain([StepSpec("cost_runtime")])
MICRO = 10**6
QUICK = settings(max_examples=60, deadline=None)


def shown(plan: OraclePlan) -> tuple[int, int]:
    return half_up(plan.cost * MICRO), half_up(plan.time * 1000)


def ranked(world: World, **preference: object) -> tuple[Offer, ...]:
    return RANKER.distribute(world.request(**preference)).ranked


def agrees(offers: tuple[Offer, ...], best: list[tuple[Fraction, OraclePlan]], plans: list[OraclePlan]) -> None:
    """Check the order, every figure, and that the replicas named are those of a plan that costs and takes this."""
    assert [offer.candidate_id for offer in offers] == [plan.candidate.id for _, plan in best]
    for offer, (score, plan) in zip(offers, best, strict=True):
        assert (offer.cost_micro, offer.time_ms) == shown(plan)
        assert offer.shown_score is not None
        assert abs(offer.shown_score - score) < Fraction(1, 10**20)
        same = (each for each in plans if (each.candidate, each.replicas) == (plan.candidate, offer.estimate.replicas))
        named = next(same)
        assert (named.cost, named.time) == (plan.cost, plan.time)


@pytest.mark.parametrize("staging", ["parallel", "sequential", None])
@QUICK
@given(st.data(), WEIGHTS)
def test_1_the_winner_is_the_best_of_the_whole_product(staging: str | None, data: st.DataObject, weight: int) -> None:
    world = data.draw(worlds(staging=staging))
    plans = all_plans(world.task, world.candidates, world.context)
    agrees(ranked(world, weight_millionths=weight), best_of_each(plans, Fraction(weight, MICRO)), plans)


@QUICK
@given(worlds(), WEIGHTS)
def test_2_the_winner_is_pareto_optimal(world: World, weight: int) -> None:
    best = ranked(world, weight_millionths=weight)[0]
    plans = all_plans(world.task, world.candidates, world.context)
    won = next(
        each for each in plans if (each.candidate.id, each.replicas) == (best.candidate_id, best.estimate.replicas)
    )
    for other in plans:
        no_worse = other.cost <= won.cost and other.time <= won.time
        assert not no_worse or (other.cost, other.time) == (won.cost, won.time)


@QUICK
@given(worlds(), st.lists(WEIGHTS, min_size=2, max_size=6).map(sorted))
def test_3_with_a_growing_weight_time_never_grows_and_cost_never_falls(world: World, weights: list[int]) -> None:
    best = [ranked(world, weight_millionths=weight)[0] for weight in weights]
    costs, times = [each.cost_micro or 0 for each in best], [each.time_ms or 0 for each in best]
    assert costs == sorted(costs)
    assert times == sorted(times, reverse=True)


@QUICK
@given(worlds(), WEIGHTS, st.randoms(use_true_random=False))
def test_4_order_is_irrelevant(world: World, weight: int, random: Random) -> None:
    shuffle = random.shuffle
    places = list(range(len(world.task.inputs)))
    shuffle(places)
    data = {}
    for url, known in reversed(list(world.context.data.items())):
        turned = list(known.replicas)
        shuffle(turned)
        data[url] = replace(known, replicas=tuple(turned))
    candidates = list(world.candidates)
    shuffle(candidates)
    turned_task = replace(world.task, inputs=tuple(world.task.inputs[place] for place in places))
    other = World(turned_task, tuple(candidates), replace(world.context, data=data))
    one, two = ranked(world, weight_millionths=weight), ranked(other, weight_millionths=weight)
    assert [_without_indices(each) for each in one] == [_without_indices(each) for each in two]
    for first, second in zip(one, two, strict=True):
        assert _read(world, first) == sorted(_read(other, second))


def _without_indices(offer: Offer) -> Offer:
    return replace(offer, estimate=replace(offer.estimate, replicas=()))


def _read(world: World, offer: Offer) -> list[tuple[str, Replica | None]]:
    read: list[tuple[str, Replica | None]] = []
    for item, index in zip(world.task.inputs, offer.estimate.replicas, strict=True):
        known = world.context.data.get(item.url or "", DataObject())
        read.append((item.path, known.replicas[index] if index >= 0 else None))
    return sorted(read, key=lambda each: each[0])


@QUICK
@given(worlds(), WEIGHTS, st.sampled_from([100, 4, 1000]))
def test_5_cents_or_euros(world: World, weight: int, factor: int) -> None:
    in_cents = build_chain([StepSpec("cost_runtime", {"floor_cost": str(Decimal("0.10") * factor)})])
    other = replace(
        world,
        candidates=tuple(replace(each, prices=_dearer(each.prices, factor)) for each in world.candidates),
        context=replace(world.context, network=_dearer_network(world.context.network, factor)),
    )
    cents = in_cents.distribute(other.request(weight_millionths=weight)).ranked
    euros = ranked(world, weight_millionths=weight)
    assert [(each.candidate_id, each.shown_score, each.estimate.replicas) for each in cents] == [
        (each.candidate_id, each.shown_score, each.estimate.replicas) for each in euros
    ]


_PRICES = ("cpu_core_hour", "ram_gb_hour", "disk_gb_hour", "gpu_hour", "per_task", "ingress_gb")


def _dearer(prices: Prices | None, factor: int) -> Prices:
    assert prices is not None
    return replace(prices, **_multiplied(prices, _PRICES, factor))


def _dearer_network(network: Network, factor: int) -> Network:
    routes = tuple(replace(each, **_multiplied(each, ("egress_gb", "request"), factor)) for each in network.routes)
    return replace(network, routes=routes, **_multiplied(network, ("egress_gb", "unknown_egress_gb"), factor))


def _multiplied(of: object, names: tuple[str, ...], factor: int) -> dict[str, Any]:
    return {name: getattr(of, name) * factor for name in names if getattr(of, name) is not None}


@QUICK
@given(worlds(), WEIGHTS, st.integers(0, 2), st.integers(0, 100), st.integers(1, 100))
def test_6_a_dominated_instance_changes_nothing(world: World, weight: int, which: int, dearer: int, later: int) -> None:
    model = world.candidates[which % len(world.candidates)]
    assert model.prices is not None
    assume(model.id != "i0")  # which has replicas beside it, so that a copy elsewhere moves more
    prices = replace(model.prices, per_task=(model.prices.per_task or Decimal(0)) + dearer)
    worse = replace(
        model, id="z", url="https://z.example", prices=prices, queue_seconds=(model.queue_seconds or 0) + later
    )
    with_it = replace(world, candidates=(*world.candidates, worse))
    before, after = ranked(world, weight_millionths=weight), ranked(with_it, weight_millionths=weight)
    assert tuple(each for each in after if each.candidate_id != "z") == before
    assert after[0].candidate_id != "z"


@QUICK
@given(worlds(), WEIGHTS)
def test_8_the_same_snapshot_gives_the_same_bytes(world: World, weight: int) -> None:
    turned = replace(world, candidates=tuple(reversed(world.candidates)))
    assert repr(ranked(world, weight_millionths=weight)) == repr(ranked(turned, weight_millionths=weight))


@QUICK
@given(worlds(), WEIGHTS, replicas(), SIZES)
def test_9_another_replica_makes_nothing_worse(world: World, weight: int, more: Replica, size: int) -> None:
    url = "drs://data/more"
    given_one = Replica(url="s3://bucket/first", zone="b:1")
    item = replace(world.task.inputs[0], path="/more", url=url, content=None)
    task = replace(world.task, inputs=(*world.task.inputs, item))
    one = DataObject(size_bytes=size, replicas=(given_one,))
    two = DataObject(size_bytes=size, replicas=(given_one, more))
    few = replace(world, task=task, context=replace(world.context, data={**world.context.data, url: one}))
    many = replace(few, context=replace(few.context, data={**few.context.data, url: two}))
    # By amounts of money, which have no ideal that moves.
    value = Money(amount=Decimal(weight) / 1000, currency="EUR")
    before = {each.candidate_id: each for each in ranked(few, value_of_time=value)}
    for offer in ranked(many, value_of_time=value):
        first, second = before[offer.candidate_id].shown_score, offer.shown_score
        assert first is not None
        assert second is not None
        assert second <= first


@QUICK
@given(worlds(), WEIGHTS, st.integers(0, 10**7), st.integers(0, 200_000))
def test_caps_take_out_plans_and_whoever_has_none_left(world: World, weight: int, micro: int, seconds: int) -> None:
    cap = Money(amount=Decimal(micro) / MICRO, currency="EUR")
    result = RANKER.distribute(world.request(weight_millionths=weight, max_cost=cap, deadline_seconds=seconds))
    every = all_plans(world.task, world.candidates, world.context)
    plans = [each for each in every if shown(each)[0] <= micro and shown(each)[1] <= seconds * 1000]
    remaining = {each.candidate.id for each in plans}
    assert {offer.candidate_id for offer in result.ranked} == remaining
    assert result.rejected.keys() == {each.id for each in world.candidates} - remaining
    assert not any(reason.permanent for reason in result.rejected.values())
    assert all(reason.code in ("max_cost", "deadline") for reason in result.rejected.values())
    if plans:
        agrees(result.ranked, best_of_each(plans, Fraction(weight, MICRO)), plans)


@QUICK
@given(worlds(), st.decimals(0, 1000, places=2))
def test_the_value_of_time_needs_no_ideal(world: World, value: Decimal) -> None:
    offers = ranked(world, value_of_time=Money(amount=value, currency="EUR"))
    plans = all_plans(world.task, world.candidates, world.context)
    each_best: dict[str, tuple[Fraction, Fraction, Fraction, str]] = {}
    for plan in plans:
        amount = plan.cost + Fraction(value) * plan.time / 3600
        place = (amount, plan.cost, plan.time, plan.candidate.url)
        each_best[plan.candidate.id] = min(each_best.get(plan.candidate.id, place), place)
    assert [offer.candidate_id for offer in offers] == sorted(each_best, key=lambda name: each_best[name])
    for offer in offers:
        assert offer.shown_score is not None
        assert abs(offer.shown_score - each_best[offer.candidate_id][0]) < Fraction(1, 10**20)


@QUICK
@given(worlds(), WEIGHTS)
def test_parts_add_up(world: World, weight: int) -> None:
    for offer in ranked(world, weight_millionths=weight):
        one = offer.estimate
        costs = (one.compute_micro, one.disk_micro, one.staging_micro, one.transfer_micro)
        times = (one.queue_ms, one.stage_in_ms, one.run_ms, one.stage_out_ms)
        assert sum(part or 0 for part in costs) == one.cost_micro
        assert sum(part or 0 for part in times) == one.time_ms
        assert all((part or 0) >= 0 for part in costs + times)
