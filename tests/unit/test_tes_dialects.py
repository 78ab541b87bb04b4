"""Dialects: what holds for each, and how servers are recognised."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from middleware.cromwell import CromwellRule
from middleware.needs import Feature
from protes.config.instances import InstanceSettings
from protes.tes.dialects import DIALECTS, Dialect, dialect_named, fingerprint, gateway_id
from protes.tes.dialects.base import CAREFUL, FIELDS_OF_1_1
from protes.tes.errors import DownstreamError, Refused, ServerFault, TimedOut
from protes.tes.read import Page

ALL = sorted(DIALECTS.values(), key=lambda dialect: dialect.name)
GATEWAY = "0b9df6a4-7f3d-4e0c-9c53-3c2d9d1f7a11"


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_what_holds_for_every_dialect(dialect: Dialect) -> None:
    assert dialect_named(dialect.name) is dialect
    assert dialect.takes_fields <= FIELDS_OF_1_1
    assert dialect.limits.unsupported <= set(get_args(Feature))
    for field in ("ignore_error", "path_prefix"):
        assert (field in dialect.limits.unsupported) == (field not in dialect.takes_fields), (
            "dropped, so not sent there"
        )
    assert ("backend_parameters" in dialect.takes_fields) == (dialect.limits.backend_parameters != frozenset())
    assert ("backend_parameters" in dialect.takes_fields) == ("backend_parameters_strict" in dialect.takes_fields)
    assert {right for _, right in dialect.limits.parameter_aliases} <= (dialect.limits.backend_parameters or set())
    assert dialect.limits.own_paths_rule in (None, *get_args(CromwellRule))
    assert dialect.service_info_path in ("/service-info", "/tasks/service-info")
    if dialect.listing is not None:
        assert dialect.listing.page_size is None or 0 < dialect.listing.page_size < 2048
        assert dialect.listing.floor_seconds <= dialect.poll_floor_seconds, "sweeps are as far apart as polls"
    if dialect.searchable is None:
        assert not dialect.read_your_writes
    if dialect.searchable == "scan":
        assert dialect.search_view != "MINIMAL", "which shows no tags"
        assert not dialect.other_view_on_loss, "a view without tags would make a search blind"
    if dialect.late_commit_seconds is not None:
        assert dialect.read_your_writes, "absence is certain nowhere else"
    assert hash(dialect)


def test_an_unknown_server_is_believed_nothing() -> None:
    unknown = dialect_named("unknown")
    assert not unknown.read_your_writes
    assert unknown.late_commit_seconds is None
    assert not unknown.final_error
    assert not unknown.cancel_stops_work
    assert unknown.listing is None
    assert unknown.integer_cpu
    assert not unknown.takes_fields
    assert unknown.limits.unsupported == CAREFUL
    for other in ALL:
        assert set(other.strip_tags) <= set(unknown.strip_tags)
        assert other.poll_floor_seconds <= unknown.poll_floor_seconds or other.name in ("tesk", "tesazure")


def test_there_is_a_dialect_for_each_family() -> None:
    assert list(DIALECTS) == [
        "protes",
        "node",
        "funnel",
        "funnel-0.11",
        "tesp",
        "tesp-sh",
        "ga4gh-tes",
        "tesk",
        "tesazure",
        "funnel-0.10",
        "protes-2023",
        "mock-tes",
        "unknown",
    ]


AZURE = {"name": "GA4GH Task Execution Service", "description": "GA4GH TES on Azure", "id": "x", "type": {}}
LEGACY = "/tasks/service-info"


@pytest.mark.parametrize(
    ("info", "headers", "name"),
    [
        ({"id": "org.ga4gh.funnel"}, {}, "funnel-0.11"),
        *(
            ({"id": "org.ga4gh.funnel", "type": {"artifact": "tes", "version": version}}, {}, name)
            for version, name in [
                ("0.11.8", "funnel"),
                ("v0.11.8", "funnel"),
                ("0.11.12", "funnel"),
                ("v0.12.2-5-gabcdef", "funnel"),
                ("0.12.0-rc.1", "funnel"),
                ("0.13.0", "funnel"),
                ("0.11.7", "funnel-0.11"),
                ("0.11.8-rc.2", "funnel-0.11"),
                ("0.11.0", "funnel-0.11"),
                ("0.9.0", "funnel-0.11"),
                ("unknown", "funnel-0.11"),
                ("", "funnel-0.11"),
                ("1.1.0", "funnel-0.11"),
                ("0.12", "funnel-0.11"),
                (0.12, "funnel-0.11"),
                (None, "funnel-0.11"),
            ]
        ),
        ({"id": "uk.ac.ebi.tsc.tesk", "type": {"artifact": "tes", "version": "1.0"}}, {}, "tesk"),
        ({"id": "fi.example", "type": {"artifact": "TES", "version": "1.0"}}, {}, "tesk"),
        ({"id": "fi.example", "type": {"artifact": "TES", "version": 1.0}}, {}, "tesk"),
        ({"id": "fi.example", "type": {"artifact": "tes", "version": "1.0"}}, {}, "unknown"),
        ({"id": "fi.example", "type": {"artifact": "TES", "version": "1.1.0"}}, {}, "unknown"),
        ({"id": "fi.muni.cz.tesp", "type": {"artifact": "tes", "version": "1.0.0"}}, {}, "tesp"),
        (AZURE, {}, "ga4gh-tes"),
        ({**AZURE, "description": "", "tesResources_backend_parameters": ["vm_size"]}, {}, "ga4gh-tes"),
        ({**AZURE, "description": "my own", "tesResources_backend_parameters": ["queue"]}, {}, "unknown"),
        ({**AZURE, "name": "TES"}, {}, "unknown"),
        ({"doc": "Proxy TES", "name": "proTES", "storage": []}, {}, "protes-2023"),
        ({"id": "org.example", "name": "proTES"}, {}, "unknown"),
        ({"id": "org.ga4gh.protes.node"}, {}, "node"),
        ({"id": "org.ga4gh.funnel", "type": {"version": "0.12.2"}}, {}, "funnel"),
        ({"id": "org.example.anything"}, {"x-protes-gateway": GATEWAY}, "protes"),
        ({"id": "org.ga4gh.funnel"}, {"X-Protes-Gateway": GATEWAY}, "protes"),
        ({"id": "org.example.anything"}, {"X-Protes-Gateway": "no id at all!"}, "unknown"),
        ({"name": "Funnel", "type": {"version": "1.1.0"}}, {}, "unknown"),
        ({"id": ["org.ga4gh.funnel"]}, {}, "unknown"),
        ({}, {}, "unknown"),
    ],
)
def test_fingerprints(info: dict[str, Any], headers: dict[str, str], name: str) -> None:
    assert fingerprint(info, headers, "/service-info").name == name


@pytest.mark.parametrize(
    ("info", "path", "name"),
    [
        ({"name": "TES API Server for Azure Compute", "doc": "", "storage": []}, LEGACY, "tesazure"),
        ({"name": "GA4GH Task Execution Service", "doc": "GA4GH TES on Azure"}, LEGACY, "ga4gh-tes"),
        ({"name": "x", "doc": "d", "taskStateCounts": {"RUNNING": 1}}, LEGACY, "funnel-0.10"),
        ({"name": "Funnel", "doc": "d"}, LEGACY, "funnel-0.10"),
        ({"name": "Funnel", "doc": "d"}, "/service-info", "unknown"),
        ({"id": "x", "taskStateCounts": {}}, LEGACY, "unknown"),
        ({"name": "proTES", "doc": "d"}, LEGACY, "protes-2023"),
        ({}, LEGACY, "mock-tes"),
        ({}, "/service-info", "unknown"),
        ({}, "", "unknown"),
    ],
)
def test_fingerprints_where_the_path_tells(info: dict[str, Any], path: str, name: str) -> None:
    assert fingerprint(info, {}, path).name == name
    assert fingerprint(info, {"X-Protes-Gateway": GATEWAY}, path).name == "protes"


@pytest.mark.parametrize(("value", "read"), [(f" {GATEWAY} ", GATEWAY), ("short", None), ("a" * 65, None), ("", None)])
def test_gateway_ids(value: str, read: str | None) -> None:
    assert gateway_id({"X-Protes-Gateway": value}) == read
    assert gateway_id({}) is None


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"'klingon'; known are funnel, .*, tesazure, tesk, tesp, tesp-sh, unknown"):
        dialect_named("klingon")


def test_the_settings_take_only_names_that_there_are() -> None:
    for name in DIALECTS:
        assert InstanceSettings(id="a", url="https://a.example.org", dialect=name).dialect == name
    with pytest.raises(ValidationError, match="known are funnel, "):
        InstanceSettings(id="a", url="https://a.example.org", dialect="klingon")


@pytest.mark.parametrize(
    ("token", "following"),
    [("", None), ("None", None), ("N/A", None), ("null", None), (" ", None), ("abc", "abc"), ("0", "0")],
)
@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_tokens_that_mean_the_end(dialect: Dialect, token: str, following: str | None) -> None:
    page_size = 2 if following is None else 1
    assert dialect.next_token(Page((("a", {"id": "a"}),), token), page_size) == following


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (Refused(404, "Job with ID=x not found."), True),
        (Refused(404), True),
        (Refused(410), True),
        (Refused(400, "Invalid ID"), True),
        (Refused(400, "'x' is not a valid ObjectId"), True),
        (ServerFault(500, "task not found"), True),
        (Refused(400, "view: unknown"), False),
        (Refused(401), False),
        (ServerFault(500, "boom"), False),
        (ServerFault(502, "task not found"), False),
        (TimedOut("late"), False),
    ],
)
def test_what_counts_as_missing(error: DownstreamError, missing: bool) -> None:
    assert dialect_named("unknown").is_missing(error) == missing


@pytest.mark.parametrize(
    ("searchable", "entry", "carried"),
    [
        ("tag", {"id": "a", "tags": {"protes_attempt": "m-1"}}, True),
        ("tag", {"id": "a", "tags": {"protes_attempt": "m-11"}}, False),
        ("tag", {"id": "a", "tags": {"other": "m-1"}, "name": "m-1"}, False),
        ("tag", {"id": "a", "tags": {}, "name": ""}, None),
        ("tag", {"id": "a"}, None),
        ("name_prefix", {"id": "a", "name": "m-1 sum"}, True),
        ("name_prefix", {"id": "a", "name": "m-1"}, True),
        ("name_prefix", {"id": "a", "name": "m-10 sum"}, False),
        ("name_prefix", {"id": "a"}, None),
        ("scan", {"id": "a", "tags": {"protes_attempt": "m-1"}}, True),
        ("scan", {"id": "a", "name": "m-1"}, False),
        ("scan", {"id": "a"}, False),
        (None, {"id": "a"}, False),
    ],
)
def test_which_entry_carries_a_marker(searchable: Any, entry: dict[str, Any], carried: bool | None) -> None:
    minimal = Dialect(name="x", searchable=searchable, search_view="MINIMAL")
    assert minimal.carries(entry, "m-1") is (carried if searchable is not None else None)
    # A view that shows tags and names has somebody else's task where it shows neither.
    basic = Dialect(name="x", searchable=searchable, search_view="BASIC")
    assert basic.carries(entry, "m-1") is bool(carried)
