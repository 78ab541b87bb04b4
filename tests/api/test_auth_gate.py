"""Everything needs a caller but what is meant to be open, however its path is spelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

import openapi
from protes.clock import ManualClock
from tests.api.conftest import ORIGIN, TASK, Api, problem_of, serving
from tests.support.auth import OPERATOR_TOKEN, bearer, issuer_settings, oidc
from tests.support.issuer import Issuer
from tests.support.servers import serve_wsgi

TASKS = "/ga4gh/tes/v1/tasks"
DOCUMENTS = {
    "tes.yaml": ("/ga4gh/tes/v1", "/v1"),
    "task-info.yaml": ("/ga4gh/tes/v1", "/v1"),
    "tes-compat.yaml": ("/v1",),
    "protes.yaml": ("/protes/v1",),
    "execution-broker.yaml": ("/ivoa/execution-broker/v1",),
    "service-registry.yaml": ("/ga4gh/registry/v1",),
}
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def _operations() -> Iterator[tuple[str, str]]:
    for name, bases in DOCUMENTS.items():
        for path, item in openapi.document(name)["paths"].items():
            for method in sorted(set(METHODS) & set(item)):
                yield from ((method.upper(), base + path) for base in bases)


EVENTS = "/protes/v1/events"
OPERATIONS = sorted(set(_operations()))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def gate(issuer: Issuer) -> Iterator[Api]:
    server = {"operator_token": OPERATOR_TOKEN, "cors_origins": [ORIGIN]}
    profiles = {"cheap": {"weight": "0"}}
    with serving(auth=oidc(issuer_settings(issuer)), server=server, profiles=profiles) as api:
        issuer.clock = api.clock
        yield api


def test_every_operation_there_is_needs_a_caller(gate: Api) -> None:
    assert len(OPERATIONS) > 30
    opened = []
    for method, path in OPERATIONS:
        for root in ("", "/w/0.3", "/profiles/cheap", "/w/0.3/profiles/cheap"):
            answer = gate.call(method, root + path.replace("{", "").replace("}", ""))
            if path.endswith("/service-info"):
                opened.append(path)
                assert answer.status_code == 200, path
            else:
                assert (answer.status_code, method, path) == (401, method, path)
    assert set(opened) == {
        "/ga4gh/tes/v1/service-info",
        "/v1/service-info",
        "/v1/tasks/service-info",
        "/ga4gh/registry/v1/service-info",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/ga4gh/tes/v1",
        "/ga4gh/tes/v2/tasks",
        "//ga4gh//tes/v1///tasks//",
        "/GA4GH/tes/v1/tasks",
        "/w/9/ga4gh/tes/v1/tasks",
        "/w/x/ga4gh/tes/v1/service-info",
        "/profiles/nobodys/ga4gh/tes/v1/tasks",
        "/%67a4gh/tes/v1/tasks",
        "/ga4gh/tes/v1/ui/../tasks",
        "/ga4gh/tes/v1/service-info/../tasks",
        "/ga4gh/tes/v1/service-info;x/tasks",
        "/ga4gh/tes/v1/tasks?/service-info",
        "/ga4gh/tes/v1/tasks/service-info",
        "/ga4gh/tes/v1/tasks%3F/ui/",
        "/ga4gh/tes/v1/uiop",
        "/dashboards",
        "/protes/v1/events",
        "/protes/v1/me/instances",
        "/healthz/",
        "/readyz/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND", "OPTIONS", "HEAD"])
def test_no_spelling_of_a_path_gets_by(gate: Api, path: str, method: str) -> None:
    request = requests.Request(method, gate.url + "/").prepare()
    request.url = gate.url + path  # as it is: the library would tidy it up
    with requests.Session() as session:
        assert session.send(request, allow_redirects=False, timeout=20).status_code == 401


@pytest.mark.parametrize("path", ["/ga4gh/tes/v1/service-info", "/", "/ga4gh/tes/v1/ui/", "/ga4gh/tes/v1/openapi.json"])
def test_only_reading_is_open(gate: Api, path: str) -> None:
    assert gate.get(path).status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert gate.call(method, path).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/ga4gh/tes/v1/ui/", "/protes/v1/ui/"])
def test_what_says_nothing_of_anybody_is_open(gate: Api, path: str) -> None:
    assert gate.get(path).status_code == 200
    assert gate.get(path, headers=bearer("of-another-service")).status_code == 200


def test_a_preflight_is_anonymous_as_browsers_send_it(gate: Api) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = gate.call("OPTIONS", TASKS, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()


def test_a_page_that_may_call_sees_that_it_is_refused(gate: Api) -> None:
    answer = gate.get(TASKS, headers={"Origin": ORIGIN})
    problem_of(answer, 401)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.headers["Vary"]
    foreign = gate.get(TASKS, headers={"Origin": "https://evil.example.org"})
    assert foreign.status_code == 403
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_the_callers_root_tells_nothing_to_strangers(gate: Api, issuer: Issuer) -> None:
    path = "/profiles/nobodys/ga4gh/tes/v1/tasks"
    assert "cheap" not in gate.get(path).text
    assert "cheap" in problem_of(gate.get(path, headers=bearer(issuer.token())), 404)["detail"]


# Roles


def _role_settings(issuer: Issuer, **rules: Any) -> dict[str, Any]:
    claims = {"groups": "entitlements", "roles": "realm_access.roles", "tenant": "org.id"}
    return issuer_settings(issuer, claims=claims, roles=rules)


@pytest.fixture(scope="module", name="their")
def _their() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def ruled(their: Issuer) -> Iterator[Api]:
    rules = {
        "operator": {"roles": ["protes-admin"], "subjects": ["root"]},
        "reader": {"groups": ["urn:auditors"]},
        "user": {"groups": ["urn:biobank"]},
    }
    with serving(auth=oidc(_role_settings(their, **rules))) as api:
        their.clock = api.clock
        yield api


def admin(issuer: Issuer) -> dict[str, str]:
    return bearer(issuer.token("ada", realm_access={"roles": ["protes-admin"]}))


def auditor(issuer: Issuer, *more: str) -> dict[str, str]:
    return bearer(issuer.token("eve", entitlements=["urn:auditors", *more]))


def user(issuer: Issuer) -> dict[str, str]:
    return bearer(issuer.token("ann", entitlements="urn:biobank", org={"id": "uni"}))


SERVICE = {
    "id": "x",
    "name": "x",
    "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
    "organization": {"name": "o", "url": "https://example.org"},
    "version": "1",
    "url": "https://192.0.2.7/ga4gh/tes/v1",
}


def test_an_operator_by_role_may_do_what_the_token_may(ruled: Api, their: Issuer) -> None:
    path = "/ga4gh/registry/v1/services/x"
    assert ruled.call("PUT", path, json=SERVICE, headers=admin(their)).status_code in (200, 201)
    assert ruled.call("DELETE", path, headers=admin(their)).status_code in (200, 204)
    assert ruled.get("/protes/v1/instances", headers=bearer(their.token("root"))).status_code == 200
    refused = ruled.call("PUT", path, json=SERVICE, headers=user(their))
    assert "role operator" in problem_of(refused, 403)["detail"]


def test_a_reader_changes_nothing(ruled: Api, their: Issuer) -> None:
    for method, path in OPERATIONS:
        if path == EVENTS:
            continue  # its answer does not end
        answer = ruled.call(method, path.replace("{", "").replace("}", ""), headers=auditor(their))
        assert answer.status_code == 403 if method != "GET" else answer.status_code not in (401, 403), path
    assert ruled.get(TASKS, headers=auditor(their)).status_code == 200
    assert "reader" in problem_of(ruled.post(TASKS, dict(TASK), headers=auditor(their)), 403)["detail"]
    both = auditor(their, "urn:biobank")
    assert ruled.post(TASKS, dict(TASK), headers=both).status_code == 200


def test_only_those_who_are_meant_to_be_users_are(ruled: Api, their: Issuer) -> None:
    assert ruled.get(TASKS, headers=user(their)).status_code == 200
    stranger = ruled.get(TASKS, headers=bearer(their.token("who")))
    assert "ask its operator" in problem_of(stranger, 403)["detail"]
    for entitlements in ([], "urn:biobanks", {"urn:biobank": 1}, [["urn:biobank"]], 7, None):
        shown = bearer(their.token("who", entitlements=entitlements))
        assert ruled.get(TASKS, headers=shown).status_code == 403


def test_the_gatekeeper_is_in_front_of_whatever_app_there_is(gate: Api) -> None:
    with serve_wsgi(gate.gateway.wsgi) as url:
        assert requests.get(f"{url}/never-heard-of", timeout=20).status_code == 401
