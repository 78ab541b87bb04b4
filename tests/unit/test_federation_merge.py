"""One view of configuration and registries, whatever order and spelling they come in."""

import itertools
from decimal import Decimal

import pytest

from protes.config.instances import Declared, InstanceSettings, Limits, Prices
from protes.config.loading import ConfigError
from protes.federation.merge import Listed, Registered, check_urls, key_of, merge


@pytest.mark.parametrize(
    "url",
    [
        "https://tes.example.org",
        "https://TES.example.org:443/",
        " https://tes.example.org/ga4gh/tes/v1",
        "https://tes.example.org/ga4gh/tes/v1/",
        "https://tes.example.org//ga4gh/tes/v1/service-info",
        "https://tes.example.org/v1",
    ],
)
def test_every_spelling_of_an_address_is_one_instance(url: str) -> None:
    assert key_of(url) == "https://tes.example.org"


def test_the_configuration_wins_field_by_field() -> None:
    configured = InstanceSettings(
        id="site", url="https://a.example.org", speed=3.0, limits=Limits(max_cpu_cores=8), zone="DE"
    )
    declared = Declared(
        speed=1.0, prices=Prices(cpu_core_hour=Decimal("0.1")), limits=Limits(max_cpu_cores=64, max_ram_gb=32)
    )
    [known] = merge([configured], [Listed("https://a.example.org/ga4gh/tes/v1", "A", declared)])
    assert (known.id, known.source) == ("site", "configuration")
    assert known.settings.speed == 3.0
    assert known.settings.prices is not None
    assert known.settings.prices.cpu_core_hour == Decimal("0.1")
    assert (known.limits.max_cpu_cores, known.limits.max_ram_gb) == (8, 32)
    assert known.settings.zone == "DE"


def test_ids_of_listed_instances_are_made_unique_and_do_not_depend_on_the_order() -> None:
    listed = [
        Listed("https://one.example.org", "Funnel"),
        Listed("https://two.example.org", "Funnel"),
        Listed("https://three.example.org", "  TESK @ CSC!  "),
        Listed("https://four.example.org", "…"),
    ]
    expected = {
        "https://one.example.org": "Funnel-b51c04",
        "https://two.example.org": "Funnel-a248ff",
        "https://three.example.org": "TESK-CSC",
        "https://four.example.org": "four.example.org",
    }
    for order in itertools.permutations(listed):
        assert {each.key: each.id for each in merge([], order)} == expected


def test_an_instance_listed_twice_is_one() -> None:
    listed = [Listed("https://a.example.org", "A"), Listed("https://a.example.org/v1", "A again")]
    assert len(merge([], listed)) == 1


@pytest.mark.parametrize("url", ["ftp://a.example.org", "a.example.org", "https://user:pass@a.example.org", "https://"])
def test_a_configured_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError, match=r"custom\.instances: site: url") as refused:
        check_urls([InstanceSettings(id="site", url=url)])
    assert "pass" not in str(refused.value)


def test_two_configured_instances_at_one_url_are_refused() -> None:
    with pytest.raises(ConfigError, match="b has the same URL as a"):
        check_urls(
            [
                InstanceSettings(id="a", url="https://x.example.org"),
                InstanceSettings(id="b", url="https://x.example.org/v1"),
            ]
        )


def test_a_registration_whose_id_the_configuration_has_taken_since_gets_another_one() -> None:
    registered = Registered(InstanceSettings(id="site", url="https://b.example.org"), {"name": "B"})
    known = merge([InstanceSettings(id="site", url="https://a.example.org")], [], [registered])
    assert [each.key for each in known if each.id == "site"] == ["https://a.example.org"]
    [other] = [each for each in known if each.key == "https://b.example.org"]
    assert other.id.startswith("site-")


def test_a_registration_adds_to_the_configuration_and_a_registry_to_both() -> None:
    url = "https://a.example.org"
    configured = InstanceSettings(id="site", url=url, zone="DE")
    registered = Registered(InstanceSettings(id="r", url=url, zone="FI", speed=2.0), {"name": "R", "description": "d"})
    listed = Listed(url, "L", Declared(zone="SE", speed=3.0, rework=0.5), ("https://registry.example.org",))
    [known] = merge([configured], [listed], [registered])
    assert (known.id, known.source) == ("site", "configuration")
    assert (known.settings.zone, known.settings.speed, known.settings.rework) == ("DE", 2.0, 0.5)
    assert known.service["description"] == "d"
    assert known.registries == ("https://registry.example.org",)


def test_one_registry_whose_word_is_taken_is_enough_to_name_a_private_address() -> None:
    url = "http://10.0.0.5"
    strange, own = Listed(url, "A", trusted=False), Listed(url, "A", trusted=True)
    assert [each.guarded for each in merge([], [strange])] == [True]
    assert [each.guarded for each in merge([], [strange, own])] == [False]
    assert [each.guarded for each in merge([InstanceSettings(id="a", url=url)], [strange])] == [False]
