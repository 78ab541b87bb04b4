"""Dialects: what holds for each, and how servers are recognised."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from middleware.needs import Feature
from protes.tes.dialects import DIALECTS, Dialect, dialect_named, fingerprint, gateway_id
from protes.tes.dialects.base import FIELDS_OF_1_1
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
    assert ("backend_parameters" in dialect.takes_fields) == (dialect.limits.backend_parameters is None)
    if dialect.listing is not None:
        assert dialect.listing.page_size is None or 0 < dialect.listing.page_size < 2048
    if dialect.searchable is None:
        assert not dialect.read_your_writes
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
    for other in ALL:
        assert set(other.strip_tags) <= set(unknown.strip_tags)
        assert unknown.limits.unsupported >= other.limits.unsupported


@pytest.mark.parametrize(
    ("info", "headers", "name"),
    [
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
    assert fingerprint(info, headers).name == name


@pytest.mark.parametrize(("value", "read"), [(f" {GATEWAY} ", GATEWAY), ("short", None), ("a" * 65, None), ("", None)])
def test_gateway_ids(value: str, read: str | None) -> None:
    assert gateway_id({"X-Protes-Gateway": value}) == read
    assert gateway_id({}) is None


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="funnel, node, protes, unknown"):
        dialect_named("tesk")


@pytest.mark.parametrize(
    ("token", "following"),
    [("", None), ("None", None), ("N/A", None), ("null", None), (" ", None), ("abc", "abc"), ("0", "0")],
)
@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_tokens_that_mean_the_end(dialect: Dialect, token: str, following: str | None) -> None:
    assert dialect.next_token(Page((), token), 1000) == following


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
        ("tag", {"id": "a", "tags": {}, "name": ""}, True),
        ("tag", {"id": "a"}, True),
        ("name_prefix", {"id": "a", "name": "m-1 sum"}, True),
        ("name_prefix", {"id": "a", "name": "m-1"}, True),
        ("name_prefix", {"id": "a", "name": "m-10 sum"}, False),
        ("name_prefix", {"id": "a"}, True),
        ("scan", {"id": "a", "tags": {"protes_attempt": "m-1"}}, True),
        ("scan", {"id": "a", "name": "m-1"}, False),
        ("scan", {"id": "a"}, False),
        (None, {"id": "a"}, False),
    ],
)
def test_which_entry_carries_a_marker(searchable: Any, entry: dict[str, Any], carried: bool) -> None:
    assert Dialect(name="x", searchable=searchable).carries(entry, "m-1") == carried
