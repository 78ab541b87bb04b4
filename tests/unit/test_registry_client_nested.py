"""Registries that registries list, as one: who is asked, how deep, and what one in trouble means for the others."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service_registry_client import CachedRegistry, Limits, RegistryClient, RegistryTree, Snapshot
from tests.support.fake_registry import FakeRegistry, service_entry, verification
from tests.support.scripted_server import (
    Behaviour,
    Exchange,
    HangUp,
    Stall,
    answer_html,
    answer_json,
    problem,
    redirect,
)
from tests.support.waiting import wait_until

LIMITS = Limits(connect_seconds=20, read_seconds=20, total_seconds=30)


def tes(name: str) -> dict[str, Any]:
    return service_entry(f"https://{name}.example", service_id=name)


def lists(registry: FakeRegistry, **fields: Any) -> dict[str, Any]:
    """An entry for a registry."""
    return {**service_entry(registry.url, artifact="service-registry", version="1.0.0"), **fields}


class Time:
    """Monotonic seconds, moved by the test."""

    seconds = 1000.0


@pytest.fixture
def servers() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def new(servers: contextlib.ExitStack) -> Callable[..., FakeRegistry]:
    """Starts a registry."""
    return lambda *entries: servers.enter_context(FakeRegistry(entries))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def tree(servers: contextlib.ExitStack, time: Time) -> Callable[..., RegistryTree]:
    """Makes a tree; `root_options` are those of the first registry's cache, `client_options` those of its client."""

    def one(
        registry: FakeRegistry,
        client_options: dict[str, Any] | None = None,
        root_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> RegistryTree:
        client = RegistryClient(registry.url, **{"limits": LIMITS, **(client_options or {})})
        root = CachedRegistry(client, jitter=0.0, clock=lambda: time.seconds, **(root_options or {}))
        return servers.enter_context(RegistryTree(root, **options))

    return one


def ids(snapshot: Snapshot) -> list[str]:
    """What is known, without the entries of registries."""
    return [service.id for service in snapshot.services if service.type.artifact == "tes"]


def sources(snapshot: Snapshot) -> dict[str, str]:
    """Which registry listed each service."""
    return {each.id: each.provenance.registry for each in snapshot.services if each.type.artifact == "tes"}


def test_what_nested_registries_list_is_known_and_where_it_is_from(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    deep = new(tes("deep"))
    nested = new(tes("nested"), lists(deep))
    other = new(tes("other"))
    root = new(lists(nested), tes("near"), lists(other, type={"artifact": "Service-Registry"}))
    snapshot = tree(root).services()
    assert sources(snapshot) == {"near": root.url, "nested": nested.url, "other": other.url, "deep": deep.url}
    assert ids(snapshot) == ["near", "nested", "other", "deep"]
    assert (snapshot.stale, snapshot.error, snapshot.warnings, snapshot.pending) == (False, None, (), ())
    assert snapshot.fetched_at is not None


@pytest.mark.parametrize(("depth", "known"), [(1, ["0", "1"]), (2, ["0", "1", "2"])])
def test_it_ends_at_the_depth_asked_for(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], depth: int, known: list[str]
) -> None:
    chain = [new(tes(str(number))) for number in range(4)]
    for above, beneath in itertools.pairwise(chain):
        above.services = [*above.services, lists(beneath)]
    snapshot = tree(chain[0], depth=depth, max_registries=depth).services()
    assert (ids(snapshot), snapshot.warnings) == (known, ())
    assert [registry.fetches for registry in chain] == [1 if str(number) in known else 0 for number in range(4)]


def test_registries_that_list_each_other_are_asked_once(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    ring = [new(tes(str(number))) for number in range(3)]
    for number, registry in enumerate(ring):
        everyone = [
            lists(each, url=f"{each.url}/{tail}") for each in ring for tail in ("", "services/", "service-info")
        ]
        registry.services = [tes(str(number)), *everyone]
    snapshot = tree(ring[0]).services()
    assert ids(snapshot) == ["0", "1", "2"]
    assert [registry.fetches for registry in ring] == [1, 1, 1]


def test_a_service_that_several_list_is_there_for_each(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    nested = new(tes("same"))
    root = new(tes("same"), lists(nested))
    snapshot = tree(root).services()
    assert [each.provenance.registry for each in snapshot.services if each.id == "same"] == [root.url, nested.url]


@pytest.mark.parametrize("fault", [problem(500), problem(404), answer_html(), HangUp(), redirect("")], ids=repr)
def test_one_in_trouble_harms_only_itself(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], fault: Behaviour
) -> None:
    broken, good = new(tes("broken")), new(tes("good"))
    root = new(tes("near"), lists(broken), lists(good))
    broken.server.on("GET", broken.path("/services"), fault)
    snapshot = tree(root).services()
    assert ids(snapshot) == ["near", "good"]
    assert (snapshot.stale, snapshot.error, snapshot.pending) == (False, None, ())
    (warning,) = snapshot.warnings
    assert warning.startswith(f"nested registry {broken.url}: in trouble: ")


def test_its_last_good_services_are_kept(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], time: Time
) -> None:
    nested = new(tes("nested"))
    all_of_them = tree(new(tes("near"), lists(nested)))
    all_of_them.services()
    nested.server.on("GET", nested.path("/services"), problem(500))
    time.seconds += 301
    snapshot = all_of_them.refresh()
    assert ids(snapshot) == ["near", "nested"]
    assert (snapshot.stale, snapshot.error) == (True, None)
    assert "HTTP 500" in snapshot.warnings[0]
    time.seconds += 86_400
    assert ids(all_of_them.refresh()) == ["near"]


def test_a_first_registry_in_trouble_keeps_the_others(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    nested = new(tes("old"))
    root = new(lists(nested))
    all_of_them = tree(root)
    all_of_them.services()
    root.server.on("GET", root.path("/services"), problem(500))
    nested.services = [tes("new")]
    snapshot = all_of_them.refresh(force=True)
    assert ids(snapshot) == ["new"]
    assert "HTTP 500" in (snapshot.error or "")


def test_warnings_of_nested_registries_are_told(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    nested = new({}, tes("nested"))
    (warning,) = tree(new(lists(nested))).services().warnings
    assert warning == f"nested registry {nested.url}: entry 0 dropped: it has no url"


def test_who_cannot_wait_need_not_and_the_slow_delay_nobody(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    slow, quick = new(tes("slow")), new(tes("quick"))
    root = new(tes("near"), lists(slow), lists(quick))
    stall = Stall(then=answer_json([tes("slow")]))
    slow.server.inject("GET", slow.path("/services"), stall)
    all_of_them = tree(root)
    assert all_of_them.services(wait_seconds=0) == Snapshot()
    wait_until(lambda: ids(all_of_them.services(wait_seconds=0)) == ["near", "quick"], "the quick one is known")
    snapshot = all_of_them.services(wait_seconds=0)
    assert (snapshot.pending, snapshot.warnings, snapshot.stale) == ((slow.url,), (), False)
    assert snapshot.fetched_at is not None
    # Nor does a limit on the whole wait for ever.
    assert ids(all_of_them.services(wait_seconds=0.01)) == ["near", "quick"]
    stall.release()
    wait_until(lambda: ids(all_of_them.services(wait_seconds=0)) == ["near", "slow", "quick"], "the slow one is known")
    assert slow.fetches == 1


def test_the_wait_for_all_together_is_limited(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    stalled = [new() for _ in range(5)]
    for registry in stalled:
        registry.server.on("GET", registry.path("/services"), Stall())
    root = new(tes("near"), *map(lists, stalled))
    client_options = {"limits": Limits(read_seconds=60, total_seconds=60)}
    snapshot = tree(root, client_options, total_seconds=1.5).services()
    assert ids(snapshot) == ["near"]
    assert set(snapshot.pending) == {registry.url for registry in stalled}


def test_registries_of_a_level_are_asked_at_once(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    together = Together(4)
    nested = [new() for _ in range(4)]
    for registry in nested:
        registry.server.on("GET", registry.path("/services"), together)
    snapshot = tree(new(*map(lists, nested))).services()
    assert snapshot.warnings == ()


class Together(Behaviour):
    """Answers when so many ask at once; those who come one after the other get an error."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)

    def play(self, exchange: Exchange) -> None:
        try:
            self._barrier.wait(10)
        except threading.BrokenBarrierError:
            problem(500).play(exchange)
        else:
            answer_json([]).play(exchange)


def test_there_are_only_so_many(new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]) -> None:
    beneath = new(tes("beneath"))
    nested = [new(tes(str(number)), lists(beneath)) for number in range(4)]
    snapshot = tree(new(*map(lists, nested)), max_registries=3).services()
    assert ids(snapshot) == ["0", "1", "2"]
    assert snapshot.warnings == ("nested registries not asked, since there are too many: 2",)
    assert (nested[3].fetches, beneath.fetches) == (0, 0)


def test_a_registry_that_is_listed_no_more_is_forgotten(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], time: Time
) -> None:
    nested = new(tes("nested"))
    root = new(tes("near"), lists(nested))
    all_of_them = tree(root)
    all_of_them.services()
    root.services = [tes("near")]
    assert ids(all_of_them.refresh(force=True)) == ["near"]
    time.seconds += 301
    all_of_them.refresh()
    assert nested.fetches == 1
    assert nested.url not in all_of_them.dump()


def test_each_is_asked_again_only_when_its_answer_has_expired(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], time: Time
) -> None:
    nested = new(tes("nested"))
    nested.headers = {"Cache-Control": "max-age=3600"}
    root = new(lists(nested))
    all_of_them = tree(root)
    all_of_them.services()
    time.seconds += 301
    all_of_them.services()
    all_of_them.refresh()
    assert (root.fetches, nested.fetches) == (2, 1)
    all_of_them.refresh(force=True)
    assert (root.fetches, nested.fetches) == (3, 2)


# What goes along


def test_a_token_goes_to_the_first_registrys_origin_only(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    stranger = new()
    root = new()
    tenant = service_entry(f"{root.server.url}/tenant", artifact="service-registry")
    root.services = [lists(stranger), tenant]
    # The stranger lists the tenant as well; that makes it no less the first registry's.
    stranger.services = [tenant]
    tree(root, {"token": "canary"}).services()
    sent = {request.path: request.headers.get("Authorization") for request in root.server.requests()}
    assert sent == {root.path("/services"): "Bearer canary", "/tenant/services": "Bearer canary"}
    assert [request.headers.get("Authorization") for request in stranger.server.requests()] == [None]


def test_a_nested_registry_at_a_refused_address_is_not_asked(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    inside = new()
    root = new(tes("near"), lists(inside, url=inside.url.replace("127.0.0.1", "127.0.0.2")))
    snapshot = tree(root, {"allow_address": "127.0.0.1".__eq__}).services()
    assert ids(snapshot) == ["near"]
    assert "not allowed" in snapshot.warnings[0]


def test_nested_registries_must_verify_what_they_list_too(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    careful, careless = new(tes("a"), tes("b")), new(tes("c"))
    careful.verifications = [verification(tes("a"))]
    root = new(lists(careful), lists(careless), tes("d"))
    root.verifications = [verification(lists(careful)), verification(lists(careless))]
    snapshot = tree(root, root_options={"verified_only": True}).services()
    assert ids(snapshot) == ["a"]
    assert any(careless.url in warning and "404" in warning for warning in snapshot.warnings)


# Across restarts, and the end


def test_what_is_known_survives_a_restart(new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]) -> None:
    deep = new(tes("deep"))
    nested = new(tes("nested"), lists(deep))
    root = new(tes("near"), lists(nested))
    before = tree(root)
    known = before.services()
    text = before.dump()
    assert before.dump() == text
    for registry in (root, nested, deep):
        registry.server.on("GET", "*", problem(500))
    after = tree(root)
    assert after.load(text)
    assert after.services(wait_seconds=0) == known
    assert not after.load(text)


def test_what_is_kept_of_another_registry_is_not_taken_over(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    nested = new(tes("nested"))
    text = tree(new(lists(nested))).dump()
    other = tree(new(tes("other")))
    assert not other.load(text)
    assert ids(other.services()) == ["other"]


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "null", "1", "{}", '{"format": 2}', "[" * 100_000]
    + ['{"format": 1, "root": 1}', '{"format": 1, "root": "x"}', '{"format": 1, "root": "{}"}'],
)
def test_what_is_not_kept_text_is_refused(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], text: str
) -> None:
    all_of_them = tree(new(tes("near")))
    with pytest.raises(ValueError, match=r"kept|Expecting"):
        all_of_them.load(text)
    assert ids(all_of_them.services()) == ["near"]


@pytest.mark.parametrize("nested", [1, None, [], ["https://r.example"], {"x": "{}"}, {"https://r.example": 1}], ids=str)
def test_kept_text_with_odd_nested_registries_is_refused(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], nested: object
) -> None:
    root = new(tes("near"))
    text = json.loads(tree(root).dump())
    all_of_them = tree(root)
    with pytest.raises(ValueError, match=r"kept|http"):
        all_of_them.load(json.dumps({**text, "nested": nested}))
    assert ids(all_of_them.services()) == ["near"]


def test_closing_breaks_off_what_goes_on_and_keeps_what_is_known(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree]
) -> None:
    nested = new(tes("nested"))
    root = new(tes("near"), lists(nested))
    stall = Stall()
    nested.server.on("GET", nested.path("/services"), stall)
    all_of_them = tree(root, {"limits": Limits(read_seconds=60, total_seconds=60)})
    wait_until(lambda: bool(all_of_them.services(wait_seconds=0).pending), "the nested registry is being asked")
    stall.wait_entered()
    all_of_them.close()
    assert ids(all_of_them.services()) == ["near"]
    assert ids(all_of_them.refresh(force=True)) == ["near"]
    assert (root.fetches, nested.fetches) == (1, 1)


@pytest.mark.parametrize("options", [{"depth": 0}, {"depth": 3}, {"max_registries": 0}], ids=str)
def test_options_that_cannot_be_are_refused(
    new: Callable[..., FakeRegistry], tree: Callable[..., RegistryTree], options: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        tree(new(), **options)
