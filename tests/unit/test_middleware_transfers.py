"""What moving data adds to estimates: inputs, outputs, replicas, distances, what instances report, bases."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from middleware import (
    Candidate,
    Context,
    DataObject,
    DistributionRequest,
    Estimate,
    InputView,
    Learned,
    Limits,
    Money,
    Network,
    Offer,
    OutputView,
    Preference,
    Prices,
    Replica,
    Reported,
    Resources,
    Route,
    StepSpec,
    build_chain,
)
from tests.support.middleware_samples import candidate, chain, order, prices, task

GB = 10**9
URL = "drs://data.example/1"
SLOW = Network(bytes_per_second=10e6, local_bytes_per_second=100e6)
ONE_CORE = Resources(cpu_cores=1, ram_gb=1, disk_gb=10)


def offers(
    *candidates: Candidate, options: dict[str, Any] | None = None, of: dict[str, Any] | None = None, **context: Any
) -> dict[str, Offer]:
    """Rank with one input of 1 GB, unless told otherwise."""
    one = task(**{"inputs": (InputView(path="/i", url=URL),), "resources": ONE_CORE, **(of or {})})
    known = DataObject(size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="a:1"),))
    fields = {"seed": "s", "network": SLOW, "data": {URL: known}, **context}
    request = DistributionRequest(task=one, candidates=candidates, context=Context(**fields))
    ranked = build_chain([StepSpec("cost_runtime", options or {})]).distribute(request).ranked
    return {offer.candidate_id: offer for offer in ranked}


def estimate(one: Candidate, **fields: Any) -> Estimate:
    return offers(one, **fields)[one.id].estimate


def test_an_input_costs_egress_and_time_between_zones_and_next_to_nothing_within() -> None:
    far, near = estimate(candidate("far", zone="b:1")), estimate(candidate("near", zone="A:1"))
    assert (far.transfer_micro, far.stage_in_ms, far.replicas) == (90_000, 100_000, (0,))
    assert (near.transfer_micro, near.stage_in_ms, near.replicas) == (0, 10_000, (0,))
    assert far.bases["sizes"] == "reported"
    assert far.bases["transfers"] == "configured"


def test_without_a_replica_the_input_is_read_at_its_own_url_in_an_unknown_zone() -> None:
    one = estimate(candidate("a", zone="b:1"), data={URL: DataObject(size_bytes=GB)})
    assert (one.transfer_micro, one.replicas, one.bases["transfers"]) == (120_000, (-1,), "default")


def test_the_size_that_the_task_names_counts_first() -> None:
    inputs = (InputView(path="/i", url=URL, size_bytes=2 * GB),)
    one = estimate(candidate("a", zone="b:1"), of={"inputs": inputs})
    assert (one.transfer_micro, one.bases["sizes"]) == (180_000, "configured")


def test_what_is_there_already_is_not_moved() -> None:
    inputs = (
        InputView(path="/c", content="text"),
        InputView(path="/f", url="file:///data/1"),
        InputView(path="/p", url="/data/2"),
    )
    outputs = (OutputView(path="/o", url="file:///data/3"),)
    one = estimate(candidate("a", zone="b:1"), of={"inputs": inputs, "outputs": outputs}, output_bytes=GB)
    assert (one.stage_in_ms, one.stage_out_ms, one.transfer_micro, one.replicas) == (0, 0, None, (-1, -1, -1))
    assert "sizes" not in one.bases


def test_what_an_instance_made_is_beside_it() -> None:
    made = candidate("made", zone="b:1", ingress_bytes_per_second=1.0)
    other = candidate("other", zone="b:1")
    known = DataObject(size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="c:1", instance="https://made.example/"),))
    found = offers(made, other, data={URL: known})
    assert (found["made"].estimate.transfer_micro, found["made"].estimate.stage_in_ms) == (0, 10_000)
    assert (found["other"].estimate.transfer_micro, found["other"].estimate.stage_in_ms) == (90_000, 100_000)


def test_thawing_takes_its_time() -> None:
    cold = DataObject(size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="a:1", available=False),))
    assert estimate(candidate("a", zone="a:1"), data={URL: cold}).stage_in_ms == 14_400_000 + 10_000


def test_an_unknown_size_is_said_and_taken_as_nothing() -> None:
    found = offers(candidate("a", zone="b:1"), data={})
    assert "the size of 1 of 1 inputs is not known: taken as 0" in found["a"].notes
    assert found["a"].estimate.bases["sizes"] == "default"


def test_the_ingress_bounds_parallel_staging_only() -> None:
    for staging, seconds in (("parallel", 1000), ("sequential", 100)):
        one = candidate("a", zone="b:1", staging=staging, ingress_bytes_per_second=1e6)
        assert estimate(one).stage_in_ms == seconds * 1000


def test_disk_is_paid_while_data_is_moved_and_cores_where_they_are_charged() -> None:
    rates = prices("3.6", disk_gb_hour=Decimal("0.036"))
    bare = candidate("a", zone="b:1", prices=rates)
    # 100 s at 10 GB of 0.036 per hour, and at a core of 3.6 per hour.
    assert estimate(bare).staging_micro == 10_000
    assert estimate(replace(bare, bills_staging=True)).staging_micro == 110_000


def test_outputs_share_the_bytes_and_go_at_once_or_one_after_another() -> None:
    outputs = tuple(OutputView(path="/o", url=f"s3://out/{number}") for number in range(2))
    zones = {"s3://out/0": "a:1", "s3://out/1": "b:1"}
    fields: dict[str, Any] = {"of": {"inputs": (), "outputs": outputs}, "zones": zones, "output_bytes": 2 * GB}
    one = estimate(candidate("a", zone="a:1"), **fields)
    assert (one.stage_out_ms, one.transfer_micro, one.bases["sizes"]) == (100_000, 90_000, "learned")
    assert estimate(candidate("a", zone="a:1", staging="sequential"), **fields).stage_out_ms == 110_000
    fields["output_bytes"] = None
    assert estimate(candidate("a", zone="a:1"), **fields).bases["sizes"] == "default"


def test_a_replica_that_the_instance_cannot_read_is_not_chosen() -> None:
    known = DataObject(
        size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="a:1"), Replica(url="https://b/1", zone="c:1"))
    )
    picky = candidate("picky", zone="a:1", limits=Limits(input_schemes=frozenset({"https"})))
    found = offers(picky, candidate("any", zone="a:1"), data={URL: known})
    assert found["picky"].estimate.replicas == (1,)
    assert found["any"].estimate.replicas == (0,)


def test_distances_give_bandwidths_where_no_rule_does() -> None:
    network = replace(SLOW, bytes_per_second_per_1000km=20e6)
    known = DataObject(size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="a:1", coordinates=(0.0, 0.0)),))
    far = candidate("far", zone="b:1", coordinates=(0.0, 18.0))  # 2001.5 km
    near = candidate("near", zone="b:1", coordinates=(0.0, 0.0))
    found = offers(far, near, candidate("nowhere", zone="b:1"), network=network, data={URL: known})
    assert found["far"].estimate.stage_in_ms == pytest.approx(100_075, abs=20)
    assert found["near"].estimate.stage_in_ms == 10_000
    assert found["nowhere"].estimate.stage_in_ms == 100_000


def test_what_an_instance_reports_replaces_the_model() -> None:
    said = Reported(
        currency="CHF",
        compute=Decimal(2),
        storage=Decimal("0.5"),
        transfer_gb_1000km=Decimal("0.2"),
        queue_seconds=30,
    )
    known = DataObject(size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="a:1", coordinates=(0.0, 0.0)),))
    says = candidate(
        "says",
        zone="b:1",
        coordinates=(0.0, 18.0),
        reported=said,
        queue_seconds=5,
        prices=prices("9"),
        bills_staging=True,
    )
    silent = candidate("silent", zone="b:1", prices=prices("0.1", disk_gb_hour=Decimal(1)), queue_seconds=3, speed=1.0)
    found = offers(says, silent, data={URL: known}, rates={"CHF": Decimal("1.1")})
    one = found["says"].estimate
    assert (one.compute_micro, one.disk_micro, one.staging_micro) == (2_200_000, 550_000, 0)
    assert one.transfer_micro == pytest.approx(440_330, abs=100)
    assert one.queue_ms == 30_000
    assert one.imputed == ("speed",)
    assert one.bases["queue_seconds"] == "reported"
    assert found["silent"].estimate.compute_micro == 100_000


def test_who_has_no_prices_where_others_only_report_is_as_dear_as_the_dearest() -> None:
    def says(name: str, amount: int) -> Candidate:
        return candidate(name, reported=Reported(currency="EUR", compute=Decimal(amount)))

    found = offers(says("a", 3), says("b", 7), candidate("silent"), of={"inputs": ()})
    assert found["silent"].estimate.compute_micro == 7_000_000
    assert found["silent"].estimate.imputed == ("compute",)


def test_a_network_without_a_rate_leaves_transfers_out() -> None:
    network = replace(SLOW, currency="USD")
    one = offers(candidate("a", zone="b:1", prices=prices("1")), network=network)["a"]
    assert one.estimate.transfer_micro is None
    assert one.cost_micro == 1_000_000
    assert "no rate for the currency of the network: what transfers cost is left out" in one.notes


def test_learned_run_times_with_their_interval() -> None:
    learned = Learned(value=100.0, low=50.0, high=200.0, count=12)
    one = candidate("a", speed=2.0, queue_seconds=5, queue_interval=(1.0, 9.5))
    found = estimate(one, runtime=learned)
    assert (found.run_ms, found.run_interval_ms, found.queue_interval_ms) == (50_000, (25_000, 100_000), (1000, 9500))
    assert found.bases["runtime_seconds"] == "learned"
    said = estimate(one, runtime=learned, preference=Preference(runtime_seconds=10))
    assert (said.run_ms, said.run_interval_ms, said.bases["runtime_seconds"]) == (5000, None, "configured")


def test_preemptible_tasks_are_cheaper_and_do_some_work_twice() -> None:
    rates = prices("1", preemptible_factor=Decimal("0.4"))
    one = candidate("a", prices=rates, rework=0.25)
    firm = estimate(one, of={"inputs": ()})
    assert (firm.run_ms, firm.cost_micro) == (3_600_000, 1_000_000)
    loose = estimate(one, of={"inputs": (), "resources": replace(ONE_CORE, preemptible=True)})
    assert (loose.run_ms, loose.cost_micro) == (4_500_000, 500_000)


@pytest.mark.parametrize(
    ("parameters", "options", "micro"),
    [
        ({}, {}, 1_000_000),
        ({"GPU": "2"}, {}, 7_000_000),
        ({"gpu_count": "0.5"}, {}, 2_500_000),
        ({"gpu": "many", "gpus": "1"}, {}, 4_000_000),
        ({"gpu": "-1"}, {}, 1_000_000),
        ({"accelerators": "1"}, {"gpu_parameters": ["Accelerators"]}, 4_000_000),
        ({"gpu": "1"}, {"gpu_parameters": []}, 1_000_000),
    ],
)
def test_gpus_are_charged(parameters: dict[str, str], options: dict[str, Any], micro: int) -> None:
    one = candidate("a", prices=prices("1", gpu_hour=Decimal(3)))
    resources = replace(ONE_CORE, backend_parameters=parameters)
    assert estimate(one, of={"inputs": (), "resources": resources}, options=options).cost_micro == micro


def test_failures_count_where_it_is_set() -> None:
    one = candidate("a", prices=prices("1"), failure_rate=0.2)
    assert estimate(one, of={"inputs": ()}).run_ms == 3_600_000
    counted = estimate(one, of={"inputs": ()}, options={"use_failure_rate": True})
    assert (counted.run_ms, counted.cost_micro) == (4_500_000, 1_250_000)


def test_nothing_known_goes_by_the_data_in_the_zone() -> None:
    known = DataObject(replicas=(Replica(url="s3://b/1", zone="z:1"),))
    free = Network(egress_gb=Decimal(0), unknown_egress_gb=Decimal(0))
    names = list(offers(candidate("a", zone="b:1"), candidate("z", zone="Z:1"), network=free, data={URL: known}))
    assert names == ["z", "a"]


def test_a_value_of_time_adds_up_in_money() -> None:
    cheap = candidate("cheap", prices=prices("1"), speed=0.5)  # 2 for 2 h
    fast = candidate("fast", prices=prices("6"), speed=2.0)  # 3 for half an hour
    for amount, first in (("0.60", "cheap"), ("0.70", "fast")):
        worth = Preference(value_of_time=Money(amount=Decimal(amount), currency="EUR"))
        found = offers(cheap, fast, of={"inputs": ()}, preference=worth)
        assert next(iter(found)) == first
        assert found["cheap"].shown_score == 2 + 2 * Decimal(amount)


def test_money_without_a_rate_is_not_applied_and_said() -> None:
    money = Money(amount=Decimal("0.01"), currency="XTS")
    found = offers(candidate("a", prices=prices("1")), preference=Preference(max_cost=money, value_of_time=money))
    notes = found["a"].notes
    assert any(note.startswith("max_cost is left out: no rate for XTS") for note in notes)
    assert any(note.startswith("value_of_time is left out, the weight counts") for note in notes)


def test_caps_reject_with_the_reason_and_never_for_good() -> None:
    dear, slow = candidate("dear", prices=prices("5"), speed=2.0), candidate("slow", prices=prices("1"), speed=0.5)
    good = candidate("good", prices=prices("1"), speed=1.0)
    preference = Preference(max_cost=Money(amount=Decimal(2), currency="EUR"), deadline_seconds=3600)
    request = DistributionRequest(
        task=task(resources=ONE_CORE), candidates=(dear, slow, good), context=Context(seed="s", preference=preference)
    )
    result = chain("cost_runtime").distribute(request)
    assert order(result) == ["good"]
    assert result.rejected["dear"].text == "costs 2.5 EUR at least, 2 are allowed"
    assert result.rejected["slow"].text == "takes 7200 s at least, 3600 s are allowed"
    assert (result.rejected["dear"].code, result.rejected["slow"].code) == ("max_cost", "deadline")
    assert not result.impossible
    assert [entry.candidate_id for entry in result.trace if entry.outcome == "rejected"] == ["dear", "slow"]
    assert result.ranked[0].score == 0


def test_a_cap_without_known_costs_takes_nobody_out() -> None:
    preference = Preference(max_cost=Money(amount=Decimal(0), currency="EUR"))
    found = offers(candidate("a"), of={"inputs": ()}, preference=preference)
    assert "max_cost is left out: no cost is known" in found["a"].notes


def test_all_out_by_caps_is_an_empty_order() -> None:
    request = DistributionRequest(
        task=task(), candidates=(candidate("a"),), context=Context(seed="s", preference=Preference(deadline_seconds=1))
    )
    result = chain("cost_runtime").distribute(request)
    assert result.ranked == ()
    assert result.rejected.keys() == {"a"}


def test_ingress_is_charged_for_what_comes_in() -> None:
    rates = Prices(currency="EUR", ingress_gb=Decimal("0.01"))
    assert estimate(candidate("a", zone="b:1", prices=rates)).transfer_micro == 100_000


@pytest.mark.parametrize(("ingress", "weight", "chosen"), [(None, 1_000_000, 0), (5e6, 1_000_000, 1), (None, 0, 1)])
def test_what_the_ingress_makes_wait_anyway_comes_from_the_cheapest(
    ingress: float | None, weight: int, chosen: int
) -> None:
    routes = (
        Route(source="near:1", egress_gb=Decimal("0.05"), bytes_per_second=100e6),
        Route(source="far:1", egress_gb=Decimal("0.01"), bytes_per_second=20e6),
    )
    known = DataObject(
        size_bytes=GB, replicas=(Replica(url="s3://b/1", zone="near:1"), Replica(url="s3://b/2", zone="far:1"))
    )
    one = candidate("a", zone="b:1", ingress_bytes_per_second=ingress)
    preference = Preference(weight_millionths=weight)
    found = estimate(one, network=Network(routes=routes), data={URL: known}, preference=preference)
    assert found.replicas == (chosen,)
