"""What a client asks the Execution Broker for, as a TES task with wishes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware import parse_weight
from protes.offers import kinds
from protes.offers.errors import IllegalTransition, InvalidRequest
from protes.offers.phases import Phase
from protes.offers.request import read_request
from protes.offers.resources import whole
from protes.offers.updates import read_update

TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}
DOCKER = "https://www.purl.org/ivoa.net/EB/schema/v1.0/types/executable/docker-container-1.0"
BASE = {"executable": {"kind": kinds.TASK, "task": TASK}}
MONETARY = {"type": kinds.MONETARY}


def read(**fields: Any) -> Any:
    return read_request({**BASE, **fields}, "EUR")


def test_a_bare_request_is_the_task_without_wishes() -> None:
    request = read()
    assert (request.task, request.task_with_wishes()) == (TASK, TASK)
    assert (request.wishes, request.max_offers, request.refusals, request.remarks) == ({}, 5, (), ())


def test_wishes_are_tags_beside_the_tasks_own() -> None:
    task = {**TASK, "tags": {"mine": "1"}}
    request = read(
        executable={"type": kinds.TASK, "task": task},
        schedule={"requested": {"start": "2030-01-01T12:00:00Z/PT1H", "duration": "PT90.5S"}},
        costs=[{**MONETARY, "max": 12.5}, {**MONETARY, "currency": "EUR", "max": 3}],
        preferences={"cost_time_weight": 0.3, "tes_urls": ["site-a"], "max_offers": 2},
    )
    assert request.executable["kind"] == kinds.TASK
    assert request.task == task
    assert request.task_with_wishes()["tags"] == {
        "mine": "1",
        "protes.runtime_seconds": "91",
        "protes.max_cost": "3.000000 EUR",
        "protes.weight": "0.3",
        "protes.instances": '{"type": "allow", "instances": ["site-a"]}',
    }
    assert request.earliest_start == datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert request.latest_start == datetime(2030, 1, 1, 13, tzinfo=UTC)
    assert request.max_offers == 2
    assert request.places["max_cost"] == "costs[1].max"


@given(millionths=st.integers(0, 1_000_000))
def test_every_weight_of_six_decimals_is_the_same_as_a_tag(millionths: int) -> None:
    request = read(preferences={"cost_time_weight": millionths / 1_000_000})
    assert parse_weight(request.wishes["weight"]).millionths == millionths


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"amount": 25, "currency": "EUR"}, "25.000000 EUR/h"),
        ({"amount": 1, "currency": "USD", "per": "PT1M"}, "60.000000 USD/h"),
        ({"amount": 24, "currency": "EUR", "per": "P1D"}, "1.000000 EUR/h"),
    ],
)
def test_what_time_is_worth_is_put_by_the_hour(value: dict[str, Any], text: str) -> None:
    assert read(preferences={"value_of_time": value}).wishes == {"value_of_time": text}


@pytest.mark.parametrize(
    "preferences",
    [
        {"value_of_time": {"amount": 1, "currency": "EUR", "per": "PT0S"}},
        {"value_of_time": {"amount": 999_999_999, "currency": "EUR", "per": "PT1S"}},
        {"value_of_time": {"amount": 1, "currency": "EUR"}, "cost_time_weight": 0},
        {"cost_time_weight": True},
        {"cost_time_weight": -0.1},
        {"cost_time_weight": [0.1]},
    ],
)
def test_other_wishes_are_refused(preferences: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"preferences\."):
        read(preferences=preferences)


def test_amounts_in_gib_are_gb_there_and_the_same_back() -> None:
    request = read(
        compute={"cores": {"min": 2}, "memory": {"min": 3}}, storage=[{"size": {"min": 1}}, {"size": {"min": 2}}]
    )
    resources = request.task["resources"]
    assert resources["cpu_cores"] == 2
    assert whole("ram_gb", resources["ram_gb"]) == 3
    assert whole("disk_gb", resources["disk_gb"]) == 3


@given(gib=st.integers(0, 1_000_000))
def test_every_whole_gib_comes_back(gib: int) -> None:
    assert whole("ram_gb", gib * 2**30 / 10**9) == gib


def test_a_container_is_a_task_of_one_executor() -> None:
    container = {
        "kind": DOCKER,
        "image": "alpine:3",
        "entrypoint": "echo",
        "command": ["a", 1, True],
        "labels": {"a": "b"},
    }
    data = [{"meta": {"name": name}, "location": "s3://b/k"} for name in ("one", "one", "../x", ".", "two")]
    request = read(executable=container, data=data)
    assert request.task["executors"] == [{"image": "alpine:3", "command": ["echo", "a", "1", "true"]}]
    assert [each["path"] for each in request.task["inputs"]] == [
        "/data/one",
        "/data/2",
        "/data/3",
        "/data/4",
        "/data/two",
    ]
    assert [each["kind"] for each in request.remarks] == ["urn:ignored"]


@pytest.mark.parametrize(
    "extra",
    [
        {"command": []},
        {"privileged": True},
        {"network": {"ports": [{"internal": {"port": 80}}]}},
        {"volumes": [{"path": "/x"}]},
        {"image": {"locations": ["alpine"], "platform": {"architecture": "arm64", "os": "linux"}}},
    ],
)
def test_a_container_that_tes_cannot_run_is_no(extra: dict[str, Any]) -> None:
    request = read(executable={"kind": DOCKER, "image": "alpine", "command": ["true"], **extra})
    assert [each["level"] for each in request.refusals] == ["ERROR"]


def test_costs_in_two_currencies_cannot_be_compared() -> None:
    request = read(costs=[{**MONETARY, "max": 1}, {**MONETARY, "currency": "USD", "max": 1}])
    assert [each["values"]["field"] for each in request.refusals] == ["costs"]


def test_what_is_not_known_is_said_to_be_ignored() -> None:
    request = read(surprise=1, meta={"name": "x"})
    assert [each["message"] for each in request.remarks] == ["surprise: is not known and was ignored"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kinds.COMPUTE, "simple-compute-resource"),
        (DOCKER, "docker-container"),
        ("urn:docker-container-0.1", "docker-container"),
        ("docker-container", "docker-container"),
        (kinds.TASK, kinds.TASK),
        ("urn:ga4gh:tes:1.0:task", kinds.TASK),
        ("urn:ga4gh:tes:9:task", "task"),
        ("", ""),
        ("a b", ""),
    ],
)
def test_kinds_end_in_a_name(kind: str, name: str) -> None:
    assert kinds.name_of(kind) == name


def test_updates_of_both_generations() -> None:
    new = {"kind": "uri:enum-value-update", "path": "/phase", "value": "ACCEPTED"}
    old = {"update": {"type": "uri:enum-value-update", "path": "state", "value": "CANCELLED"}}
    assert (read_update(new), read_update(old)) == (Phase.ACCEPTED, Phase.CANCELLED)
    with pytest.raises(IllegalTransition):
        read_update({**new, "value": "READY"})
    wrongs: tuple[Any, ...] = (None, {}, {**new, "value": "X"}, {**new, "path": 3}, {"update": []})
    for wrong in wrongs:
        with pytest.raises(InvalidRequest):
            read_update(wrong)
