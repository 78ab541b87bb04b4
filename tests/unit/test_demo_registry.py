"""The demo's registry, as WSGI application and through the registry client."""

from __future__ import annotations

import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from flask.testing import FlaskClient

from protes.demo.registry import create_registry_app
from service_registry_client import RegistryAnswer, RegistryClient
from tests.support.fake_registry import service_entry

SERVICES = [
    service_entry("http://127.0.0.1:8001/ga4gh/tes/v1", service_id="cheap"),
    service_entry("http://127.0.0.1:8002/ga4gh/tes/v1", service_id="fast/1"),
    service_entry("http://127.0.0.1:8003", service_id="drs", artifact="drs"),
]
BASE = "/ga4gh/registry/v1"


@pytest.fixture
def app() -> FlaskClient:
    return create_registry_app(SERVICES).test_client()


def test_the_calls_of_the_specification(app: FlaskClient) -> None:
    assert app.get(f"{BASE}/services").json == SERVICES
    assert app.get(f"{BASE}/services/cheap").json == SERVICES[0]
    assert app.get(f"{BASE}/services/fast%2F1").json == SERVICES[1]
    assert app.get(f"{BASE}/services/types").json == [SERVICES[0]["type"], SERVICES[2]["type"]]
    info = app.get(f"{BASE}/service-info").json
    assert info is not None
    assert info["type"] == {"group": "org.ga4gh", "artifact": "service-registry", "version": "1.0.0"}
    assert {"id", "name", "type", "organization", "version"} <= set(info)
    assert {"name", "url"} <= set(info["organization"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/services/nobody", 404), ("GET", "/nowhere", 404), ("POST", "/services", 405)],
)
def test_errors_have_the_specifications_shape(app: FlaskClient, method: str, path: str, status: int) -> None:
    answer = app.open(BASE + path, method=method)
    assert answer.status_code == status
    document: Any = answer.json
    assert document["status"] == status
    assert {"status", "title", "detail"} == set(document)


def test_an_unchanged_list_is_not_sent_again(app: FlaskClient) -> None:
    etag = app.get(f"{BASE}/services").headers["ETag"]
    answer = app.get(f"{BASE}/services", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")


@pytest.mark.parametrize(
    ("services", "wrong"),
    [([{"id": "x"}], "lacks name, type"), ([SERVICES[0], SERVICES[0]], "two services have the id 'cheap'")],
)
def test_what_the_specification_forbids_is_refused(services: list[dict[str, Any]], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        create_registry_app(services)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_the_registry_client_reads_it() -> None:
    with make_server("127.0.0.1", 0, create_registry_app(SERVICES), handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with RegistryClient(f"http://127.0.0.1:{server.server_port}{BASE}") as client:
                listing = client.services()
                assert [service.document() for service in listing] == SERVICES
                assert listing.etag is not None
                assert client.services(listing) is listing
                assert [client.service(service["id"]).id for service in SERVICES] == ["cheap", "fast/1", "drs"]
                assert [kind.artifact for kind in client.types()] == ["tes", "drs"]
                assert client.service_info().type.artifact == "service-registry"
                with pytest.raises(RegistryAnswer, match="no service with this id"):
                    client.service("nobody")
        finally:
            server.shutdown()
            thread.join()
