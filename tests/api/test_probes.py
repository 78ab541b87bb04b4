"""Probes: what an orchestrator learns of a process, whatever address it comes under."""

from collections.abc import Iterator

import pytest
import requests

from protes.api.probes import Probes
from protes.store.protocols import StoreUnavailable
from tests.api.conftest import Api, problem_of
from tests.support.servers import serve_wsgi


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_needs_no_name_of_the_gateway(api: Api, path: str) -> None:
    answer = api.get(path, headers={"Host": "10.1.2.3:8080", "Origin": "https://elsewhere.example.org"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert api.call("HEAD", path, headers={"Host": "10.1.2.3:8080"}).status_code == 200


def test_only_probes_get_around_the_guard(api: Api) -> None:
    elsewhere = {"Host": "10.1.2.3:8080"}
    for method, path in (("GET", "/healthz/"), ("POST", "/healthz"), ("GET", "/w/0.3/readyz")):
        assert api.call(method, path, headers=elsewhere).status_code == 403, (method, path)


@pytest.fixture
def without_a_store() -> Iterator[str]:
    def look() -> None:
        raise StoreUnavailable("mongodb://user:a-password@db.example.org does not answer")

    with serve_wsgi(Probes(lambda environ, start_response: [], look)) as url:
        yield url


def test_without_a_store_it_lives_and_is_not_ready(without_a_store: str) -> None:
    assert requests.get(f"{without_a_store}/healthz", timeout=20).status_code == 200
    answer = requests.get(f"{without_a_store}/readyz", timeout=20)
    problem_of(answer, 503)
    assert "a-password" not in answer.text
