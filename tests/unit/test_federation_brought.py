"""The instances that tasks bring along, from real servers, under each policy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from protes.clock import Clock, ManualClock, SystemClock
from protes.config.federation import TaskInstancesSettings
from protes.config.instances import InstanceSettings
from protes.federation.brought import Brought, Gathered, client_id
from protes.federation.known import Ejection, FederationView, InstanceHealth, KnownInstance, Probed, Source
from protes.federation.merge import key_of
from protes.federation.strangers import Strangers, Unusable
from protes.outbound.guard import Guard
from protes.outbound.rules import Rules
from protes.outbound.tls import Tls
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import ScriptedServer, Stall, answer_html, problem, redirect, refused_url
from tests.support.waiting import at_once, wait_until

OWN = "gateway-under-test"
NOW = ManualClock().now()
REGISTRY = "https://registry.example.org/ga4gh/registry/v1"
REFUSAL = "its address is not a public one"


def brought(clock: Clock | None = None, **values: Any) -> Brought:
    more = {name: values.pop(name) for name in ("states", "resolver") if name in values}
    settings = TaskInstancesSettings(**{"policy": "open", "allow_private": True, "fetch_seconds": 10.0, **values})
    return Brought(settings, OWN, clock or SystemClock(), **more)


def known(name: str, url: str, source: Source = "configuration", **values: Any) -> KnownInstance:
    probed = Probed(ok=True, at=NOW, next_at=NOW, base_url=url, dialect="node")
    instance = KnownInstance(InstanceSettings(id=name, url=url), key_of(url), name, source, probed=probed)
    return replace(instance, **values)


def view(*instances: KnownInstance) -> FederationView:
    return FederationView(instances, complete=True)


def gather(
    found: Brought,
    tes: Sequence[str] = (),
    registries: Sequence[str] = (),
    federation: FederationView | None = None,
    *,
    ask: bool = True,
    seconds: float = 10.0,
) -> Gathered:
    return found.gather(tes, registries, federation or view(), ask=ask, until=time.monotonic() + seconds)


def ids(gathered: Gathered) -> list[str]:
    return [each.id for each in gathered.instances]


def texts(gathered: Gathered) -> dict[str, str]:
    return {url: reason.text for url, reason in gathered.reasons.items()}


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as running:
        yield running


# What is known already


def test_off_takes_nothing(fake: FakeTes) -> None:
    gathered = gather(brought(policy="off"), [fake.url], [REGISTRY], view(known("a", fake.url)))
    assert gathered.instances == ()
    assert {each.code for each in gathered.reasons.values()} == {"off"}
    assert gathered.reasons.keys() == {fake.url, REGISTRY}
    assert fake.server.count() == 0


@pytest.mark.parametrize("policy", ["subset", "open"])
@pytest.mark.parametrize("spelling", ["https://tes.example.org", "https://TES.example.org:443/ga4gh/tes/v1/"])
def test_a_known_instance_is_found_in_any_spelling_and_stays_what_it_is(policy: str, spelling: str) -> None:
    one = known("a", "https://tes.example.org/ga4gh/tes/v1", in_flight=3)
    other = known("b", "https://other.example.org")
    gathered = gather(brought(policy=policy), [spelling], federation=view(one, other))
    assert gathered.instances == (one,)
    assert gathered.instances[0] is one
    assert not gathered.reasons
    assert gathered.complete


@pytest.mark.parametrize("policy", ["subset", "open"])
def test_what_a_known_registry_lists_is_found_without_asking_it(policy: str) -> None:
    listed = [known(each, f"https://{each}.example.org", registries=("x", REGISTRY + "/")) for each in ("a", "b")]
    listed = [replace(each, registries=("https://one.example.org", REGISTRY + "/services/")) for each in listed]
    federation = view(*listed, known("c", "https://c.example.org"))
    gathered = gather(brought(policy=policy), ["https://c.example.org"], [REGISTRY], federation)
    assert ids(gathered) == ["a", "b", "c"]
    assert not gathered.reasons


def test_under_subset_nothing_else_is_taken_and_nobody_is_asked(fake: FakeTes) -> None:
    with FakeRegistry([service_entry(fake.url)]) as registry:
        federation = view(known("a", "https://tes.example.org"))
        urls = [fake.url, "https://tes.example.org"]
        gathered = gather(brought(policy="subset"), urls, [registry.url], federation)
        assert registry.fetches == 0
    assert ids(gathered) == ["a"]
    assert texts(gathered) == dict.fromkeys([fake.url, registry.url], "is not known to this gateway")
    assert not any(each.permanent for each in gathered.reasons.values())
    assert fake.server.count() == 0


@pytest.mark.parametrize("source", ["retired", "client"])
def test_who_has_left_or_was_brought_by_another_task_is_not_known(source: Source) -> None:
    federation = view(known("a", "https://tes.example.org", source, registries=(REGISTRY,)))
    gathered = gather(brought(policy="subset"), ["https://tes.example.org"], [REGISTRY], federation)
    assert gathered.instances == ()


def test_a_known_instance_inside_the_network_is_the_operators_choice(fake: FakeTes) -> None:
    one = known("a", fake.url)
    assert gather(brought(allow_private=False), [fake.url], federation=view(one)).instances == (one,)
    assert fake.server.count() == 0


# What is new


def test_a_new_instance_is_found_with_what_it_says_of_itself() -> None:
    with FakeTes(declared={"speed": 2.0, "limits": {"max_cpu_cores": 8}}) as fake:
        gathered = gather(brought(), [fake.server.url])
    [instance] = gathered.instances
    assert (instance.source, instance.base_url, instance.dialect) == ("client", fake.url, "node")
    assert instance.id == client_id(fake.server.url)
    assert instance.id.startswith(f"client-127.0.0.1-{fake.server.port}-")
    assert instance.settings.credentials.type == "none"
    assert (instance.settings.speed, instance.limits.max_cpu_cores) == (2.0, 8)
    assert (instance.status, instance.storage) == ("ok", ("file:///",))
    assert not instance.is_member
    assert gathered.complete
    assert not gathered.reasons


@pytest.mark.parametrize("allow_private", [True, False])
def test_only_what_may_be_inside_is_not_guarded(fake: FakeTes, allow_private: bool) -> None:
    found = brought(allow_private=allow_private, resolver=lambda *_: ["127.0.0.1"])
    gathered = gather(found, [fake.url])
    assert [each.guarded for each in gathered.instances] == ([False] if allow_private else [])


def test_the_id_depends_on_the_url_alone_and_not_on_its_spelling() -> None:
    assert client_id("https://tes.example.org") == "client-tes.example.org-ea527d1f"
    assert client_id("https://TES.example.org:443/ga4gh/tes/v1/") == client_id("https://tes.example.org")
    assert client_id("https://tes.example.org/other") != client_id("https://tes.example.org")
    longest = client_id("http://" + ".".join(["x" * 60] * 4) + ":8000/" + "y" * 1000)
    for name in (longest, client_id("http://[::1]:80/a"), client_id("http://[2001:db8::1]")):
        InstanceSettings(id=name, url="x")


def test_two_urls_of_one_server_are_one_instance(fake: FakeTes) -> None:
    gathered = gather(brought(), [fake.url, fake.server.url, f"{fake.server.url}/v1"])
    assert len(gathered.instances) == 1
    member = known("a", fake.url, key="https://elsewhere.example.org")
    gathered = gather(brought(), [fake.url], federation=view(member))
    assert gathered.instances == (member,)


def test_tasks_and_failures_of_earlier_are_seen(fake: FakeTes) -> None:
    ejection = Ejection(NOW + timedelta(seconds=60), 1, "failed with 503")
    health = InstanceHealth(gateway_failures=3, ejection=ejection)
    before = known("x", fake.url, "client", in_flight=7, queued=2, ejection=ejection)
    gathered = gather(brought(states=lambda: {fake.url: health}), [fake.url], federation=view(before))
    [instance] = gathered.instances
    assert (instance.in_flight, instance.queued, instance.status) == (7, 2, "ejected")
    [instance] = gather(brought(states=lambda: {fake.url: health}), [fake.url]).instances
    assert (instance.health, instance.ejection, instance.in_flight) == (health, ejection, 0)


def test_one_that_the_operator_has_taken_out_is_not_brought_back_while_tasks_run_there(fake: FakeTes) -> None:
    gathered = gather(brought(), [fake.url], federation=view(known("x", fake.url, "retired", in_flight=1)))
    assert gathered.instances == ()
    assert {url: reason.code for url, reason in gathered.reasons.items()} == {fake.url: "retired"}
    assert not gathered.reasons[fake.url].permanent


def test_this_gateway_itself_is_left_out_for_good() -> None:
    with FakeTes(gateway_id=OWN) as own, FakeTes(gateway_id="another-gateway") as other:
        gathered = gather(brought(), [own.url, other.url])
    assert ids(gathered) == [client_id(other.url)]
    assert texts(gathered) == {own.url: "is this gateway itself"}
    assert gathered.reasons[own.url].permanent


def test_each_url_of_no_use_has_its_reason(fake: FakeTes) -> None:
    with ScriptedServer() as page, ScriptedServer() as broken, refused_url() as dead:
        page.on("GET", "*", answer_html(200))
        broken.on("GET", "*", problem(503))
        gathered = gather(brought(), [page.url, broken.url, dead, fake.url])
        assert ids(gathered) == [client_id(fake.url)]
        codes = {url: reason.code for url, reason in gathered.reasons.items()}
        assert codes == {page.url: "no_tes", broken.url: "failing", dead: "unreachable"}
        assert texts(gathered)[dead] == "connection refused"
        assert not any(each.permanent for each in gathered.reasons.values())
        assert gathered.complete


# Registries


def test_what_a_clients_registry_lists_is_found(fake: FakeTes) -> None:
    member = known("a", "https://known.example.org")
    entries = [
        service_entry(fake.url, name="Listed", protes={"speed": 3.0}),
        service_entry("https://known.example.org/ga4gh/tes/v1", name="Other name"),
        service_entry("https://drs.example.org", artifact="drs"),
        service_entry("https://new.example.org", version="2.0.0"),
        {"id": "broken"},
    ]
    with FakeRegistry(entries) as registry:
        gathered = gather(brought(), [], [registry.url], view(member))
        gather(brought(), [], [registry.url], view(member))
    assert ids(gathered) == ["a", client_id(fake.url)]
    assert gathered.instances[0] is member
    assert (gathered.instances[1].name, gathered.instances[1].settings.speed) == ("Listed", 3.0)
    assert not gathered.reasons


def test_a_registry_that_fails_is_a_reason_and_the_other_urls_do(fake: FakeTes) -> None:
    with FakeRegistry() as registry, refused_url() as dead:
        registry.server.on("GET", registry.path("/services"), problem(500))
        gathered = gather(brought(), [fake.url], [registry.url, dead])
    assert ids(gathered) == [client_id(fake.url)]
    assert texts(gathered)[registry.url].startswith("the registry cannot be asked: HTTP 500")
    assert {each.code for each in gathered.reasons.values()} == {"registry"}


def test_of_a_long_list_only_the_beginning_is_taken() -> None:
    with refused_url() as dead, FakeRegistry([service_entry(f"{dead}/{n}") for n in range(150)]) as registry:
        gathered = gather(brought(fetch_seconds=10), [], [registry.url])
    assert len(gathered.reasons) == 100
    assert {each.code for each in gathered.reasons.values()} == {"unreachable"}


def test_two_registries_may_list_the_same(fake: FakeTes) -> None:
    with FakeRegistry([service_entry(fake.url)]) as one, FakeRegistry([service_entry(fake.server.url)]) as two:
        assert ids(gather(brought(), [fake.url], [one.url, two.url])) == [client_id(fake.url)]


# Once


def test_a_thousand_tasks_cost_one_look(fake: FakeTes) -> None:
    found = brought()
    with FakeRegistry([service_entry(fake.url)]) as registry:
        calls = [lambda: ids(gather(found, [fake.url], [registry.url])) for _ in range(40)]
        assert at_once(calls) == [[client_id(fake.url)]] * 40
        for _ in range(100):
            gather(found, [fake.url], [registry.url])
        assert registry.fetches == 1
    assert fake.server.count() == 1


def test_without_asking_what_is_known_must_do(fake: FakeTes) -> None:
    found = brought()
    with FakeRegistry([service_entry(fake.url)]) as registry:
        gathered = gather(found, [fake.url], [registry.url], ask=False)
        assert gathered.instances == ()
        assert {each.code for each in gathered.reasons.values()} == {"unasked"}
        assert not gathered.complete
        assert (registry.fetches, fake.server.count()) == (0, 0)
        gather(found, [fake.url], [registry.url])
        gathered = gather(found, [fake.url], [registry.url], ask=False)
        assert ids(gathered) == [client_id(fake.url)]
        assert gathered.complete


def test_a_server_that_hangs_costs_its_time_once(fake: FakeTes) -> None:
    found = brought(fetch_seconds=1.5)
    with ScriptedServer() as hanging:
        hanging.on("GET", "*", Stall())
        began = time.monotonic()
        gathered = gather(found, [hanging.url, fake.url], [f"{hanging.url}/registry"])
        assert 1 < time.monotonic() - began < 8
        assert ids(gathered) == [client_id(fake.url)]
        wait_until(lambda: gather(found, [hanging.url], [f"{hanging.url}/registry"], ask=False).complete, "it is known")
        began = time.monotonic()
        for _ in range(50):
            gathered = gather(found, [hanging.url, fake.url], [f"{hanging.url}/registry"])
            assert ids(gathered) == [client_id(fake.url)]
        assert time.monotonic() - began < 8
        assert {each.code for each in gathered.reasons.values()} == {"unreachable", "registry"}


def test_who_has_less_time_waits_less_and_the_answer_comes_all_the_same(fake: FakeTes) -> None:
    found = brought(fetch_seconds=5)
    stall = Stall(then=None)
    fake.server.inject("GET", "*", stall)
    began = time.monotonic()
    gathered = gather(found, [fake.url], seconds=0.1)
    assert time.monotonic() - began < 8
    assert not gathered.complete
    assert texts(gathered) == {fake.url: "has not answered yet"}
    stall.release()
    wait_until(lambda: gather(found, [fake.url], ask=False).complete, "the answer has come")


def test_a_server_that_is_back_is_found_soon_and_one_that_left_is_missed(fake: FakeTes) -> None:
    clock = ManualClock()
    found = brought(clock)

    def seen() -> list[str]:
        return ids(found.gather([fake.url], [], view(), ask=True, until=clock.monotonic() + 5))

    fake.refuse()
    assert seen() == []
    fake.resume()
    assert seen() == []
    clock.advance(31)
    wait_until(lambda: seen() == [client_id(fake.url)], "it is found")
    fake.refuse()
    clock.advance(301)
    wait_until(lambda: seen() == [], "it is missed")
    fake.resume()


def test_no_more_answers_are_kept_than_allowed() -> None:
    with ScriptedServer() as server:
        found = brought(keep_entries=3)
        gather(found, [f"{server.url}/{number}" for number in range(6)])
        gathered = gather(found, [f"{server.url}/{number}" for number in range(6)], ask=False)
    assert sorted(each.code for each in gathered.reasons.values()) == ["no_tes"] * 3 + ["unasked"] * 3


# The guard


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fd00::1", "100.64.0.1"]
)
def test_a_name_that_leads_inside_is_refused(fake: FakeTes, address: str) -> None:
    found = brought(allow_private=False, allow_http=True, resolver=lambda *_: ["93.184.216.34", address])
    url = f"http://tes.example.org:{fake.server.port}"
    gathered = gather(found, [url])
    assert gathered.instances == ()
    assert texts(gathered) == {url: REFUSAL}
    assert fake.server.connections == 0


def test_addresses_inside_are_refused_those_of_registries_and_of_what_they_list_too(fake: FakeTes) -> None:
    with FakeRegistry([service_entry(fake.url)]) as registry:
        gathered = gather(brought(allow_private=False), [fake.url], [registry.url])
        assert registry.fetches == 0
    assert gathered.instances == ()
    assert texts(gathered)[fake.url] == REFUSAL
    assert {each.code for each in gathered.reasons.values()} == {"unreachable", "registry"}
    assert fake.server.connections == 0


def test_a_registry_whose_name_leads_inside_is_refused_and_one_whose_look_up_hangs_ends_in_time(fake: FakeTes) -> None:
    go = threading.Event()

    def resolver(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "inside.example.org" or go.wait(60) else []

    with FakeRegistry([service_entry(fake.url)]) as registry:
        port = registry.server.port
        urls = [f"http://{name}.example.org:{port}/ga4gh/registry/v1" for name in ("inside", "hanging")]
        found = brought(allow_private=False, resolver=resolver, fetch_seconds=0.3)
        gathered = gather(found, [], urls)
        wait_until(lambda: gather(found, [], urls, ask=False).complete, "both have failed", 30)
        go.set()
        assert registry.server.connections == 0
    assert gathered.instances == ()
    assert "not allowed" in texts(gathered)[urls[0]]


def test_a_redirect_to_another_host_is_not_followed(fake: FakeTes) -> None:
    with ScriptedServer() as server:
        server.on("GET", "*", redirect(f"{fake.url}/service-info"))
        gathered = gather(brought(), [server.url])
    assert {each.code for each in gathered.reasons.values()} == {"no_tes"}
    assert fake.server.count() == 0


def test_a_name_that_changes_its_mind_reaches_nothing(fake: FakeTes) -> None:
    """The address that was checked is the one that is connected to; a later look-up is checked again."""
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    rules = Rules(allow_networks=(ip_network("127.0.0.2/32"),))
    strangers = Strangers(OWN, SystemClock(), Guard(rules, lambda *_: answers.pop(0)), Tls())
    url = f"http://tes.example.org:{fake.server.port}"
    found = [strangers.instance(url, time.monotonic() + 1) for _ in range(2)]
    assert [each.text for each in found if isinstance(each, Unusable)] == ["connection refused", REFUSAL]
    assert fake.server.connections == 0


def test_reasons_name_no_secret_and_no_url() -> None:
    with refused_url() as dead:
        reasons: Mapping[str, str] = texts(gather(brought(), [dead]))
    assert "http" not in reasons[dead]
