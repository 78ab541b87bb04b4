"""The parts of what is known about data: URIs, places, addresses, kept answers, outputs, instances' own estimates."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware import Reported, Resources
from protes.clock import ManualClock
from protes.config.planning import LocationSettings
from protes.outbound.addresses import NotAllowed, is_public
from protes.outbound.guard import Guard
from protes.outbound.rules import Rules
from protes.sources.cache import Cache
from protes.sources.drs_uris import DrsUri, parse
from protes.sources.locations import Locations
from protes.sources.outputs import OUTPUT_KIND, Made, Outputs
from protes.sources.task_info import NO_TASK_INFO_KIND, TaskInfo, question
from protes.store.factory import create_stores
from protes.store.records import Phase, TaskRecord
from protes.tes.errors import Refused, TimedOut
from protes.tes.states import State
from tests.support.middleware_samples import task
from tests.support.task_records import a_task, an_attempt

# URIs


@pytest.mark.parametrize(
    ("uri", "parsed"),
    [
        ("drs://data.example.org/abc", DrsUri("data.example.org", "abc", compact=False)),
        ("DRS://Data.example.org/a/b%2Fc", DrsUri("Data.example.org", "a/b/c", compact=False)),
        ("drs://dg.4DFC:0027-ab", DrsUri("dg.4DFC", "0027-ab", compact=True)),
        ("drs://prov/dg.ANV0:a:b", DrsUri("prov/dg.ANV0", "a:b", compact=True)),
        ("drs://dg.ANV0/uuid", DrsUri("dg.ANV0", "uuid", compact=False)),
        ("drs://host:443/x", DrsUri("host", "443/x", compact=True)),
        ("drs://host", None),
        ("drs://host/", None),
        ("drs:///x", None),
        ("drs://", None),
        ("drs://-host-/x", None),
        ("https://host/x", None),
        ("drs:// /x", None),
        ("drs://a b:c", None),
        ("drs://host/" + "x" * 5000, None),
    ],
)
def test_drs_uris_are_read_by_hand(uri: str, parsed: DrsUri | None) -> None:
    assert parse(uri) == parsed


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    parse(text)
    parse(f"drs://{text}")


# Places


def test_the_longest_prefix_wins_whatever_the_case_of_scheme_and_host() -> None:
    places = Locations(
        [
            LocationSettings(prefix="s3://bucket", zone="aws:eu-west-1"),
            LocationSettings(prefix="S3://bucket/cold/", zone="aws:us-east-1"),
            LocationSettings(prefix="https://Data.Example.org/", zone="DE", coordinates=(50.0, 8.0)),
        ]
    )

    def zone(url: str) -> str | None:
        place = places.at(url)
        return place.zone if place else None

    assert zone("s3://bucket/x") == "aws:eu-west-1"
    assert zone("s3://bucket/cold/x") == "aws:us-east-1"
    assert zone("s3://bucket/COLD/x") == "aws:eu-west-1"
    assert zone("HTTPS://data.example.ORG/x") == "DE"
    assert zone("https://other.example.org/x") is None


# Addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("no address", False),
    ],
)
def test_only_addresses_of_the_open_internet_are_asked(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_one_private_address_is_enough_to_refuse_a_name() -> None:
    def resolver(_: str, __: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(NotAllowed):
        Guard(Rules(), resolver).addresses.addresses("x", 443, 1)
    private = Guard(Rules(allow_private=True), resolver)
    assert private.addresses.addresses("x", 443, 1) == ["93.184.216.34", "10.0.0.1"]


# Kept answers


def test_answers_expire_and_the_oldest_go_first() -> None:
    clock = ManualClock()
    cache: Cache[int] = Cache(clock, entries=2, keep_seconds=100, nothing_seconds=10)
    assert cache.ask("a", lambda: 1) == 1
    assert cache.ask("none", lambda: None) is None
    assert cache.known("none") == (True, None)
    clock.advance(11)
    assert cache.known("none") == (False, None)
    assert cache.ask("a", lambda: 2) == 1
    assert cache.ask("b", lambda: 3) == 3
    cache.ask("c", lambda: 4)
    assert len(cache) == 2
    assert cache.known("a") == (False, None)
    clock.advance(100)
    assert cache.known("c") == (False, None)


def test_a_source_that_fails_is_asked_again() -> None:
    cache: Cache[int] = Cache(ManualClock(), 2, 100, 10)

    def fails() -> int:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        cache.ask("a", fails)
    assert cache.ask("a", lambda: 1) == 1


def test_many_who_ask_at_once_ask_once() -> None:
    cache: Cache[int] = Cache(ManualClock(), 2, 100, 10)
    asked, go = [], threading.Event()

    def slow() -> int:
        asked.append(1)
        go.wait(30)
        return 7

    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(cache.ask("a", slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert found == [7] * 8
    assert len(asked) == 1


# Outputs


def finished(outputs: list[dict[str, Any]], logged: list[dict[str, Any]], state: State = State.COMPLETE) -> TaskRecord:
    attempt = an_attempt(phase=Phase.FINISHED, instance_url="https://maker/v1", log={"logs": [], "outputs": logged})
    return a_task(document=json.dumps({"executors": [], "outputs": outputs}), attempts=(attempt,), state=state)


def test_outputs_of_others_are_not_found_and_cannot_be_forged() -> None:
    clock = ManualClock()
    outputs = Outputs(create_stores("memory:").records, clock, keep_seconds=1000)
    theirs = replace(finished([{"url": "s3://b/folder/", "path": "/f", "type": "DIRECTORY"}], []), audience="user:ann")
    urls = ["user:ann\ns3://b/x", "8:user:anns3://b/x", "s3://b/x"]
    forged = finished([{"url": url, "path": "/x"} for url in urls], [])
    outputs.remember([theirs, forged])
    assert outputs.find("s3://b/folder/x", "user:ann") == Made("https://maker/v1", None)
    for audience in ("", "user:ben", "group:ann"):
        assert outputs.find("s3://b/folder/x", audience) is None
    assert outputs.find("s3://b/x", "user:ann") is None
    assert outputs.find("s3://b/x") == Made("https://maker/v1", None)


def test_outputs_are_found_again_with_their_maker_and_size() -> None:
    clock = ManualClock()
    records = create_stores("memory:").records
    outputs = Outputs(records, clock, keep_seconds=1000)
    done = finished(
        [
            {"url": "s3://b/one", "path": "/one"},
            {"url": "s3://b/folder/", "path": "/f", "type": "DIRECTORY"},
            {"url": "s3://b/logs", "path": "/l/*", "path_prefix": "/l"},
        ],
        [{"url": "s3://b/one", "path": "/one", "size_bytes": "12"}, {"url": "s3://b/folder/x", "size_bytes": "bad"}],
    )
    outputs.remember([done, done, finished([{"url": "s3://b/lost", "path": "/x"}], [], State.EXECUTOR_ERROR)])
    maker = "https://maker/v1"
    assert outputs.find("S3://B/one") == Made(maker, 12)
    assert outputs.find("s3://b/folder/x") == Made(maker, None)
    assert outputs.find("s3://b/folder/deep/er/y") == Made(maker, None)
    assert outputs.find("s3://b/logs/a.log") == Made(maker, None)
    assert outputs.find("s3://b/one/below") is None
    assert outputs.find("s3://b/lost") is None
    assert outputs.find("s3://b") is None
    assert "s3://" not in " ".join(each.key for each in records.scan(OUTPUT_KIND, "", clock.now()))
    clock.advance(1001)
    assert outputs.find("s3://b/one") is None


def test_a_record_without_a_document_tells_what_its_log_does() -> None:
    records = create_stores("memory:").records
    outputs = Outputs(records, ManualClock(), keep_seconds=1000)
    attempt = an_attempt(phase=Phase.FINISHED, instance_url="m", log={"outputs": [{"url": "s3://b/x", "path": "/x"}]})
    outputs.remember([a_task(document="", attempts=(attempt,), state=State.COMPLETE)])
    assert outputs.find("s3://b/x") == Made("m", None)


# Instances' own estimates

GOOD = {
    "estimated_compute_costs": {"amount": 8.64, "currency": "EUR"},
    "estimated_storage_costs": {"amount": 2, "currency": "EUR"},
    "estimated_queue_time_sec": 1234.0,
    "unit_costs_data_transfer": {"amount": "0.01", "currency": "EUR"},
}


class Instances:
    """Answers for instances, and counts."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
        self.asked.append((base_url, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def task_info(answer: Any, clock: ManualClock) -> tuple[TaskInfo, Instances]:
    instances = Instances(answer)
    return TaskInfo(instances, create_stores("memory:").records, clock, 100, 600.0), instances


def test_an_estimate_is_read_and_kept() -> None:
    found, instances = task_info(GOOD, ManualClock())
    body = question(task(resources=Resources(cpu_cores=4, ram_gb=8, preemptible=True)), 3600.4)
    expected = Reported(
        currency="EUR",
        compute=Decimal("8.64"),
        storage=Decimal(2),
        transfer_gb_1000km=Decimal("0.01"),
        queue_seconds=1234.0,
    )
    assert found.ask("https://a", body, 1) == expected
    assert found.ask("https://a", body, 1) == expected
    assert instances.asked == [
        ("https://a", {"cpu_cores": 4, "ram_gb": 8, "preemptible": True, "execution_time_sec": 3600})
    ]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"estimated_compute_costs": 3},
        {"estimated_compute_costs": {"amount": float("nan"), "currency": "EUR"}},
        {"estimated_compute_costs": {"amount": -1, "currency": "EUR"}},
        {"estimated_compute_costs": {"amount": True, "currency": "EUR"}},
        {**GOOD, "estimated_storage_costs": {"amount": 1, "currency": "USD"}},
        {"estimated_queue_time_sec": "soon"},
        {"estimated_queue_time_sec": 1e12},
        TimedOut("no answer", instance="a"),
        Refused(404),
        Refused(400, "no"),
    ],
)
def test_what_is_odd_is_no_estimate(answer: Any) -> None:
    found, _ = task_info(answer, ManualClock())
    assert found.ask("https://a", "{}", 1) is None


@pytest.mark.parametrize("status", [404, 405, 501])
def test_that_there_is_no_such_call_is_remembered_for_a_day(status: int) -> None:
    clock = ManualClock()
    found, _ = task_info(Refused(status), clock)
    assert found.serves("https://a")
    found.ask("https://a", "{}", 1)
    assert not found.serves("https://a")
    assert found.serves("https://b")
    clock.advance(timedelta(days=1).total_seconds() + 1)
    assert found.serves("https://a")
    assert NO_TASK_INFO_KIND == "no_task_info"
