"""What real registries serve, and the filter over it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_registry_client import (
    ExternalService,
    Organization,
    Provenance,
    RegistryBody,
    ServiceType,
    filter_services,
)
from service_registry_client.parsing import (
    parse_json,
    parse_service,
    parse_service_info,
    parse_services,
    parse_types,
)
from tests.support.fake_registry import service_entry

REGISTRY = "https://registry.example.org/ga4gh/registry/v1"
TES = "https://tes.example.org/ga4gh/tes/v1"

IMPLEMENTATION: dict[str, Any] = {
    "id": "f944c20a-7910-42e2-8e2e-afb66e9ed4f7",
    "implementationId": "org.example.tesk",
    "name": "TESK @ Example",
    "url": "https://tesk.example.org",
    "implementationType": "SERVICE",
    "serviceInfoUrl": "https://tesk.example.org/ga4gh/tes/v1/service-info",
    "environment": "PRODUCTION",
    "curiePrefix": None,
    "organisation": {"orgId": "org.example", "name": "Example", "url": "https://example.org/"},
    "standardVersion": {"version": "1.0.0", "ga4ghProduct": "TES"},
    "geolocation": {"latitude": 60.2052, "longitude": 24.6522, "city": None, "country": "FI"},
    "implData": {"tes": {"tasksCount": None, "computeAvailability": None}},
}


def one(entry: object) -> ExternalService:
    return parse_service(entry, REGISTRY)


def test_the_specifications_shape_is_read_whole() -> None:
    entry = service_entry(
        TES,
        description="For tests",
        contactUrl="mailto:support@example.org",
        documentationUrl="https://docs.example.org",
        createdAt="2019-06-04T12:58:19Z",
        updatedAt="2020-06-04T12:58:19Z",
        environment="test",
        curiePrefix="x",
    )
    service = one(entry)
    assert service == ExternalService(
        id="JOMGD2",
        name="Service JOMGD2",
        type=ServiceType(group="org.ga4gh", artifact="tes", version="1.1.0"),
        organization=Organization("Example", "https://example.org"),
        version="1.0",
        description="For tests",
        contact_url="mailto:support@example.org",
        documentation_url="https://docs.example.org",
        created_at="2019-06-04T12:58:19Z",
        updated_at="2020-06-04T12:58:19Z",
        environment="test",
        extra={"curiePrefix": "x"},
        url=TES,
        provenance=Provenance(REGISTRY, "ga4gh", TES),
    )
    assert service.document() == entry


def test_the_implementation_registrys_shape_is_read() -> None:
    service = one(IMPLEMENTATION)
    assert service.type == ServiceType(group="org.ga4gh", artifact="tes", version="1.0.0")
    assert service.organization == Organization("Example", "https://example.org/", {"orgId": "org.example"})
    assert (service.url, service.service_info_url) == (IMPLEMENTATION["url"], IMPLEMENTATION["serviceInfoUrl"])
    assert service.provenance.dialect == "implementation-registry"
    assert service.version is None
    assert service.extra["geolocation"] == IMPLEMENTATION["geolocation"]
    assert service.extra["implData"] == IMPLEMENTATION["implData"]


@pytest.mark.parametrize(
    ("info_url", "preferred"),
    [
        (IMPLEMENTATION["serviceInfoUrl"], "https://tesk.example.org/ga4gh/tes/v1"),
        (" https://TESK.example.org//v1/service-info/ ", "https://tesk.example.org/v1"),
        ("https://tesk.example.org/service-info", "https://tesk.example.org"),
        ("https://elsewhere.example/tes/service-info", "https://elsewhere.example/tes"),
        (None, "https://tesk.example.org"),
        ("", "https://tesk.example.org"),
        ("https://tesk.example.org/ga4gh/tes/v1", "https://tesk.example.org"),
        ("https://tesk.example.org/my-service-info", "https://tesk.example.org"),
        ("/ga4gh/tes/v1/service-info", "https://tesk.example.org"),
        ("https://user:canary@tesk.example.org/service-info", "https://tesk.example.org"),
    ],
)
def test_where_service_info_is_tells_the_preferred_base(info_url: str | None, preferred: str) -> None:
    service = one({**IMPLEMENTATION, "serviceInfoUrl": info_url})
    assert (service.preferred_url, service.url) == (preferred, "https://tesk.example.org")


def test_without_such_an_address_the_url_is_preferred() -> None:
    assert one(service_entry(TES)).preferred_url == TES


# What registries in the wild have served: each entry, and what must become of it.
SEEN: dict[str, tuple[object, tuple[str, str] | None]] = {
    "upper-case artifact": (
        service_entry("https://1.example", type={"group": "org.ga4gh", "artifact": "TES", "version": "1.0"}),
        ("https://1.example", "org.ga4gh:TES:1.0"),
    ),
    "version as a number": (
        service_entry("https://2.example", type={"group": "org.ga4gh", "artifact": "tes", "version": 1.0}),
        ("https://2.example", "org.ga4gh:tes:1.0"),
    ),
    "no group": (
        service_entry("https://3.example", type={"artifact": "tes", "version": "1.1.0"}),
        ("https://3.example", "*:tes:1.1.0"),
    ),
    "bare origin": (service_entry("https://4.example"), ("https://4.example", "org.ga4gh:tes:1.1.0")),
    "/v1": (service_entry("https://5.example/v1"), ("https://5.example/v1", "org.ga4gh:tes:1.1.0")),
    "whole path": (
        service_entry("https://6.example/ga4gh/tes/v1/"),
        ("https://6.example/ga4gh/tes/v1", "org.ga4gh:tes:1.1.0"),
    ),
    "two slashes": (
        service_entry("https://7.example//ga4gh/tes/v1"),
        ("https://7.example/ga4gh/tes/v1", "org.ga4gh:tes:1.1.0"),
    ),
    "leading blank": (service_entry(" https://8.example"), ("https://8.example", "org.ga4gh:tes:1.1.0")),
    "service-info": (
        service_entry("https://9.example/ga4gh/tes/v1/service-info"),
        ("https://9.example/ga4gh/tes/v1", "org.ga4gh:tes:1.1.0"),
    ),
    "duplicate": (service_entry("https://4.example/"), None),
    "no serviceInfoUrl": (
        {**IMPLEMENTATION, "url": "https://10.example", "serviceInfoUrl": None},
        ("https://10.example", "org.ga4gh:tes:1.0.0"),
    ),
    "private address": (
        service_entry("http://10.42.28.180:4500"),
        ("http://10.42.28.180:4500", "org.ga4gh:tes:1.1.0"),
    ),
    "broken": ({"id": "broken"}, None),
    "good behind it": (service_entry("https://11.example"), ("https://11.example", "org.ga4gh:tes:1.1.0")),
}


def test_what_registries_have_served_is_understood_in_one_list() -> None:
    """The fixture list of STANDARDS.md 1.5; HTML with status 200 and the body `{}` are faults of a whole registry."""
    parsed = parse_services([entry for entry, _ in SEEN.values()], REGISTRY)
    assert [(each.url, str(each.type)) for each in parsed.services] == [known for _, known in SEEN.values() if known]
    assert len(parsed.warnings) == 2
    assert len(filter_services(parsed.services, group="org.ga4gh", artifact="tes", version="1.1.0")) == 12


@pytest.mark.parametrize(
    ("change", "read", "expected"),
    [
        (
            {"type": {"group": "org.ga4gh", "artifact": "TES", "version": 1.0}},
            lambda s: str(s.type),
            "org.ga4gh:TES:1.0",
        ),
        ({"type": {"artifact": " tes ", "version": 1}}, lambda s: str(s.type), "*:tes:1"),
        ({"type": {"artifact": "tes"}}, lambda s: str(s.type), "*:tes:*"),
        ({"type": {"artifact": "tes", "version": True}}, lambda s: s.type.version, None),
        ({"version": 2.5}, lambda s: s.version, "2.5"),
        ({"id": 7}, lambda s: s.id, "7"),
        ({"id": None}, lambda s: s.id, TES),
        ({"name": "  "}, lambda s: s.name, "JOMGD2"),
        ({"organization": "CSC"}, lambda s: s.organization, Organization("CSC")),
        ({"organization": [1]}, lambda s: s.organization, None),
        ({"description": {"en": "x"}}, lambda s: s.description, None),
        ({"serviceInfoUrl": None}, lambda s: s.service_info_url, None),
        ({"url": " https://h.example"}, lambda s: s.url, "https://h.example"),
        ({"url": " https://h.example"}, lambda s: s.provenance.listed_url, " https://h.example"),
        ({"url": "https://h.example/v1"}, lambda s: s.url, "https://h.example/v1"),
        ({"url": f"{TES}/"}, lambda s: s.url, TES),
        ({"url": "https://tes.example.org//ga4gh/tes/v1"}, lambda s: s.url, TES),
        ({"url": f"{TES}/service-info"}, lambda s: s.url, TES),
        ({"url": "http://10.42.28.180:4500"}, lambda s: s.url, "http://10.42.28.180:4500"),
    ],
)
def test_odd_fields_are_tolerated(
    change: dict[str, Any], read: Callable[[ExternalService], object], expected: object
) -> None:
    assert read(one({**service_entry(TES), **change})) == expected


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (None, "not an object"),
        ("https://tes.example.org", "not an object"),
        ({}, "no url"),
        ({**service_entry(TES), "url": None}, "no url"),
        ({**service_entry(TES), "url": "  "}, "no url"),
        ({**service_entry(TES), "url": "ftp://tes.example.org"}, "http"),
        ({**service_entry(TES), "url": "https://user:canary@tes.example.org"}, "user information"),
        ({**service_entry(TES), "type": None}, "no type"),
        ({**service_entry(TES), "type": "tes"}, "no type"),
        ({**service_entry(TES), "type": {"group": "org.ga4gh"}}, "no artifact"),
        ({**IMPLEMENTATION, "standardVersion": {"version": "1.0.0"}}, "ga4ghProduct"),
        ({**IMPLEMENTATION, "standardVersion": None}, "no type"),
    ],
)
def test_one_broken_entry_is_dropped_with_a_warning(broken: object, why: str) -> None:
    good = [service_entry("https://a.example"), service_entry("https://b.example")]
    parsed = parse_services([good[0], broken, good[1]], REGISTRY)
    assert [service.url for service in parsed.services] == ["https://a.example", "https://b.example"]
    (warning,) = parsed.warnings
    assert warning.startswith("entry 1")
    assert why in warning
    assert "canary" not in warning


def test_a_record_that_repeats_another_is_dropped_and_other_versions_are_not() -> None:
    entries = [service_entry(TES), service_entry(f" {TES}/", version="1.1.0"), service_entry(TES, version="1.0.0")]
    parsed = parse_services([*entries, service_entry(TES, artifact="drs")], REGISTRY)
    assert [str(service.type) for service in parsed.services] == [
        "org.ga4gh:tes:1.1.0",
        "org.ga4gh:tes:1.0.0",
        "org.ga4gh:drs:1.1.0",
    ]
    assert len(parsed.warnings) == 1


def test_warnings_are_limited_and_hold_no_control_characters() -> None:
    parsed = parse_services([{"id": "\x1b[31mred\n"}] * 1000, REGISTRY)
    assert len(parsed.warnings) == 101
    assert parsed.warnings[-1] == "and 900 more warnings"
    assert all(warning.isprintable() for warning in parsed.warnings)


@pytest.mark.parametrize("key", ["services", "items", "results"])
def test_a_list_within_an_object_is_found(key: str) -> None:
    assert len(parse_services({key: [service_entry(TES)], "total": 1}, REGISTRY).services) == 1


@pytest.mark.parametrize("document", [{}, {"services": {}}, {"data": []}, None, "x", 3])
def test_what_is_no_list_is_a_failure_of_the_registry(document: object) -> None:
    with pytest.raises(RegistryBody, match="not a list"):
        parse_services(document, REGISTRY)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html>", "HTML"),
        (b"  ", "empty"),
        (b"[", "not JSON"),
        (b"[NaN]", "not JSON"),
        (b"[1e999]", "not JSON"),
        (b"\xff\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[" + b"1" * 5000 + b"]", "not JSON"),
    ],
)
def test_what_is_no_json_is_a_failure_of_the_registry(body: bytes, kind: str) -> None:
    with pytest.raises(RegistryBody, match=kind):
        parse_json(body, REGISTRY)


def test_types_are_distinct_and_tolerant() -> None:
    listed = [{"artifact": "tes", "version": 1.0}, {"artifact": "tes", "version": "1.0"}, {"group": "x"}, None]
    assert parse_types(listed, REGISTRY) == (ServiceType(artifact="tes", version="1.0"),)


def test_a_service_info_needs_a_type() -> None:
    with pytest.raises(RegistryBody, match="no type"):
        parse_service_info({"id": "x"}, REGISTRY)


KEYS = st.sampled_from(["id", "url", "type", "organisation", "standardVersion", "ga4ghProduct", "artifact", "services"])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["tes", TES, "http://["])
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text(max_size=3)), inner)),
    max_leaves=20,
)
TYPES = st.sampled_from([None, "tes", {}, {"artifact": "tes"}, {"artifact": "TES", "version": 1.0}, {"version": "1"}])


@settings(deadline=None)
@given(DOCUMENTS)
def test_any_json_is_parsed_or_refused(document: object) -> None:
    for parse in (parse_services, parse_service, parse_service_info, parse_types):
        try:
            parse(document, REGISTRY)
        except RegistryBody:
            continue


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"url": st.sampled_from([TES, "x"])}, optional={"type": TYPES})))
def test_every_entry_is_a_service_or_a_warning(entries: list[dict[str, object]]) -> None:
    parsed = parse_services(entries, REGISTRY)
    assert len(parsed.services) + len(parsed.warnings) == len(entries)


@settings(deadline=None)
@given(DOCUMENTS, st.sampled_from([service_entry(TES), IMPLEMENTATION]))
def test_a_service_has_every_field_and_no_other(value: object, entry: dict[str, Any]) -> None:
    for name in entry:
        parsed = parse_services([{**entry, name: value}], REGISTRY)
        for service in parsed.services:
            assert vars(service).keys() == {field.name for field in dataclasses.fields(ExternalService)}
            assert dataclasses.replace(service) == service


@settings(deadline=None)
@given(st.binary(max_size=50))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        document = parse_json(body, REGISTRY)
    except RegistryBody:
        return
    json.dumps(document, allow_nan=False)


def listed(**kind: object) -> ExternalService:
    return one({**service_entry(TES), "type": kind})


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ({"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}, True),
        ({"group": "ORG.GA4GH", "artifact": "TES", "version": 1.0}, True),
        ({"artifact": "Tes"}, True),
        ({"artifact": "tes", "version": "unknown"}, True),
        ({"artifact": "tes", "version": "v1.2-rc"}, True),
        ({"artifact": "tes", "version": "0.4"}, True),
        ({"artifact": "tes", "version": "2.0.0"}, False),
        ({"artifact": "tes", "version": "V2"}, False),
        ({"artifact": "tes", "version": 2}, False),
        ({"artifact": "tes", "version": "9" * 5000}, True),
        ({"group": "org.example", "artifact": "tes"}, False),
        ({"artifact": "drs", "version": "1.1.0"}, False),
    ],
)
def test_the_filter_follows_the_type_and_distrusts_versions(kind: dict[str, object], fits: bool) -> None:
    service = listed(**kind)
    found = filter_services([service], group="org.ga4gh", artifact="TES", version="1.1.0")
    assert found == ((service,) if fits else ())


def test_the_filter_looks_only_at_what_it_is_given() -> None:
    services = [listed(artifact="tes", group="org.example", version="3"), listed(artifact="drs")]
    assert filter_services(services) == tuple(services)
    assert filter_services(services, group="ORG.EXAMPLE ") == (services[0],)
    with pytest.raises(ValueError, match="version"):
        filter_services(services, version="latest")
