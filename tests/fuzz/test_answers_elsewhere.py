"""Answers of registries, DRS servers, token servers, issuers and storage: their own errors, or a clean result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from protes.auth.fetching import FetchFailed, fetch_keys
from protes.auth.keys import NotKeys, read_keys
from protes.callbacks.sending import _retry_after as of_receivers
from protes.cli.doctor.skew import skew_seconds
from protes.clock import SystemClock
from protes.config.auth import IssuerSettings
from protes.outbound.web import WebAnswer
from protes.sources import drs_objects
from protes.tes.error_mapping import from_status
from protes.tes.errors import DownstreamError
from protes.tes.token_server import TokenGrant, ask
from service_registry_client import RegistryClient, RegistryError
from service_registry_client.parsing import (
    parse_json,
    parse_service,
    parse_service_info,
    parse_services,
    parse_types,
    parse_verifications,
)
from tests.fuzz.mutations import hold, spoilt
from tests.support.inputs_tried import Tried, examples
from tests.support.scripted_server import ScriptedServer, answer

MANY = settings(max_examples=examples(80), suppress_health_check=list(HealthCheck), database=None)
SERVED = settings(MANY, max_examples=examples(25))
NO_JSON = object()

SERVICE = {
    "id": "org.example.tes",
    "name": "Example",
    "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
    "organization": {"name": "Example", "url": "https://example.org"},
    "url": "https://tes.example.org/ga4gh/tes/v1",
    "version": "1.0",
    "createdAt": "2024-05-01T10:00:00Z",
    "protes": {"prices": {"cpu_core_hour": "0.1"}, "queue_seconds": 5},
}
IMPLEMENTATION = {**SERVICE, "organisation": {"id": "x", "short_name": "X"}, "standardVersion": {"version": "1.1.0"}}
VERIFICATION = {"url": SERVICE["url"], "type": SERVICE["type"], "verified": True}
REGISTRY = [[SERVICE], [SERVICE, IMPLEMENTATION], {"services": [SERVICE], "next": "/services?page=2"}, SERVICE,
            [VERIFICATION], [SERVICE["type"]], {"items": [], "pagination": {"next_page_token": "x"}}]  # fmt: skip
DRS = [
    {
        "id": "a",
        "size": 5,
        "self_uri": "drs://drs.example.org/a",
        "checksums": [{"type": "md5", "checksum": "x"}],
        "access_methods": [
            {"type": "s3", "access_url": {"url": "s3://b/k", "headers": []}, "region": "eu-west-1", "cloud": "aws"},
            {"type": "https", "access_id": "x", "region": "aws:eu-west-1"},
        ],
        "contents": [{"name": "a", "size": 1, "contents": [{"name": "b", "size": "2"}]}],
    },
    {"url": "https://storage.example.org/signed?sig=x", "headers": ["Authorization: x"]},
]
TOKEN = [{"access_token": "abc", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r"},
         {"access_token": "a.eyJleHAiOjF9.c", "expires_on": "9999999999", "expires_in": "3599"},
         {"error": "invalid_client", "error_description": "no"}]  # fmt: skip
KEYS: list[dict[str, list[dict[str, Any]]]] = [
    {
        "keys": [
            {"kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "alg": "ES256", "key_ops": ["verify"],
             "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "2"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "3"},
            {"kty": "oct", "k": "AyM1"},
        ]
    }
]  # fmt: skip
ISSUER = [{"issuer": "ISSUER", "jwks_uri": "ISSUER/keys", "token_endpoint": "ISSUER/token"}]
URL = "https://registry.example.org"


def _flat(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _flat(each)


@pytest.mark.parametrize("parse", [parse_services, parse_service, parse_service_info, parse_types, parse_verifications])
def test_what_registries_answer(parse: Callable[[object, str], Any], tried: Tried) -> None:
    @MANY
    @given(spoilt(REGISTRY))
    def read(body: bytes) -> None:
        tried()
        try:
            parsed = parse(parse_json(body, URL), URL)
        except RegistryError as error:
            hold(len(str(error)) < 2000)
            return
        assert len(repr(parsed)) <= 20 * len(body) + 2000
        for service in getattr(parsed, "services", ()):
            json.dumps(service.document(), allow_nan=False)
            assert service.url.startswith(("http://", "https://"))
        assert all(len(each) < 1000 for each in getattr(parsed, "warnings", ()))

    read()


def test_a_registry_that_spoils_its_pages(tried: Tried) -> None:
    with ScriptedServer() as server, RegistryClient(server.url) as client:

        @SERVED
        @given(spoilt(REGISTRY), st.sampled_from([200, 200, 200, 304, 404, 500, 599]))
        def read(body: bytes, status: int) -> None:
            tried()
            route = server.on("*", "*", answer(status, body))
            try:
                for call in (client.services, client.verifications, client.types, client.service_info):
                    try:
                        call()
                    except RegistryError as error:
                        hold(len(str(error)) < 2000)
            finally:
                server.off(route)

        read()


def parsed(body: bytes) -> object:
    """Return what the gateway's readers would be given, `NO_JSON` where they would be given nothing."""
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return NO_JSON


def test_what_drs_servers_answer(tried: Tried) -> None:
    @MANY
    @given(spoilt(DRS))
    def read(body: bytes) -> None:
        tried()
        document = parsed(body)
        if not isinstance(document, dict):
            return
        size = drs_objects.size_of(document.get("size"))
        assert size is None or 0 <= size < 2**63
        whole = drs_objects.contents_size(document.get("contents"))
        assert whole is None or whole >= 0
        url = drs_objects.plain_url(document)
        assert url is None or len(url) < 10_000
        methods = drs_objects.usable_methods(document)
        assert len(methods) <= 64
        for method in methods:
            assert len(drs_objects.zone_of(method) or "") < 200
            assert isinstance(drs_objects.scheme_by(method), str)

    read()


def test_what_token_servers_answer(tried: Tried) -> None:
    clock = SystemClock()
    with ScriptedServer() as server:
        grant = TokenGrant(server.url + "/token", "client", SecretStr("canary-secret"))

        @SERVED
        @given(spoilt(TOKEN), st.sampled_from([200, 200, 200, 302, 400, 401, 500]))
        def read(body: bytes, status: int) -> None:
            tried()
            route = server.on("*", "*", answer(status, body))
            try:
                granted = ask(grant, clock, clock.monotonic() + 30)
                assert granted.lifetime_seconds > 0
                header = granted.bearer.authorization()
                assert header is not None
                assert header.isascii()
                assert header.isprintable()
            except DownstreamError as error:
                hold(len(str(error)) < 1000)
                hold("canary" not in str(error))
            finally:
                server.off(route)

        read()


def test_what_issuers_publish(tried: Tried) -> None:
    @MANY
    @given(spoilt(KEYS))
    def read(body: bytes) -> None:
        tried()
        document = parsed(body)
        if document is NO_JSON:
            return
        try:
            assert len(read_keys(document).keys) <= 100
        except NotKeys as problem:
            hold(len(str(problem)) < 200)

    read()


def test_what_issuers_answer(tried: Tried) -> None:
    clock = SystemClock()
    with ScriptedServer() as server:
        settings_ = IssuerSettings(name="local", issuer=server.url, audience=("protes",))

        @SERVED
        @given(spoilt(ISSUER), spoilt(KEYS), st.sampled_from([200, 200, 200, 301, 404, 500]))
        def read(discovery: bytes, keys: bytes, status: int) -> None:
            tried()
            found = answer(status, discovery.replace(b"ISSUER", server.url.encode()))
            routes = [server.on("*", "*", answer(status, keys)), server.on("GET", "/.well-known/*", found)]
            try:
                fetch_keys(settings_, 30.0, clock)
            except FetchFailed as error:
                hold(len(str(error)) < 2000)
            finally:
                for route in routes:
                    server.off(route)

        read()


@pytest.mark.parametrize("operations", [5, "verify", {"verify": 1}, True, None, []])
def test_a_key_with_odd_operations_is_left_out_alone(operations: object) -> None:
    """An issuer's one bad key must not take the good ones with it."""
    good: dict[str, Any] = {**KEYS[0]["keys"][1]}
    read = read_keys({"keys": [good, {**good, "kid": "odd", "key_ops": operations}]})
    assert {"2"} <= {key.key_id for key in read.keys} <= ({"2", "odd"} if operations is None else {"2"})


@pytest.mark.parametrize(
    "date", ["Wed, 01 May 99999999999999999999 10:00:00 GMT", "Wed, 01 May 2024 10:00:00 +99999999999999999999"]
)
def test_dates_that_no_calendar_has_are_no_dates(date: str) -> None:
    """Python's reader of dates raises OverflowError of them, which nobody expects."""
    now = datetime(2024, 5, 1, tzinfo=UTC)
    error = from_status(429, {"Retry-After": date}, "", post=False, instance="", now=now)
    assert getattr(error, "retry_after", 0) is None
    assert skew_seconds({"Date": date}, now, now) is None
    assert of_receivers(WebAnswer(429, {"retry-after": date}, b"", ""), now) == 0.0
