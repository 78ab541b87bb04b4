"""Listing and searching an instance that behaves; faults are in tests/faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS, Dialect, Listing
from protes.tes.errors import BadAnswer
from protes.tes.finding import Absent, CannotTell, Found
from protes.tes.read import SeenTask
from protes.tes.states import State
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import answer_json

NODE, FUNNEL, UNKNOWN = DIALECTS["node"], DIALECTS["funnel"], DIALECTS["unknown"]
PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def transport(fake: FakeTes) -> Iterator[Transport]:
    with Transport(fake.url, timeouts=PATIENT) as made:
        yield made


@pytest.fixture
def client(transport: Transport, clock: ManualClock) -> InstanceClient:
    return InstanceClient(transport, NODE, clock)


def document(marker: str, dialect: Dialect = NODE) -> dict[str, Any]:
    return build_request(TASK, dialect, marker=marker, gateways=("gw",))


def ids(client: InstanceClient, **options: Any) -> list[str]:
    return [task.id for page in client.list_active(**options) for task in page]


# list


def test_list_goes_through_the_active_states(fake: FakeTes, client: InstanceClient) -> None:
    queued, running, done = (client.create(document(f"a-{n}"), 1.0) for n in range(3))
    fake.set_state(running, "RUNNING")
    fake.finish(done)
    assert ids(client) == [queued, running]
    states = [request.query["state"] for request in fake.server.requests("GET")]
    assert states == [("QUEUED",), ("INITIALIZING",), ("RUNNING",)]


def test_list_without_state_filter_shows_all(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    client = InstanceClient(transport, replace(FUNNEL, listing=Listing(page_size=2)), clock)
    made = [client.create(document(f"a-{n}"), 1.0) for n in range(5)]
    fake.finish(made[0])
    pages = list(client.list_active())
    assert [len(page) for page in pages] == [2, 2, 1]
    assert pages[2] == (SeenTask(made[0], State.COMPLETE),)
    assert all("state" not in request.query for request in fake.server.requests("GET"))


def test_list_asks_for_no_more_pages_than_are_taken(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    client = InstanceClient(transport, replace(FUNNEL, listing=Listing(page_size=1)), clock)
    for n in range(3):
        client.create(document(f"a-{n}"), 1.0)
    next(client.list_active())
    assert fake.server.count("GET") == 1


def test_a_dialect_without_listing_is_asked_one_by_one(transport: Transport, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="one by one"):
        next(InstanceClient(transport, UNKNOWN, clock).list_active())


def entry(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "state": "RUNNING"} for name in names]


@pytest.mark.parametrize(
    ("pages", "seen", "requests"),
    [
        ([{"tasks": entry("a"), "next_page_token": "N/A"}], ["a"], 1),
        ([{"tasks": entry("a"), "next_page_token": "None"}], ["a"], 1),
        ([{"tasks": entry("a"), "next_page_token": None}], ["a"], 1),
        ([{"tasks": entry("a"), "next_page_token": "x"}, {"tasks": entry("b"), "next_page_token": "x"}], ["a", "b"], 2),
        ([{"tasks": entry("a"), "next_page_token": "x"}, {"tasks": entry("a"), "next_page_token": "y"}], ["a"], 2),
        ([{"tasks": [], "next_page_token": "x"}, {"tasks": entry("a")}], ["a"], 2),
        ([{"tasks": entry("a", "a"), "nextPageToken": "x"}, {"tasks": entry("b", "a")}], ["a", "b"], 2),
        ([{"tasks": None}], [], 1),
        ([{}], [], 1),
    ],
)
def test_lists_end(
    fake: FakeTes,
    transport: Transport,
    clock: ManualClock,
    pages: list[dict[str, Any]],
    seen: list[str],
    requests: int,
) -> None:
    for page in reversed(pages):
        fake.fault("list", answer_json(page))
    client = InstanceClient(transport, FUNNEL, clock)
    assert ids(client) == seen
    assert fake.server.count("GET") == requests


def test_a_list_that_never_ends_is_left(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    numbers = iter(range(1000))

    def page(_: object) -> Any:
        number = next(numbers)
        return answer_json({"tasks": entry(f"t{number}"), "next_page_token": str(number)})

    fake.fault("list", page, times=1000)
    client = InstanceClient(transport, replace(FUNNEL, listing=Listing(max_pages=7)), clock)
    assert len(ids(client)) == 7


def test_a_page_that_is_none_is_a_bad_answer_of_the_instance(fake: FakeTes, client: InstanceClient) -> None:
    fake.fault("list", answer_json({"tasks": 1}))
    with pytest.raises(BadAnswer, match="list") as bad:
        ids(client)
    assert bad.value.instance == fake.url


# find


def test_find_by_tag(fake: FakeTes, client: InstanceClient) -> None:
    made = [client.create(document(marker), 1.0) for marker in ("a-1", "a-11", "a-1")]
    assert client.find("a-1") == Found((made[2], made[0]))
    assert client.find("a-11") == Found((made[1],))
    assert client.find("a-2") == Absent()


@pytest.mark.parametrize("count", [1, 5, 20])
def test_find_is_not_deceived_by_a_server_that_ignores_filters(
    fake: FakeTes, client: InstanceClient, count: int
) -> None:
    for n in range(count):
        client.create(document(f"b-{n}"), 1.0)
    mine = client.create(document("a-1"), 1.0)
    fake.heeds_filters = False
    assert client.find("a-1") == Found((mine,))
    assert client.find("a-2") == Absent()


def test_find_in_a_view_without_tags_doubts_too_many(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    client = InstanceClient(transport, FUNNEL, clock)
    mine = client.create(document("a-1"), 1.0)
    for n in range(9):
        client.create(document(f"b-{n}"), 1.0)
    assert client.find("a-1") == Found((mine,))
    fake.heeds_filters = False
    assert isinstance(client.find("a-1"), CannotTell)


def test_find_in_a_view_without_tags_looks_at_what_it_found(
    fake: FakeTes, transport: Transport, clock: ManualClock
) -> None:
    client = InstanceClient(transport, FUNNEL, clock)
    for n in range(3):
        client.create(document(f"b-{n}"), 1.0)
    fake.heeds_filters = False
    assert client.find("a-1") == Absent()
    mine = client.create(document("a-1"), 1.0)
    assert client.find("a-1") == Found((mine,))


def test_find_goes_through_all_pages(fake: FakeTes, client: InstanceClient) -> None:
    mine = client.create(document("a-1"), 1.0)
    for _ in range(300):
        client.create(document("b-1"), 1.0)
    fake.heeds_filters = False
    assert client.find("a-1") == Found((mine,))


def test_find_by_name(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    dialect = replace(UNKNOWN, searchable="name_prefix", read_your_writes=True)
    client = InstanceClient(transport, dialect, clock)
    mine = client.create(document("a-1", dialect), 1.0)
    client.create(document("a-10", dialect), 1.0)
    assert client.find("a-1") == Found((mine,))
    assert client.find("a-2") == Absent()
    assert fake.server.requests("GET")[0].query["name_prefix"] == ("a-1",)


def test_find_at_an_unknown_server_finds_but_never_proves_absence(
    fake: FakeTes, transport: Transport, clock: ManualClock
) -> None:
    client = InstanceClient(transport, UNKNOWN, clock)
    mine = client.create(document("a-1", UNKNOWN), 1.0)
    assert client.find("a-1") == Found((mine,))
    assert isinstance(client.find("a-2"), CannotTell)
    for request in fake.server.requests("GET"):
        assert set(request.query) <= {"view", "page_size", "page_token"}, "an unknown server may refuse any other"


def test_find_where_searching_is_impossible_asks_nothing(
    fake: FakeTes, transport: Transport, clock: ManualClock
) -> None:
    client = InstanceClient(transport, replace(UNKNOWN, searchable=None), clock)
    assert isinstance(client.find("a-1"), CannotTell)
    assert fake.server.count() == 0


@pytest.mark.parametrize("fault", ["invalid", "unauthorized", "html", "wrong_json", "endless"])
def test_find_cannot_tell_where_the_search_is_refused_or_garbled(fake: FakeTes, clock: ManualClock, fault: str) -> None:
    fake.fault("list", fault)
    with Transport(fake.url, timeouts=PATIENT, max_body_bytes=1000) as transport:
        assert isinstance(InstanceClient(transport, NODE, clock).find("a-1"), CannotTell)


def test_find_that_did_not_see_the_end_cannot_tell(fake: FakeTes, client: InstanceClient) -> None:
    fake.fault("list", answer_json({"tasks": [], "next_page_token": "x"}), times=2)
    assert isinstance(client.find("a-1"), CannotTell)
