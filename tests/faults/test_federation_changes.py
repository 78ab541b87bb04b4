"""Instances that come, go, drain, fill up, fall silent and come back."""

from __future__ import annotations

from typing import Any

import pytest

from protes.config.settings import Settings
from protes.federation.known import KnownInstance
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.scripted_server import Reset, ScriptedServer, Stall, answer_html, answer_json, problem
from tests.support.waiting import wait_until


def _instances(gateway: Harness) -> dict[str, KnownInstance]:
    gateway.services.federation.forget_view()
    return {each.id: each for each in gateway.services.federation.view().instances}


def _with(gateway: Harness, *instances: Any, **settings: Any) -> Harness:
    """Restart the gateway over the same store with other settings."""
    after = Harness(*instances, stores=gateway.stores, **settings)
    after.clock.advance(gateway.clock.monotonic())
    return after


def test_a_draining_instance_gets_nothing_new_and_what_runs_there_is_relayed() -> None:
    with FakeTes() as one, FakeTes() as two:
        with Harness(instance("one", one)) as before:
            before.probe()
            running = before.post()
            before.turn()
        with _with(before, instance("one", one, drain=True), instance("two", two)) as gateway:
            gateway.probe()
            assert _instances(gateway)["one"].status == "draining"
            new = gateway.post()
            gateway.turn()
            assert gateway.record(new).attempts[-1].instance_id == "two"
            one.finish(next(iter(one.tasks)))
            gateway.turns(3, 2)
            assert gateway.state(running) == "COMPLETE"


def test_a_task_waits_while_the_only_instance_drains() -> None:
    with FakeTes() as one, Harness(instance("one", one, drain=True)) as gateway:
        gateway.probe()
        task_id = gateway.post()
        gateway.turns(3, 60)
        assert gateway.state(task_id) == "QUEUED"
        assert "takes no new tasks" in gateway.notes(task_id)
        assert one.posts == 0


def test_an_instance_that_left_the_configuration_is_retired_and_its_tasks_are_relayed_to_their_end() -> None:
    with FakeTes() as gone, FakeTes() as stays:
        with Harness(instance("gone", gone)) as before:
            before.probe()
            running = before.post()
            before.turn()
        with _with(before, instance("stays", stays)) as gateway:
            known = _instances(gateway)["gone"]
            assert (known.source, known.status, known.in_flight) == ("retired", "retired", 1)
            gateway.probe()
            new = gateway.post()
            gateway.turn(1)
            assert gateway.record(new).attempts[-1].instance_id == "stays"
            gone.finish(next(iter(gone.tasks)))
            gateway.turns(3, 2)
            assert gateway.state(running) == "COMPLETE"
            assert set(_instances(gateway)) == {"stays"}
            assert gone.creates() == 1


def test_a_retired_instance_that_is_silent_has_lost_its_tasks_after_a_long_time_and_not_before() -> None:
    with FakeTes() as gone:
        with Harness(instance("gone", gone)) as before:
            before.probe()
            running = before.post()
            before.turn()
        with _with(before) as gateway:
            gateway.probe()
            gone.refuse()
            gateway.turns(7, 100_000)
            assert gateway.state(running) == "QUEUED"  # the first of them was the first to fail
            gateway.turn(100_000)
            assert gateway.state(running) == "SYSTEM_ERROR"
            gone.resume()


def test_an_instance_that_its_registry_no_longer_lists_is_retired() -> None:
    with FakeTes() as fake, FakeTes() as other:
        entries = [service_entry(fake.url, name="Fake"), service_entry(other.url, name="Other")]
        with FakeRegistry(entries) as registry, Harness(registries=[{"url": registry.url}]) as gateway:
            wait_until(lambda: len(_instances(gateway)) == 2, "both are listed")
            gateway.probe()
            task_id = gateway.post()
            gateway.turn()
            ran = gateway.record(task_id).attempts[-1].instance_id
            registry.services = [entry for entry in entries if entry["name"] != ran]
            gateway.services.federation.refresh()
            assert _instances(gateway)[ran].status == "retired"
            fakes = {"Fake": fake, "Other": other}
            fakes[ran].finish(next(iter(fakes[ran].tasks)))
            gateway.turns(3, 2)
            assert gateway.state(task_id) == "COMPLETE"
            assert ran not in _instances(gateway)


def test_a_public_registry_leads_to_no_private_address() -> None:
    with FakeTes() as inside, FakeRegistry([service_entry(inside.url, name="Inside")]) as registry:
        with Harness(registries=[{"url": registry.url, "allow_private": False}]) as gateway:
            wait_until(lambda: "Inside" in _instances(gateway), "it is listed")
            gateway.probe()
            known = _instances(gateway)["Inside"]
            assert known.status == "unreachable"
            assert known.probed is not None
            assert "not a public one" in (known.probed.error or "")
            assert inside.server.count() == 0


def test_what_the_operator_configures_may_be_private_although_a_public_registry_lists_it_too() -> None:
    with FakeTes() as inside, FakeRegistry([service_entry(inside.url, name="Inside")]) as registry:
        public = {"url": registry.url, "allow_private": False}
        with Harness(instance("mine", inside), registries=[public]) as gateway:
            wait_until(lambda: _instances(gateway)["mine"].registries != (), "it is listed")
            gateway.probe()
            assert _instances(gateway)["mine"].status == "ok"


def test_only_a_probe_finds_an_instance_again_never_a_task() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        fake.refuse()
        tasks = [gateway.post() for _ in range(5)]
        gateway.turns(20, 5)
        attempts = sum(len(gateway.record(each).attempts) for each in tasks)
        assert attempts == 1  # the first one found out for all of them
        assert _instances(gateway)["one"].status == "ejected"
        fake.resume()
        gateway.turns(3, 20)
        gateway.turns(2, 60)
        assert all(gateway.record(each).attempts[-1].instance_task_id for each in tasks)
        assert fake.creates() == 5


def test_no_more_tasks_than_the_limit_are_in_flight() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": 2})) as gateway:
        gateway.probe()
        for _ in range(6):
            gateway.post()
        gateway.runner.drain()  # all at once: the view does not change in between
        assert fake.creates() == 2
        for task_id in list(fake.tasks):
            fake.finish(task_id)
        gateway.turns(4, 2)
        assert fake.creates() == 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_an_instance_asks_for_is_kept(status: int) -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        fake.fault("create", problem(status, "later", Retry_After="40"))
        task_id = gateway.post()
        gateway.turn()
        posts = fake.posts
        assert posts == 1
        gateway.turns(7, 5)
        assert fake.posts == posts
        gateway.turns(4, 40)
        assert gateway.record(task_id).attempts[-1].instance_task_id
        assert fake.creates() == 1


def test_an_unchanged_instance_is_the_same_object_in_the_next_view() -> None:
    with FakeTes(declared={"speed": 2.0}) as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        assert _instances(gateway)["one"] is _instances(gateway)["one"]
        before = _instances(gateway)["one"]
        gateway.post()
        gateway.turn()
        assert _instances(gateway)["one"].in_flight == before.in_flight + 1


def test_many_dead_addresses_are_probed_a_few_at_a_time() -> None:
    many = [{"id": f"i{number}", "url": f"http://127.0.0.1:1/{number}"} for number in range(100)]
    with Harness(*many) as gateway:
        federation = gateway.services.federation
        first = federation.due_probes()
        assert len(first) == 8
        assert federation.due_probes() == []  # those are under way
        for key in first:
            gateway.runner.run("probe", key)
        assert not set(federation.due_probes()) & set(first)


def test_settings_of_health_are_refused_where_they_contradict() -> None:
    with pytest.raises(ValueError, match="max_ejection_seconds"):
        Settings.model_validate({"health": {"base_ejection_seconds": 10, "max_ejection_seconds": 5}})


def test_the_gateway_recognises_itself_also_at_an_address_at_which_it_refuses_everybody() -> None:
    with ScriptedServer() as own:
        own.on(
            "GET",
            "*",
            problem(403, "Host: this name is not one of the server's", X_Protes_Gateway="gateway-under-test"),
        )
        with Harness({"id": "me", "url": own.url}) as gateway:
            gateway.probe()
            assert _instances(gateway) == {}
            assert own.count() > 0


def test_a_black_hole_costs_one_wait_and_not_one_per_task() -> None:
    with FakeTes() as hole, FakeTes() as well:
        cheap = {"prices": {"cpu_core_hour": "0.01"}}
        dear = {"prices": {"cpu_core_hour": "9"}}
        with Harness(instance("hole", hole, **cheap), instance("well", well, **dear)) as gateway:
            gateway.probe()
            hole.swallow()
            tasks = [gateway.post(weight="0") for _ in range(10)]
            gateway.turn()
            attempts = [[each.instance_id for each in gateway.record(task).attempts] for task in tasks]
            # The first one has waited for a connection, `health.connect_seconds`, and nobody after it.
            assert sorted(attempts, key=len) == [["well"]] * 9 + [["hole", "well"]]
            gateway.probe()
            gateway.turns(5, 3)
            later = gateway.post(weight="0")
            gateway.turn()
            assert [each.instance_id for each in gateway.record(later).attempts] == ["well"]


def test_what_one_process_sees_or_registers_all_know_within_a_second() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as first:
        second = first.restarted()
        first.probe()
        second.clock.advance(1)
        assert second.services.federation.view().instances[0].status == "ok"
        fake.refuse()
        first.post()
        first.turn()
        second.clock.advance(1)
        assert second.services.federation.view().instances[0].status == "ejected"
        second.services.federation.close()
        fake.resume()


def test_a_registry_that_flaps_takes_no_instance_away_and_holds_nobody_up() -> None:
    with FakeTes() as fake, FakeRegistry([service_entry(fake.url, name="Kept")]) as registry:
        with Harness(registries=[{"url": registry.url, "refresh_seconds": 60}]) as gateway:
            wait_until(lambda: "Kept" in _instances(gateway), "it is listed")
            gateway.probe()
            path = registry.path("/services")
            for fault in (problem(503), answer_html(200), Reset(), answer_json({}), answer_json([]), Stall()):
                route = registry.server.inject("GET", path, fault, times=3)
                before = registry.fetches
                gateway.clock.advance(400)
                assert "Kept" in _instances(gateway)
                wait_until(lambda before=before: registry.fetches > before, "it is asked")  # type: ignore[misc]
                task_id = gateway.post()
                gateway.turn()
                assert gateway.record(task_id).attempts[-1].instance_id == "Kept"
                registry.server.off(route)


def test_a_registry_of_ten_thousand_services_joins_as_a_whole() -> None:
    entries = [
        service_entry(f"https://site-{n}.example.org", service_id=str(n), name=f"Site {n}") for n in range(10_000)
    ]
    with FakeRegistry(entries) as registry, Harness(registries=[{"url": registry.url}]) as gateway:
        wait_until(lambda: len(_instances(gateway)) == 10_000, "all are listed", 60)
        # They are probed a few at a time, and nothing waits for that.
        assert len(gateway.services.federation.due_probes()) == 8
