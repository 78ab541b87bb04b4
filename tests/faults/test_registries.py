"""Instances of GA4GH Service Registries in the federation, whatever the registry does."""

from typing import Any

import pytest

from protes.federation.known import KnownInstance
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.scripted_server import answer_html
from tests.support.waiting import wait_until

DECLARED: dict[str, Any] = {"speed": 2.0, "prices": {"currency": "EUR", "cpu_core_hour": "0.1"}}


def _instances(gateway: Harness) -> dict[str, KnownInstance]:
    gateway.services.federation.forget_view()
    return {each.id: each for each in gateway.services.federation.view().instances}


def _wait_for(gateway: Harness, name: str) -> KnownInstance:
    wait_until(lambda: name in _instances(gateway), f"{name} is listed")
    return _instances(gateway)[name]


def test_a_listed_instance_joins_with_what_its_entry_declares_and_runs_tasks() -> None:
    with FakeTes() as fake, FakeRegistry([service_entry(fake.url, name="Listed", protes=DECLARED)]) as registry:
        with Harness(registries=[{"url": registry.url}]) as gateway:
            known = _wait_for(gateway, "Listed")
            assert known.source == "registry"
            assert known.settings.speed == 2.0
            gateway.probe()
            task_id = gateway.post()
            gateway.turns(2, 1)
            assert gateway.record(task_id).attempts[-1].instance_id == "Listed"


def test_an_extension_field_that_does_not_fit_is_ignored_and_the_entry_kept() -> None:
    entry = service_entry("https://tes.example.org", name="Odd", protes={"speed": "fast", "prize": 1})
    with FakeRegistry([entry]) as registry, Harness(registries=[{"url": registry.url}]) as gateway:
        assert _wait_for(gateway, "Odd").settings.speed is None


def test_other_services_and_broken_entries_do_not_join() -> None:
    drs = service_entry("https://drs.example.org", name="DRS")
    drs["type"]["artifact"] = "drs"
    with FakeRegistry([drs, {"id": "broken"}, service_entry("https://tes.example.org", name="TES")]) as registry:
        with Harness(registries=[{"url": registry.url}]) as gateway:
            _wait_for(gateway, "TES")
            assert set(_instances(gateway)) == {"TES"}


def test_what_is_impossible_is_not_said_before_every_registry_has_answered() -> None:
    with FakeRegistry() as registry:
        registry.server.refuse()
        with Harness(registries=[{"url": registry.url}]) as gateway:
            assert not gateway.services.federation.view().complete
            registry.server.resume()


def test_a_registry_that_goes_down_is_remembered_also_after_a_restart() -> None:
    with FakeRegistry([service_entry("https://tes.example.org", name="Kept")]) as registry:
        with Harness(registries=[{"url": registry.url, "refresh_seconds": 60}]) as gateway:
            _wait_for(gateway, "Kept")
            gateway.services.federation.keep()
            registry.server.on("GET", "/ga4gh/registry/v1/services", answer_html(500))
            gateway.clock.advance(3600)
            assert "Kept" in _instances(gateway)
            registry.server.refuse()
            after = gateway.restarted()
            assert "Kept" in _instances(after)
            assert after.services.federation.view().complete
            after.services.federation.close()
            registry.server.resume()


def test_the_gateway_itself_is_left_out_however_its_address_is_spelled() -> None:
    with FakeTes(gateway_id="gateway-under-test") as own:
        entries = [
            service_entry(own.url, name="Me"),
            service_entry(own.url.replace("127.0.0.1", "localhost"), name="I"),
        ]
        with FakeRegistry(entries) as registry, Harness(registries=[{"url": registry.url}]) as gateway:
            _wait_for(gateway, "Me")
            gateway.probe()
            assert _instances(gateway) == {}


def test_what_an_instance_says_of_itself_fills_what_nobody_else_does() -> None:
    said = {"speed": 3.0, "zone": "DE", "prices": {"currency": "EUR", "cpu_core_hour": "0.5"}}
    with FakeTes(declared=said) as fake, Harness(instance("one", fake, speed=2)) as gateway:
        gateway.probe()
        [known] = gateway.services.federation.view().instances
        assert (known.settings.speed, known.settings.zone) == (2, "DE")
        assert known.settings.prices is not None
        assert str(known.settings.prices.cpu_core_hour) == "0.5"
        fake.refuse()
        gateway.clock.advance(10_000)
        gateway.probe()
        [silent] = gateway.restarted().services.federation.view().instances
        assert silent.settings.zone == "DE"


@pytest.mark.parametrize("said", [5, [], {"speed": -1}, {"colour": "red"}, "x" * 1000])
def test_an_instance_that_says_nonsense_of_itself_stays(said: object) -> None:
    with FakeTes(declared=said) as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        [known] = gateway.services.federation.view().instances
        assert known.status == "ok"
        assert known.settings.zone is None
