"""The calls of the specification, against a real server that answers as registries do."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from service_registry_client import (
    InvalidURL,
    Limits,
    Listing,
    RegistryAnswer,
    RegistryBody,
    RegistryClient,
    ServiceType,
    filter_services,
)
from service_registry_client.parsing import parse_services
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.scripted_server import ScriptedServer, Step, answer, answer_json

TES = "https://tes.example.org/ga4gh/tes/v1"
TOKEN = "canary-token"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(
        [service_entry(TES), service_entry("https://drs.example.org", service_id="D", artifact="drs")]
    ) as fake:
        yield fake


@pytest.fixture
def client(registry: FakeRegistry) -> Iterator[RegistryClient]:
    with RegistryClient(registry.url) as connected:
        yield connected


def urls(listing: Listing) -> list[str]:
    return [service.url for service in listing]


def test_services(client: RegistryClient) -> None:
    listing = client.services()
    assert urls(listing) == [TES, "https://drs.example.org"]
    assert len(listing) == 2
    assert listing.warnings == ()
    assert {service.provenance.registry for service in listing} == {client.base_url}


def test_service(client: RegistryClient) -> None:
    assert client.service("D").url == "https://drs.example.org"
    with pytest.raises(RegistryAnswer, match=r"HTTP 404: Scripted: no such service") as failure:
        client.service("nobody")
    assert (failure.value.status, failure.value.retryable) == (404, False)


def test_types(client: RegistryClient) -> None:
    assert client.types() == (
        ServiceType(group="org.ga4gh", artifact="tes", version="1.1.0"),
        ServiceType(group="org.ga4gh", artifact="drs", version="1.1.0"),
    )


def test_service_info(client: RegistryClient) -> None:
    info = client.service_info()
    assert info.id == "org.example.registry"
    assert str(info.type) == "org.ga4gh:service-registry:1.0.0"


def test_every_call_asks_for_json_over_one_connection(registry: FakeRegistry, client: RegistryClient) -> None:
    client.services()
    client.types()
    client.service_info()
    with pytest.raises(RegistryAnswer):
        client.service("nobody")
    client.services()
    for request in registry.server.requests():
        assert request.headers["Accept"] == "application/json"
        assert request.headers["User-Agent"] == "service-registry-client"
        assert "Authorization" not in request.headers
    assert registry.server.connections == 1


def test_calls_are_independent_of_each_other(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.headers = {"Set-Cookie": "session=canary; Path=/"}
    client.services()
    client.services()
    assert "Cookie" not in registry.server.requests()[-1].headers


@pytest.mark.parametrize("service_id", ["a/b", "../service-info?x=1#f", "%2e%2e", "a b", "ü", "types/", "..;"])
def test_ids_are_quoted_whole(registry: FakeRegistry, client: RegistryClient, service_id: str) -> None:
    registry.services = [service_entry(TES, service_id=service_id)]
    assert client.service(service_id).id == service_id


@pytest.mark.parametrize("service_id", ["", "types", ".", "..", "\ud800"])
def test_ids_that_cannot_be_are_not_asked_for(registry: FakeRegistry, client: RegistryClient, service_id: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be the id|surrogates"):
        client.service(service_id)
    assert registry.server.count() == 0


@pytest.mark.parametrize("suffix", ["", "/", "/services", "/services/", "/service-info"])
def test_the_base_url_is_understood_in_any_spelling(registry: FakeRegistry, suffix: str) -> None:
    with RegistryClient(registry.url + suffix) as client:
        assert client.base_url == registry.url
        assert len(client.services()) == 2


def test_what_is_no_base_url_is_refused_at_once() -> None:
    with pytest.raises(InvalidURL, match="query"):
        RegistryClient("https://registry.example.org/v1?key=canary")


def test_a_token_is_sent_and_never_shown(registry: FakeRegistry) -> None:
    registry.server.on("GET", registry.path("/services"), answer(401, "who are you?"))
    with RegistryClient(registry.url, TOKEN) as client:
        with pytest.raises(RegistryAnswer) as failure:
            client.services()
        assert TOKEN not in repr(client) + str(failure.value) + repr(vars(client))
    assert registry.server.requests()[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("token", ["", "canary\r\nX: y", "canary ü", "canary x"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as refusal:
        RegistryClient("https://registry.example.org", token)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"status": 404, "title": "Not found", "detail": "no such id"}, "Not found: no such id"),
        (
            {"timestamp": "2020-08-14T17:14:13Z", "status": 404, "error": "Not Found", "message": "gone"},
            "Not Found: gone",
        ),
        ({"msg": "gone\x1b[31m", "status_code": 500}, "gone"),
        ({"title": 5, "detail": ["x"]}, "HTTP 404"),
        (["x"], "HTTP 404"),
    ],
)
def test_errors_in_any_shape_are_understood(
    registry: FakeRegistry, client: RegistryClient, body: object, text: str
) -> None:
    registry.server.on("GET", registry.path("/services"), answer_json(body, 404))
    with pytest.raises(RegistryAnswer) as failure:
        client.services()
    assert failure.value.status == 404
    assert text in str(failure.value)
    assert str(failure.value).isprintable()


def test_a_packed_answer_is_unpacked(registry: FakeRegistry, client: RegistryClient) -> None:
    body = gzip.compress(json.dumps([service_entry(TES)]).encode())
    registry.server.on("GET", "*", answer(200, body, "application/json", Content_Encoding="gzip"))
    assert urls(client.services()) == [TES]
    assert registry.server.requests()[0].headers["Accept-Encoding"] == "gzip"


# Unchanged lists


def test_an_etag_given_is_sent_back(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.etags = True
    registry.headers = {"Cache-Control": "max-age=100"}
    first = client.services()
    registry.headers = {"Cache-Control": "no-store"}
    again = client.services(first)
    assert (again.services, again.etag) == (first.services, first.etag)
    assert (first.max_age_seconds, first.no_store) == (100, False)
    assert (again.max_age_seconds, again.no_store) == (None, True)
    registry.headers = {}
    assert client.services(first) is first
    registry.services = []
    assert len(client.services(first)) == 0
    asked = [request.headers.get("If-None-Match") for request in registry.server.requests()]
    assert asked == [None, first.etag, first.etag, first.etag]


def test_not_modified_without_having_asked_is_an_error(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.server.on("GET", "*", answer(304))
    with pytest.raises(RegistryAnswer, match="304"):
        client.services()


@pytest.mark.parametrize(
    ("header", "max_age", "no_store"),
    [
        ("", None, False),
        ("public, max-age=120", 120, False),
        ('Max-Age="7"', 7, False),
        ("max-age=-1", None, False),
        ("no-cache, no-store", 0, True),
        ("no-cache", 0, False),
    ],
)
def test_cache_control(
    registry: FakeRegistry, client: RegistryClient, header: str, max_age: int | None, no_store: bool
) -> None:
    registry.headers = {"Cache-Control": header}
    listing = client.services()
    assert (listing.max_age_seconds, listing.no_store) == (max_age, no_store)


@pytest.mark.parametrize("etag", ["unquoted", '"a"b"', '"ü"'])
def test_an_etag_that_is_none_is_not_sent_back(registry: FakeRegistry, client: RegistryClient, etag: str) -> None:
    registry.headers = {"ETag": etag}
    assert client.services().etag is None


# Pages


def page(number: int, following: str | None, **headers: str) -> Step:
    if following is not None:
        headers["Link"] = f'<http://elsewhere.example/>; rel="first", <{following}>; rel="next"'
    return answer_json([service_entry(f"https://tes{number}.example.org")], **headers)  # type: ignore[arg-type]


@pytest.fixture
def pages() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on("GET", "/services", page(0, "/page/1", ETag='"x"'))
        server.on("GET", "/page/1", page(1, "2?size=1"))
        server.on("GET", "/page/2", page(2, None))
        yield server


def read(server: ScriptedServer, limits: Limits | None = None) -> Listing:
    with RegistryClient(server.url, limits=limits) as client:
        return client.services()


def test_pages_are_followed_in_order(pages: ScriptedServer) -> None:
    listing = read(pages)
    assert urls(listing) == [f"https://tes{number}.example.org" for number in range(3)]
    assert listing.warnings == ()
    assert listing.etag is None


@pytest.mark.parametrize("following", ["http://elsewhere.example/services", "https://127.0.0.1/x", "ftp://x", "//x/y"])
def test_a_page_at_another_origin_is_not_read(pages: ScriptedServer, following: str) -> None:
    pages.on("GET", "/page/1", page(1, following))
    listing = read(pages)
    assert len(listing) == 2
    assert "another origin" in listing.warnings[0]


def test_a_link_that_is_no_address_ends_the_list(pages: ScriptedServer) -> None:
    pages.on("GET", "/page/1", page(1, "http://["))
    assert len(read(pages)) == 2


def test_pages_that_go_in_circles_end(pages: ScriptedServer) -> None:
    pages.on("GET", "/page/2", page(2, "/page/1"))
    listing = read(pages)
    assert len(listing) == 3
    assert "read before" in listing.warnings[0]


def test_pages_without_end_are_cut_off() -> None:
    with ScriptedServer() as server:
        server.on("GET", "/services", page(0, "/page/1"))
        server.on(
            "GET", "/page/{n}", lambda r: answer_json([], 200, Link=f"</page/{int(r.params['n']) + 1}>; rel=next")
        )
        listing = read(server)
        assert server.count() == 50
    assert listing.warnings == ("only the first 50 pages were read",)


def test_lists_without_end_are_cut_off(pages: ScriptedServer) -> None:
    entries = [service_entry(f"https://tes.example.org/{number}") for number in range(5)]
    pages.on("GET", "/page/1", answer_json(entries))
    listing = read(pages, Limits(max_entries=3))
    assert len(listing) == 3
    assert listing.warnings == ("only the first 3 entries were read",)
    assert read(pages, Limits(max_entries=6)).warnings == ()
    assert pages.count("GET", "/page/2") == 0


def test_a_page_that_fails_fails_the_call(pages: ScriptedServer) -> None:
    pages.on("GET", "/page/2", answer(500))
    with pytest.raises(RegistryAnswer, match="500"):
        read(pages)


def test_the_size_limit_is_for_all_pages_together(pages: ScriptedServer) -> None:
    size = len(json.dumps([service_entry("https://tes0.example.org")]))
    assert len(read(pages, Limits(max_body_bytes=3 * size))) == 3
    with pytest.raises(RegistryBody, match="bytes"):
        read(pages, Limits(max_body_bytes=3 * size - 1))


def test_host_of_the_pages_is_the_one_asked(pages: ScriptedServer) -> None:
    read(pages)
    assert {request.headers["Host"] for request in pages.requests()} == {urlsplit(pages.url).netloc}


# Size


def test_ten_thousand_services_are_read_with_the_usual_limits(registry: FakeRegistry, client: RegistryClient) -> None:
    filler = {
        "description": "Runs tasks for the members of a research infrastructure, on their own computers.",
        "contactUrl": "mailto:helpdesk@example.org",
        "documentationUrl": "https://docs.example.org/ga4gh/tes",
        "createdAt": "2024-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
        "environment": "prod",
    }
    registry.services = [
        service_entry(
            f"https://tes{number}.site{number % 100}.example.org/ga4gh/tes/v1", service_id=f"{number}", **filler
        )
        for number in range(10_000)
    ]
    assert len(json.dumps(registry.services)) > 5 * 2**20
    listing = client.services()
    assert (len(listing), listing.warnings) == (10_000, ())


def test_ten_thousand_services_are_understood_in_no_time() -> None:
    entries = [service_entry(f"https://tes{number}.example.org/ga4gh/tes/v1") for number in range(10_000)]

    def spent() -> float:
        started = time.process_time()
        parsed = parse_services(entries, "https://registry.example.org")
        assert len(filter_services(parsed.services, artifact="tes", version="1.1.0")) == 10_000
        return time.process_time() - started

    # A tenth of this on a quiet machine; what must not happen is that it grows with the square of the number.
    assert min(spent() for _ in range(3)) < 1.5
