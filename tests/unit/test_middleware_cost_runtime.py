"""Ranker `cost_runtime`: the test vector, figures and their basis, what is missing, money, many candidates."""

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from middleware import Candidate, Estimate, Offer, Preference, Resources, parse_weight
from middleware.scoring import Floors, Plan, Ranking, rank, weighed
from tests.support.middleware_samples import candidate, chain, order, prices, request, task

HOUR_TASK = task(resources=Resources(cpu_cores=2, ram_gb=4, disk_gb=10))
FLOORS = Floors(cost=100_000, time=60_000)


def ranking_of(plans: list[Plan], weight: int, floors: Floors = FLOORS) -> Ranking:
    return rank(plans, weighed(weight, min(plan.cost for plan in plans), min(plan.time for plan in plans), floors))


def offers(*candidates: Candidate, weight: str = "0.5", options: dict[str, Any] | None = None) -> dict[str, Offer]:
    preference = Preference(weight_millionths=parse_weight(weight).millionths)
    result = chain("cost_runtime", **(options or {})).distribute(
        request(candidates, of=HOUR_TASK, preference=preference)
    )
    return {offer.candidate_id: offer for offer in result.ranked}


@pytest.mark.parametrize(
    ("weight", "winner"), [("0", 1), ("0.297", 1), ("0.2979", 1), ("0.298", 0), ("0.5", 0), ("1", 0)]
)
def test_the_vector_of_the_model(weight: str, winner: int) -> None:
    plans = [
        Plan(cost=10_368_000, time=(60 + 32 + 3600) * 1000, key="a"),
        Plan(cost=8_640_000, time=(1800 + 32 + 3600) * 1000, key="b"),
    ]
    millionths = parse_weight(weight).millionths
    assert millionths is not None
    assert ranking_of(plans, millionths).order[0] == winner


@pytest.mark.parametrize(
    ("weight", "cheap", "fast", "winner"),
    [
        (500_000, (100, 200), (200, 100), 0),
        (600_000, (100, 200), (250, 100), 1),
        (400_000, (100, 250), (200, 100), 0),
    ],
)
def test_equal_scores_go_to_the_cheaper_up_to_one_half_and_to_the_faster_above(
    weight: int, cheap: tuple[int, int], fast: tuple[int, int], winner: int
) -> None:
    ranking = ranking_of([Plan(*cheap, "a"), Plan(*fast, "b")], weight, Floors(1, 1))
    assert ranking.scores[0] == ranking.scores[1]
    assert ranking.order[0] == winner


def test_cost_and_time_are_those_of_the_model() -> None:
    one = candidate(
        "one",
        speed=1.5,
        queue_seconds=12.5,
        prices=prices("0.05", ram_gb_hour=Decimal("0.01"), disk_gb_hour=Decimal("0.001"), per_task=Decimal("0.2")),
    )
    # 3600 s at 1.5 are 2400 s: 2/3 h · (2 · 0.05 + 4 · 0.01 + 10 · 0.001) + 0.2, and 12.5 s before it.
    estimate = offers(one)["one"].estimate
    assert estimate == Estimate(
        cost_micro=300_000,
        time_ms=2_412_500,
        compute_micro=293_334,
        disk_micro=6_666,
        staging_micro=0,
        transfer_micro=0,
        queue_ms=12_500,
        stage_in_ms=0,
        stage_out_ms=0,
        run_ms=2_400_000,
        cost_basis="default",
        time_basis="default",
        bases={
            "prices": "configured",
            "speed": "configured",
            "queue_seconds": "configured",
            "runtime_seconds": "default",
            "resources": "configured",
        },
    )


@pytest.mark.parametrize(
    ("quantum", "minimum", "seconds"),
    [(None, None, 3600), (0, 0, 3600), (1000, None, 4000), (None, 7200, 7200), (5400, 7200, 10800), (7, 3605, 3605)],
)
def test_run_time_is_charged_by_quantum_and_minimum(quantum: float | None, minimum: float | None, seconds: int) -> None:
    charged = prices("0.0036", billing_quantum_seconds=quantum, billing_minimum_seconds=minimum)
    assert offers(candidate("one", prices=charged))["one"].cost_micro == seconds * 2


@pytest.mark.parametrize(("weight", "winner"), [("0", "cheap"), ("cost", "cheap"), ("1", "fast"), ("time", "fast")])
def test_the_ends_of_the_weight(weight: str, winner: str) -> None:
    found = offers(
        candidate("cheap", prices=prices("0.01"), speed=0.5),
        candidate("fast", prices=prices("0.50"), speed=4.0),
        candidate("middle", prices=prices("0.05"), speed=1.0),
        weight=weight,
    )
    assert next(iter(found)) == winner
    best = found[winner]
    assert best.score == 0
    assert all(offer.score is not None and offer.score > 0 for name, offer in found.items() if name != winner)


def test_people_see_the_relative_excess() -> None:
    found = offers(
        candidate("a", prices=prices("1"), speed=1.0), candidate("b", prices=prices("1.5"), speed=1.0), weight="0"
    )
    assert found["b"].shown_score == Decimal("0.5")


def test_the_setting_stands_in_for_a_weight_and_for_resources() -> None:
    two = (candidate("cheap", prices=prices("1"), speed=1.0), candidate("fast", prices=prices("12"), speed=9.5))
    for weight, winner in (("0", "cheap"), ("1", "fast")):
        result = chain("cost_runtime", weight=weight, runtime_seconds=7200, cpu_cores=3).distribute(request(two))
        assert order(result)[0] == winner
    by_id = {offer.candidate_id: offer for offer in result.ranked}
    assert by_id["cheap"].estimate.run_ms == 7_200_000
    assert by_id["cheap"].cost_micro == 6_000_000


def test_the_run_time_that_the_client_names_counts() -> None:
    one = candidate("one", prices=prices("1"), speed=2.0)
    preference = Preference(weight_millionths=0, runtime_seconds=100)
    result = chain("cost_runtime").distribute(request([one], of=HOUR_TASK, preference=preference))
    assert result.ranked[0].estimate.run_ms == 50_000
    assert result.ranked[0].basis == "configured"


def test_a_missing_figure_is_the_worst_of_the_others_and_marked() -> None:
    found = offers(
        candidate("silent"),
        candidate("a", prices=prices("1"), speed=2.0, queue_seconds=5),
        candidate("b", prices=prices("3"), speed=0.5, queue_seconds=9),
    )
    silent, worst = found["silent"].estimate, found["b"].estimate
    assert (silent.cost_micro, silent.time_ms) == (worst.cost_micro, worst.time_ms)
    assert silent.imputed == ("cpu_core_hour", "speed", "queue_seconds")
    assert (silent.cost_basis, silent.time_basis) == ("imputed", "imputed")
    assert worst.imputed == ()
    assert list(found) == ["a", "b", "silent"]  # equal in all, so by URL


def test_what_nobody_declares_is_left_out_with_a_warning() -> None:
    found = offers(candidate("a", speed=1.0), candidate("b", speed=2.0))
    assert list(found) == ["b", "a"]
    assert found["a"].cost_micro is None
    assert found["a"].estimate.compute_micro is None
    assert found["a"].notes == (
        "known for no candidate and left out: cpu_core_hour, ram_gb_hour, disk_gb_hour, per_task, queue_seconds",
    )
    assert found["a"].basis == "default"


def test_nothing_known_is_an_order_all_the_same() -> None:
    assert list(offers(candidate("b"), candidate("a"))) == ["a", "b"]


def test_zero_prices_are_prices() -> None:
    found = offers(candidate("free", prices=prices("0")), candidate("dear", prices=prices("1")), weight="0.5")
    assert list(found) == ["free", "dear"]
    assert found["free"].cost_micro == 0


def test_bases_are_carried() -> None:
    one = candidate("one", prices=prices("1"), speed=1.0, basis={"speed": "learned", "prices": "reported"})
    preference = Preference(weight_millionths=0, runtime_seconds=10)
    estimate = chain("cost_runtime").distribute(request([one], of=HOUR_TASK, preference=preference)).ranked[0].estimate
    assert (estimate.cost_basis, estimate.time_basis) == ("learned", "learned")


def test_money_is_converted_and_without_a_rate_missing() -> None:
    asked = request(
        [
            candidate("euro", prices=prices("1")),
            candidate("franc", prices=prices("1", currency="CHF")),
            candidate("yen", prices=prices("1", currency="JPY")),
        ],
        of=HOUR_TASK,
        rates={"CHF": Decimal("1.05")},
    )
    found = {offer.candidate_id: offer for offer in chain("cost_runtime").distribute(asked).ranked}
    assert found["euro"].cost_micro == 2_000_000
    assert found["franc"].cost_micro == 2_100_000
    assert found["yen"].cost_micro == 2_100_000
    assert found["yen"].estimate.imputed == ("cpu_core_hour",)


def test_random_shuffles_by_the_seed_and_still_estimates() -> None:
    many = [candidate(f"i{number}", prices=prices("1")) for number in range(20)]
    ranker = chain("cost_runtime")

    def shuffled(seed: str) -> list[str]:
        return order(ranker.distribute(request(many, preference=Preference(mode="random"), seed=seed)))

    assert shuffled("one") == shuffled("one")
    assert shuffled("one") != shuffled("two")
    assert sorted(shuffled("one")) == sorted(each.id for each in many)
    assert shuffled("one") == order(chain("random").distribute(request(many, seed="one")))
    offer = ranker.distribute(request(many, preference=Preference(mode="random"))).ranked[0]
    assert offer.score is None
    assert offer.cost_micro is not None
    assert order(chain("cost_runtime", weight="random").distribute(request(many, seed="one"))) == shuffled("one")


def test_a_thousand_candidates_are_ranked_whole() -> None:
    many = [
        candidate(f"i{number}", prices=prices(f"0.{number % 97 + 1:04d}"), speed=0.5 + number % 13)
        for number in range(1000)
    ]
    result = chain("feasible", "cost_runtime").distribute(request(many, of=HOUR_TASK))
    scores = [offer.score for offer in result.ranked]
    assert len(result.ranked) == 1000
    assert None not in scores
    assert scores == sorted(score for score in scores if score is not None)


def test_the_same_snapshot_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "from tests.support.middleware_samples import *\n"
        "from middleware import *\n"
        "few = frozenset({'s3', 'gs', 'https', 'file', 'ftp'})\n"
        "many = [candidate(f'i{n}', prices=prices(str(n)), limits=Limits(input_schemes=few)) for n in range(5)]\n"
        "many += [candidate(f'j{n}', speed=n + 1.5) for n in range(5)]\n"
        "of = task(inputs=(InputView(path='/i', url='drs://h/x'), InputView(path='/j', url='swift://h/x')))\n"
        "print(chain('feasible', 'cost_runtime').distribute(request(many, of=of)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            timeout=100,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert b"drs" in outputs.pop()
