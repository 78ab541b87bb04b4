"""Documents of the Execution Broker made of an offer, by the example of the model (STANDARDS.md 5.2 and 5.3)."""

import json
from typing import Any

import pytest

from middleware import Context, DataObject, Distribution, Estimate, Offer, Replica
from protes.clock import ManualClock
from protes.config.instances import InstanceSettings
from protes.federation.known import FederationView, KnownInstance
from protes.offers.ivoa import figures
from protes.planning.convert import task_view
from protes.planning.planner import Plan, PlannedOffer
from tests.support.offering import faults

NOW = ManualClock().now()
TASK: dict[str, Any] = {
    "inputs": [
        {"name": "reads", "path": "/in", "url": "drs://drs.example.org/reads"},
        {"path": "/script", "content": "true"},
        {"path": "/odd", "url": "http://["},
    ],
    "executors": [{"image": "alpine", "command": ["true"]}],
    "resources": {"cpu_cores": 3.5, "ram_gb": 8.589934592, "disk_gb": 100},
}
REPLICAS = (
    Replica(url="https://de-mirror.example.org/reads"),
    Replica(url="https://me:secret@fi-mirror.example.org/reads.cram?X-Amz-Signature=secret#secret"),
)
INSTANCE = KnownInstance(InstanceSettings(id="b", url="https://b.example.org"), "b", "b", "configuration")
ESTIMATE = Estimate(
    cost_micro=9_140_000,
    time_ms=5_437_000,
    compute_micro=8_640_000,
    disk_micro=500_000,
    staging_micro=0,
    transfer_micro=0,
    queue_ms=1_800_000,
    stage_in_ms=32_000,
    run_ms=3_600_000,
    stage_out_ms=5_000,
    cost_basis="configured",
    queue_interval_ms=(600_000, 2_400_000),
    replicas=(1, -1, -1),
    imputed=("ram_gb_hour",),
    bases={"prices": "configured"},
)


def described(estimate: Estimate, **preference: str) -> dict[str, Any]:
    task = task_view("id", TASK)
    context = Context(seed="id", data={"drs://drs.example.org/reads": DataObject(replicas=REPLICAS)})
    distribution = Distribution(task=task, ranked=())
    plan = Plan((), {}, distribution, FederationView(()), task, context, complete=True)
    offer = Offer(candidate_id="b", score=117_822, score_unit=1_000_000, estimate=estimate)
    found = figures(PlannedOffer(INSTANCE, offer, 1), plan, TASK, {"weight": "0.25", **preference}, "EUR", NOW)
    session = {"kind": "k", "meta": {}, "phase": "OFFERED", "executable": {}, **found}
    assert faults("execution-broker", "Session", json.loads(json.dumps(session))) == []
    return found


def test_times_are_where_the_model_puts_them() -> None:
    assert described(ESTIMATE)["schedule"] == {
        "preparing": {"start": "2030-01-01T00:30:00Z", "duration": "PT32S"},
        "available": {"start": "2030-01-01T00:30:32Z/PT600S", "duration": "PT1H"},
        "releasing": {"start": "2030-01-01T01:30:32Z", "duration": "PT5S"},
    }


def test_costs_have_parts_and_say_what_they_are() -> None:
    found = described(ESTIMATE)
    assert [(each["min"], each["max"], each["currency"]) for each in found["costs"]] == [(9.14, 9.14, "EUR")]
    assert found["costs"][0]["description"].startswith("Indicative: an estimate, configured;")
    assert found["compute"]["costs"][0]["max"] == 8.64
    assert found["storage"][0]["costs"][0]["max"] == 0.5
    assert found["x-gateway"] == {
        "backend": "b",
        "rank": 1,
        "score": 0.117822,
        "weight": 0.25,
        "cost": {"compute": "8.640000", "storage": "0.500000", "staging": "0.000000", "transfer": "0.000000"},
        "time": {"queue": 1800.0, "stage_in": 32.0, "run": 3600.0, "stage_out": 5.0},
        "imputed": ["ram_gb_hour"],
        "bases": {"prices": "configured"},
    }


def test_amounts_are_whole_and_in_the_brokers_units() -> None:
    found = described(ESTIMATE)
    assert (found["compute"]["cores"], found["compute"]["memory"]) == ({"min": 4, "max": 4}, {"min": 8, "max": 8})
    assert found["storage"][0]["size"] == {"min": 94, "max": 94}


def test_data_are_at_the_chosen_replica_without_what_is_secret() -> None:
    found = described(ESTIMATE)
    assert [(each["meta"]["name"], each.get("location")) for each in found["data"]] == [
        ("reads", "https://fi-mirror.example.org/reads.cram"),
        ("/odd", None),
    ]
    assert "secret" not in json.dumps(found)
    chosen_by_none = described(Estimate())
    assert chosen_by_none["data"][0]["location"] == "drs://drs.example.org/reads"


@pytest.mark.parametrize(
    ("estimate", "parts"),
    [
        (Estimate(), None),
        (Estimate(stage_in_ms=1, run_ms=1), None),
        (Estimate(queue_ms=0), {"preparing"}),
        (Estimate(queue_ms=0, stage_in_ms=0), {"preparing", "available"}),
        (Estimate(queue_ms=0, stage_in_ms=0, run_ms=1), {"preparing", "available", "releasing"}),
    ],
)
def test_what_is_not_known_is_left_out(estimate: Estimate, parts: set[str] | None) -> None:
    found = described(estimate)
    assert "costs" not in found
    assert set(found["schedule"]) == parts if parts is not None else "schedule" not in found


def test_a_value_of_time_stands_in_the_place_of_the_weight() -> None:
    gateway = described(ESTIMATE, value_of_time="25 EUR/h")["x-gateway"]
    assert (gateway["value_of_time"], "weight" in gateway) == ("25 EUR/h", False)
    assert "weight" not in described(ESTIMATE, weight="random")["x-gateway"]
