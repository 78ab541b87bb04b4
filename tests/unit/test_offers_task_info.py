"""TEStribute's estimate as a task and back."""

from decimal import Decimal

import pytest

from middleware import Estimate, Network, Offer
from protes.config.instances import InstanceSettings
from protes.federation.known import KnownInstance
from protes.offers.errors import InvalidRequest
from protes.offers.task_info import task_for, task_info
from protes.planning.planner import PlannedOffer

INSTANCE = KnownInstance(InstanceSettings(id="a", url="https://a.example.org"), "a", "a", "configuration")


def test_the_run_time_becomes_the_tag_and_the_rest_resources() -> None:
    task = task_for({"cpu_cores": 4, "execution_time_sec": 0.5, "zones": []})
    assert task["resources"] == {"cpu_cores": 4, "zones": []}
    assert task["tags"] == {"protes.runtime_seconds": "1"}
    assert "tags" not in task_for({"cpu_cores": 4})


@pytest.mark.parametrize("seconds", [0, -1, True, "3600", 31_536_001, float("inf"), float("nan"), [3]])
def test_what_is_no_time_is_refused(seconds: object) -> None:
    with pytest.raises(InvalidRequest, match="execution_time_sec: must be a number of seconds"):
        task_for({"execution_time_sec": seconds})


def test_what_is_not_known_is_left_out() -> None:
    network = Network(currency="USD", egress_gb=Decimal("0.02"))
    unit = {"unit_costs_data_transfer": {"amount": 0.02, "currency": "USD"}}
    assert task_info(PlannedOffer(INSTANCE, Offer(candidate_id="a"), 1), network, "EUR") == unit
    estimate = Estimate(cost_micro=3, compute_micro=1_500_000, disk_micro=0, queue_ms=1500)
    offer = Offer(candidate_id="a", estimate=estimate)
    assert task_info(PlannedOffer(INSTANCE, offer, 1), network, "EUR") == unit | {
        "estimated_compute_costs": {"amount": 1.5, "currency": "EUR"},
        "estimated_storage_costs": {"amount": 0.0, "currency": "EUR"},
        "estimated_queue_time_sec": 1.5,
    }
