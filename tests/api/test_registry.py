"""The gateway as a GA4GH Service Registry of its instances, and registering them at run time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft4Validator

import openapi
from protes.app import create_gateway
from protes.config.instances import Declared
from protes.config.loading import load
from protes.store.factory import create_stores
from service_registry_client import RegistryClient
from tests.api.conftest import OPERATOR_TOKEN, TASK, Api, problem_of, serving
from tests.support.fake_tes import FakeTes
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

BASE = "/ga4gh/registry/v1"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
SERVER = {"operator_token": OPERATOR_TOKEN}
ENTRY = {
    "name": "Site A",
    "type": {"group": "org.ga4gh", "artifact": "TES", "version": "1.0"},
    "url": "https://a.example.org",
}
ACCESS = {
    "use": "access",
    "options": {
        "rules": [{"instances": ["closed"], "groups": ["staff"]}, {"instances": ["tagged"], "tags": {"a": "b"}}]
    },
}
INSTANCES: list[dict[str, Any]] = [
    {
        "id": "open",
        "url": "https://open.example.org",
        "speed": 2,
        "zone": "DE",
        "prices": {"cpu_core_hour": "0.05"},
        "limits": {"max_cpu_cores": 8, "input_schemes": ["https"]},
    },
    {"id": "closed", "url": "https://closed.example.org", "drain": True},
    {"id": "tagged", "url": "https://tagged.example.org"},
]


@pytest.fixture(name="registry")
def _registry() -> Iterator[Api]:
    credentials = {"site": {"type": "bearer", "secret_env": "SITE", "hosts": ["site.example.org"]}}
    profiles = {
        "two": {"instances": ["tagged", "https://closed.example.org/v1"]},
        "free": {"chain": [{"use": "random"}]},
    }
    settings: dict[str, Any] = {
        "instances": INSTANCES,
        "chain": [ACCESS, {"use": "random"}],
        "profiles": profiles,
        "server": SERVER,
    }
    with serving(**settings, credentials=credentials, environ={"SITE": "secret-of-the-site"}) as api:
        yield api


def assert_fits(schema: str, answer: Any) -> None:
    """Assert that an answer fits a schema of the document."""
    document = yaml.safe_load(openapi.path("service-registry.yaml").read_text(encoding="utf-8"))
    validator = Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})
    assert not [error.message for error in validator.iter_errors(answer)]


def register(api: Api, method: str = "POST", path: str = "", **fields: Any) -> requests.Response:
    """Register ENTRY with these fields, as the operator."""
    return api.call(method, f"{BASE}/services{path}", json={**ENTRY, **fields}, headers=OPERATOR)


def ids(answer: requests.Response) -> list[str]:
    """Return the ids of a list of services."""
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()]


def test_instances_are_services(registry: Api) -> None:
    answer = registry.get(f"{BASE}/services").json()
    assert isinstance(answer, list)
    for each in answer:
        assert_fits("ExternalService", each)
        assert registry.get(f"{BASE}/services/{each['id']}").json() == each
    [service] = [each for each in answer if each["id"] == "open"]
    assert service["type"] == {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}
    assert service["url"] == "https://open.example.org"
    assert service["organization"] == {"name": "protes", "url": "https://example.org"}
    assert service["protes_health"] == {"state": "unprobed", "tasksInFlight": 0}
    declared = Declared.model_validate(service["protes"])
    assert declared == Declared.model_validate({k: v for k, v in INSTANCES[0].items() if k not in ("id", "url")})
    assert "protes" not in next(each for each in answer if each["id"] == "tagged")
    problem_of(registry.get(f"{BASE}/services/none"), 404)


def test_the_registry_tells_of_itself_and_of_its_types(registry: Api) -> None:
    info = registry.get(f"{BASE}/service-info").json()
    assert_fits("Service", info)
    assert info["type"] == {"group": "org.ga4gh", "artifact": "service-registry", "version": "1.0.0"}
    assert register(registry).status_code == 201
    versions = [each["version"] for each in registry.get(f"{BASE}/services/types").json()]
    assert versions == ["1.0", "1.1.0"]


def test_our_own_client_reads_it(registry: Api) -> None:
    with RegistryClient(registry.url + BASE) as client:
        listing = client.services()
    assert not listing.warnings
    assert sorted(each.id for each in listing) == ["closed", "open", "tagged"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=org.ga4gh:tes:*", 3),
        ("type=*:TES:1.1.0", 3),
        ("type=*:tes:1.0.0", 0),
        ("type=*:t*:*", 0),
        ("type=*:drs:*", 0),
        ("healthy=true", 0),
        ("healthy=false", 3),
        ("unknown=1", 3),
    ],
)
def test_lists_are_filtered(registry: Api, query: str, found: int) -> None:
    assert len(ids(registry.get(f"{BASE}/services?{query}"))) == found


@pytest.mark.parametrize("query", ["healthy=yes", "permitted=1", "type=tes", "type=a:b:c:d", "type=::"])
def test_filters_that_mean_nothing_are_refused(registry: Api, query: str) -> None:
    problem = problem_of(registry.get(f"{BASE}/services?{query}"), 400)
    assert problem["errors"][0]["field"] == f"query parameter {query.partition('=')[0]}"


@pytest.mark.parametrize(
    ("root", "found"), [("", ["open"]), ("/profiles/two", []), ("/profiles/free", ["closed", "open", "tagged"])]
)
def test_permitted_is_what_access_and_the_profile_leave_to_anonymous_callers(
    registry: Api, root: str, found: list[str]
) -> None:
    assert ids(registry.get(f"{root}{BASE}/services?permitted=true")) == found
    everything = {"closed", "open", "tagged"}
    assert {*ids(registry.get(f"{root}{BASE}/services?permitted=false"))} == everything - {*found}


def test_a_list_that_has_not_changed_is_not_sent_again(registry: Api) -> None:
    first = registry.get(f"{BASE}/services")
    asked = {"If-None-Match": first.headers["ETag"]}
    again = registry.get(f"{BASE}/services", headers=asked)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert register(registry).status_code == 201
    assert len(ids(registry.get(f"{BASE}/services", headers=asked))) == 4


def test_an_instance_is_registered_changed_and_removed(registry: Api) -> None:
    said: dict[str, Any] = {
        "description": "d",
        "environment": "test",
        "organization": {"name": "A", "url": "https://a.example.org"},
    }
    extension = {"zone": "FR", "limits": {"max_ram_gb": 4}, "dialect": "funnel"}
    made = register(registry, **said, owner={"team": ["x"]}, protes=extension, protes_health={"state": "forged"})
    assert made.status_code == 201
    location = made.headers["Location"]
    assert location == f"{BASE}/services/Site-A"
    service = made.json()
    assert_fits("ExternalService", service)
    assert registry.get(location).json() == service
    assert {name: service[name] for name in said} == said
    assert service["owner"] == {"team": ["x"]}
    assert service["type"] == {"group": "org.ga4gh", "artifact": "tes", "version": "1.0"}
    assert service["protes"] == {"zone": "FR", "limits": {"max_ram_gb": 4.0}}
    assert (service["protes_health"]["state"], service["protes_health"]["dialect"]) == ("unprobed", "funnel")
    registry.clock.advance(5)
    changed = register(registry, "PUT", "/Site-A", name="Renamed")
    assert (changed.status_code, changed.json()["name"]) == (200, "Renamed")
    assert "protes" not in changed.json()
    assert changed.json()["createdAt"] < changed.json()["updatedAt"]
    removed = registry.call("DELETE", location, headers=OPERATOR)
    assert (removed.status_code, removed.content) == (204, b"")
    problem_of(registry.get(location), 404)
    problem_of(registry.call("DELETE", location, headers=OPERATOR), 404)


def test_a_put_makes_what_is_not_there(registry: Api) -> None:
    made = register(registry, "PUT", "/new.one", id="new.one")
    assert (made.status_code, made.headers["Location"]) == (201, f"{BASE}/services/new.one")
    assert registry.get(f"{BASE}/services/new%2Eone").json()["id"] == "new.one"
    problem_of(register(registry, "PUT", "/other", id="new.one"), 400)
    problem_of(register(registry, "PUT", "/types"), 400)


def test_names_that_repeat_get_ids_of_their_own(registry: Api) -> None:
    first, second, third = (
        register(registry, name=name, url=f"https://{host}.example.org").json()["id"]
        for name, host in (("Same name!", "x"), ("Same name", "y"), ("open", "z"))
    )
    assert first == "Same-name"
    assert second.startswith("Same-name-")
    assert third.startswith("open-")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"id": "types"}, "id"),
        ({"id": "a b"}, "id"),
        ({"name": None}, "name"),
        ({"type": {"artifact": "drs"}}, "type.artifact"),
        ({"type": None}, "type"),
        ({"url": "ftp://a.example.org"}, "url"),
        ({"url": "https://u:p@a.example.org"}, "url"),
        ({"organization": {"name": "A"}}, "organization.url"),
        ({"contactUrl": 3}, "contactUrl"),
        ({"protes": {"speed": -1}}, "protes.speed"),
        ({"protes": {"sped": 1}}, "protes.sped"),
        ({"protes": []}, "protes"),
        ({"protes": {"dialect": "klingon"}}, "protes.dialect"),
        ({"protes": {"credentials": "none-such"}}, "protes.credentials"),
        ({"protes": {"credentials": "site"}}, "protes.credentials"),
    ],
)
def test_what_is_wrong_is_named(registry: Api, fields: dict[str, Any], named: str) -> None:
    problem = problem_of(register(registry, **fields), 400)
    assert [error["field"] for error in problem["errors"]] == [named]
    assert "u:p" not in json.dumps(problem)
    assert not registry.gateway.services.federation.registrations.all()


def test_credentials_are_named_and_never_shown(registry: Api) -> None:
    made = register(registry, url="https://site.example.org/v1", protes={"credentials": "site"})
    assert made.status_code == 201, made.text
    shown = made.text + registry.get(f"{BASE}/services").text + registry.get("/protes/v1/instances").text
    assert "secret-of-the-site" not in shown
    assert "credentials" not in shown


def test_bodies_have_bounds_and_kinds(registry: Api) -> None:
    problem_of(register(registry, filler="x" * 65_536), 413)
    problem_of(registry.call("POST", f"{BASE}/services", data=b"{}", headers={**OPERATOR, "Content-Type": "a/b"}), 415)
    for body in (b"[]", b"{", b'{"name": NaN}', b"3"):
        sent = registry.call(
            "POST", f"{BASE}/services", data=body, headers={**OPERATOR, "Content-Type": "application/json"}
        )
        problem_of(sent, 400)
    text = yaml.safe_dump({**ENTRY, "type": {"artifact": "tes"}})
    sent = registry.call(
        "POST", f"{BASE}/services", data=text, headers={**OPERATOR, "Content-Type": "application/yaml"}
    )
    assert sent.status_code == 201


def test_ids_and_urls_of_others_are_conflicts(registry: Api) -> None:
    assert register(registry, id="mine").status_code == 201
    assert "registration mine" in problem_of(register(registry, id="mine", url="https://b.example.org"), 409)["detail"]
    assert (
        "registration mine"
        in problem_of(register(registry, id="other", url="https://a.example.org/v1/"), 409)["detail"]
    )
    for method, path in (("POST", ""), ("PUT", "/open")):
        problem_of(register(registry, method, path, id="open", url="https://b.example.org"), 409)
    detail = problem_of(registry.call("DELETE", f"{BASE}/services/open", headers=OPERATOR), 409)["detail"]
    assert "configuration" in detail


def test_what_is_registered_of_a_configured_instance_fills_it_in(registry: Api) -> None:
    made = register(registry, id="more", url="https://open.example.org/", protes={"speed": 9, "queue_seconds": 60})
    assert made.status_code == 201
    assert made.json()["id"] == "open"
    assert (made.json()["protes"]["speed"], made.json()["protes"]["queue_seconds"]) == (2, 60)
    assert registry.get(f"{BASE}/services/more").json() == made.json()
    assert registry.call("DELETE", f"{BASE}/services/more", headers=OPERATOR).status_code == 204
    assert "queue_seconds" not in registry.get(f"{BASE}/services/open").json()["protes"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_changes_are_the_operators(registry: Api, headers: dict[str, str]) -> None:
    for method, path in (("POST", ""), ("PUT", "/a"), ("DELETE", "/open")):
        problem_of(registry.call(method, f"{BASE}/services{path}", json=ENTRY, headers=headers), 403)


def test_where_instances_are_hidden_only_operators_see_them(configured: Api) -> None:
    for path in ("/services", "/services/types", "/services/a", "/services?healthy=true"):
        problem_of(configured.get(BASE + path), 403)
    assert ids(configured.get(f"{BASE}/services", headers=OPERATOR)) == []
    assert configured.get(f"{BASE}/service-info").status_code == 200


def test_a_registered_instance_takes_tasks_within_a_second_and_one_removed_none() -> None:
    settings = {"server": SERVER, "gateway_id": "gateway-under-test"}
    with FakeTes() as fake:
        fake.auto(1)
        gateway = create_gateway(load([], {}, settings), stores=create_stores("memory:"), environ={})
        gateway.start()
        try:
            with serve_wsgi(gateway.wsgi) as url:
                _registers_runs_and_removes(url, fake)
        finally:
            gateway.close()


def _registers_runs_and_removes(url: str, fake: FakeTes) -> None:
    entry = {**ENTRY, "url": fake.url}
    assert requests.post(f"{url}{BASE}/services", json=entry, headers=OPERATOR, timeout=9).status_code == 201

    def healthy() -> list[str]:
        return ids(requests.get(f"{url}{BASE}/services?healthy=true&permitted=true", timeout=9))

    def listed() -> list[str]:
        instances = requests.get(f"{url}/protes/v1/instances", timeout=9).json()["instances"]
        return [each["id"] for each in instances if each["state"] == "ok"]

    wait_until(lambda: healthy() == listed() == ["Site-A"], "it is found and healthy", 20)
    task = requests.post(f"{url}/v1/tasks", json=TASK, timeout=9).json()["id"]
    path = f"{url}/v1/tasks/{task}"
    wait_until(lambda: requests.get(path, timeout=9).json()["state"] == "COMPLETE", "the task has run there", 60)
    assert requests.delete(f"{url}{BASE}/services/Site-A", headers=OPERATOR, timeout=9).status_code == 204
    assert healthy() == []
    assert requests.get(path, timeout=9).json()["state"] == "COMPLETE"
    posts = fake.posts
    requests.post(f"{url}/v1/tasks", json=TASK, timeout=9)
    assert (fake.posts, listed()) == (posts, [])
