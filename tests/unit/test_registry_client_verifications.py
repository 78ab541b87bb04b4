"""Services that a registry vouches for: `/verifications`, an extension of the specification."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service_registry_client import (
    CachedRegistry,
    ExternalService,
    Limits,
    RegistryAnswer,
    RegistryBody,
    RegistryClient,
    RegistryTimeout,
    ServiceType,
    Verification,
    verified_services,
)
from service_registry_client.parsing import parse_service
from tests.support.fake_registry import FakeRegistry, service_entry, verification
from tests.support.scripted_server import Answer, Drip, HangUp, Step, answer_html, answer_json, problem

A = service_entry("https://a.example", service_id="A")
B = service_entry("https://b.example", service_id="B")
TES = ServiceType(group="org.ga4gh", artifact="tes", version="1.1.0")


class Time:
    """Monotonic seconds, moved by the test."""

    seconds = 1000.0


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry([A, B]) as fake:
        fake.verifications = [verification(A)]
        yield fake


@pytest.fixture
def client(registry: FakeRegistry) -> Iterator[RegistryClient]:
    with RegistryClient(registry.url) as connected:
        yield connected


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(registry: FakeRegistry, time: Time) -> Iterator[Callable[..., CachedRegistry]]:
    """Makes caches that know verified services only."""
    made: list[CachedRegistry] = []

    def one(**options: Any) -> CachedRegistry:
        options = {"verified_only": True, "jitter": 0.0, "clock": lambda: time.seconds, **options}
        made.append(CachedRegistry(RegistryClient(registry.url), **options))
        return made[-1]

    yield one
    for each in made:
        each.close()


def listed(entry: dict[str, Any]) -> ExternalService:
    return parse_service(entry, "https://registry.example.org")


def ids(cached: CachedRegistry) -> list[str]:
    return [service.id for service in cached.refresh(force=True).services]


# The call


def test_verifications(registry: FakeRegistry, client: RegistryClient) -> None:
    assert client.verifications() == (Verification("A", "https://a.example", TES),)
    (request,) = registry.server.requests()
    assert request.path == registry.path("/verifications")
    assert request.headers["Accept"] == "application/json"


def test_a_bad_entry_harms_no_other(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.verifications = [
        None,
        "https://a.example",
        {},
        verification(A, url=None),
        verification(A, url="ftp://a.example"),
        verification(A, type=None),
        verification(A, type={"group": "org.ga4gh"}),
        verification(B, url=" https://B.example//", service_id=None, type={"artifact": "TES", "version": 1.0}),
        verification(A),
        verification(A),
    ]
    assert client.verifications() == (
        Verification(None, "https://b.example", ServiceType(artifact="TES", version="1.0")),
        Verification("A", "https://a.example", TES),
    )


@pytest.mark.parametrize("key", ["verifications", "items", "results"])
def test_a_list_within_an_object_is_found(registry: FakeRegistry, client: RegistryClient, key: str) -> None:
    registry.server.on("GET", registry.path("/verifications"), answer_json({key: [verification(A)]}))
    assert len(client.verifications()) == 1


def test_a_registry_without_verifications_says_so(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.verifications = None
    with pytest.raises(RegistryAnswer, match="404"):
        client.verifications()


def test_pages_are_followed(registry: FakeRegistry, client: RegistryClient) -> None:
    path = registry.path("/verifications")
    registry.server.on("GET", path, answer_json([verification(A)], Link=f'<{path}/2>; rel="next"'))
    registry.server.on("GET", f"{path}/2", answer_json([verification(B)]))
    assert [each.service_id for each in client.verifications()] == ["A", "B"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Drip(answer_json([A, B])), RegistryTimeout),
        (answer_json(["x" * 10_000]), RegistryBody),
        (answer_html(), RegistryBody),
        (answer_json({}), RegistryBody),
    ],
    ids=repr,
)
def test_the_limits_are_those_of_every_call(registry: FakeRegistry, fault: Step, kind: type[Exception]) -> None:
    registry.server.on("GET", registry.path("/verifications"), fault)
    limits = Limits(total_seconds=0.3, max_body_bytes=5_000)
    with RegistryClient(registry.url, limits=limits) as client, pytest.raises(kind):
        client.verifications()


def test_no_more_entries_than_allowed_are_read(registry: FakeRegistry) -> None:
    registry.verifications = [verification(A), verification(B)]
    with RegistryClient(registry.url, limits=Limits(max_entries=1)) as client:
        assert [each.service_id for each in client.verifications()] == ["A"]


# Who is verified


@pytest.mark.parametrize(
    ("change", "verified"),
    [
        ({}, True),
        ({"service_id": "another"}, True),
        ({"url": "HTTPS://A.example:443//service-info"}, True),
        ({"url": "https://a.example/ga4gh/tes/v1"}, False),
        ({"url": "http://a.example"}, False),
        ({"type": {"group": "ORG.GA4GH", "artifact": "Tes", "version": "1.1.0"}}, True),
        ({"type": {"artifact": "tes", "version": "1.1.0"}}, True),
        ({"type": {"group": "org.example", "artifact": "tes", "version": "1.1.0"}}, False),
        ({"type": {"group": "org.ga4gh", "artifact": "drs", "version": "1.1.0"}}, False),
        ({"type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1"}}, False),
        ({"type": {"group": "org.ga4gh", "artifact": "tes"}}, False),
    ],
)
def test_a_service_is_verified_by_its_address_and_its_type(
    registry: FakeRegistry, client: RegistryClient, change: dict[str, Any], verified: bool
) -> None:
    registry.verifications = [verification(A, **change)]
    found = verified_services([listed(B), listed(A)], client.verifications())
    assert found == ((listed(A),) if verified else ())


def test_a_version_is_the_same_as_number_and_as_text(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.verifications = [verification(A, type={"artifact": "tes", "version": 1.0})]
    service = listed({**A, "type": {"artifact": "tes", "version": "1.0"}})
    assert verified_services([service], client.verifications()) == (service,)


def test_order_and_repetitions_stay() -> None:
    both = [Verification(None, "https://b.example", TES), Verification(None, "https://a.example", TES)]
    services = (listed(A), listed(B), listed(A))
    assert verified_services(services, both) == services
    assert verified_services(services, ()) == ()


# At hand


def test_only_verified_services_are_known(make: Callable[..., CachedRegistry]) -> None:
    cached = make()
    snapshot = cached.services()
    assert [service.id for service in snapshot.services] == ["A"]
    assert snapshot.warnings == ("left out as the registry has not verified them: 1",)
    assert not snapshot.stale


def test_the_option_is_off_by_default(make: Callable[..., CachedRegistry], registry: FakeRegistry) -> None:
    assert ids(make(verified_only=False)) == ["A", "B"]
    assert registry.server.count("GET", registry.path("/verifications")) == 0


@pytest.mark.parametrize("fault", [problem(404), problem(500), answer_html(), answer_json({}), HangUp()], ids=repr)
def test_verifications_in_trouble_are_a_registry_in_trouble(
    make: Callable[..., CachedRegistry], registry: FakeRegistry, fault: Answer | HangUp
) -> None:
    cached = make()
    assert ids(cached) == ["A"]
    registry.services = [B]
    registry.server.on("GET", registry.path("/verifications"), fault)
    snapshot = cached.refresh(force=True)
    assert [service.id for service in snapshot.services] == ["A"]
    assert registry.path("/verifications") in (snapshot.error or "")
    first = make().services()
    assert (first.services, first.fetched_at) == ((), None)
    assert first.error is not None


def test_what_is_verified_follows_an_unchanged_list(
    make: Callable[..., CachedRegistry], registry: FakeRegistry
) -> None:
    registry.etags = True
    cached = make()
    assert ids(cached) == ["A"]
    registry.verifications = [verification(B)]
    assert ids(cached) == ["B"]
    assert registry.server.requests("GET", registry.path("/services"))[-1].headers["If-None-Match"]
    registry.verifications = [verification(A), verification(B)]
    assert ids(cached) == ["A", "B"]


def test_withdrawn_verifications_hold_at_once(make: Callable[..., CachedRegistry], registry: FakeRegistry) -> None:
    cached = make()
    assert ids(cached) == ["A"]
    registry.verifications = []
    assert ids(cached) == []


def test_a_list_that_is_suddenly_empty_is_doubted_here_too(
    make: Callable[..., CachedRegistry], registry: FakeRegistry
) -> None:
    cached = make()
    assert ids(cached) == ["A"]
    registry.services = []
    assert ids(cached) == ["A"]


def test_across_restarts(make: Callable[..., CachedRegistry], registry: FakeRegistry) -> None:
    registry.etags = True
    before = make()
    assert ids(before) == ["A"]
    text = before.dump()
    registry.verifications = [verification(A), verification(B)]
    after = make()
    assert after.load(text)
    assert [service.id for service in after.services(wait_seconds=0).services] == ["A"]
    # What was kept is not the list that the registry's ETag speaks of.
    assert ids(after) == ["A", "B"]


def test_what_was_kept_with_the_option_off_is_not_taken_over_with_it_on(make: Callable[..., CachedRegistry]) -> None:
    off = make(verified_only=False)
    assert ids(off) == ["A", "B"]
    on = make()
    assert not on.load(off.dump())
    assert ids(on) == ["A"]
    assert not make(verified_only=False).load(on.dump())


def test_what_earlier_versions_kept_is_unverified(make: Callable[..., CachedRegistry]) -> None:
    off = make(verified_only=False)
    off.refresh()
    document = json.loads(off.dump())
    del document["verified_only"]
    assert make(verified_only=False).load(json.dumps(document))
    assert not make().load(json.dumps(document))
