"""Safe by default (DESIGN.md sections 5 and 6): hosts, origins, the operator, and pages that need nobody else."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest

from tests.api.conftest import OPERATOR_TOKEN, ORIGIN, TASK, Api, problem_of, serving
from tests.support.fake_tes import FakeTes

PATHS = ("/", "/v1/tasks", "/ga4gh/tes/v1/service-info", "/v1/ui/", "/protes/v1/instances", "/nothing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_a_foreign_host_is_refused_everywhere(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path, headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", ORIGIN])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused_everywhere(api: Api, method: str, path: str, origin: str) -> None:
    answer = api.call(method, path, headers={"Origin": origin})
    assert "server.cors_origins" in problem_of(answer, 403)["detail"]
    assert_no_cors(answer)


def assert_no_cors(answer: object) -> None:
    headers = answer.headers  # type: ignore[attr-defined]
    assert not [name for name in headers if name.lower().startswith("access-control-")]


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def test_a_preflight_from_a_foreign_origin_gets_no_cors_headers(api: Api, configured: Api) -> None:
    for each in (api, configured):
        answer = each.call("OPTIONS", "/v1/tasks", headers={"Origin": "http://evil.example", **PREFLIGHT})
        assert answer.status_code == 403
        assert_no_cors(answer)


def test_a_configured_origin_gets_cors_headers(configured: Api) -> None:
    preflight = configured.call("OPTIONS", "/v1/tasks", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
    created = configured.post("/v1/tasks", dict(TASK), headers={"Origin": ORIGIN})
    assert created.status_code == 200
    assert created.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in created.headers
    refused = configured.post("/v1/tasks", {"executors": []}, headers={"Origin": ORIGIN})
    assert problem_of(refused, 400)
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_nobody_gets_cors_headers_by_default(api: Api) -> None:
    assert_no_cors(api.get("/v1/tasks"))
    assert_no_cors(api.call("OPTIONS", "/v1/tasks"))
    assert_no_cors(api.get("/v1/tasks", headers={"Origin": api.url}))


def test_pages_of_the_gateway_itself_may_call_it(api: Api) -> None:
    assert api.post("/v1/tasks", dict(TASK), headers={"Origin": api.url}).status_code == 200


def test_a_configured_name_is_a_host(configured: Api) -> None:
    assert configured.get("/v1/tasks", headers={"Host": "tes.example.org"}).status_code == 200
    assert configured.get("/v1/tasks", headers={"Host": "TES.example.org:443"}).status_code == 200
    assert configured.get("/v1/tasks", headers={"Host": "tes.example.com"}).status_code == 403


# The operator


@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", f"Basic {OPERATOR_TOKEN}", f"Bearer {OPERATOR_TOKEN}x", "Bearer "]
)
def test_without_the_token_the_operators_call_is_refused(configured: Api, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    problem = problem_of(configured.post("/protes/v1/instances:refresh", headers=headers), 403)
    assert "server.operator_token" in problem["detail"]
    assert OPERATOR_TOKEN not in problem["detail"]


def test_with_the_token_it_is_answered(configured: Api) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    answer = configured.post("/protes/v1/instances:refresh", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"instances": []})


def test_where_no_token_is_set_nobody_is_the_operator(api: Api) -> None:
    for token in ("", "None", OPERATOR_TOKEN):
        problem_of(api.post("/protes/v1/instances:refresh", headers={"Authorization": f"Bearer {token}"}), 403)


@pytest.fixture(scope="module")
def with_instance() -> Iterator[tuple[Api, FakeTes]]:
    with FakeTes() as fake:
        instance = {"id": "one", "url": fake.url, "prices": {"cpu_core_hour": "0.05"}}
        settings = {"operator_token": OPERATOR_TOKEN}
        with serving(instances=[instance], server=settings, api={"show_instances": False}) as api:
            yield api, fake


def test_urls_of_instances_are_shown_to_the_operator_alone_where_they_are_hidden(
    with_instance: tuple[Api, FakeTes],
) -> None:
    api, fake = with_instance
    [shown] = api.get("/protes/v1/instances").json()["instances"]
    assert shown["id"] == "one"
    assert fake.url not in str(shown)
    [shown] = api.get("/protes/v1/instances", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}).json()["instances"]
    assert shown["url"] == fake.url


def test_no_request_waits_for_an_instance(with_instance: tuple[Api, FakeTes]) -> None:
    api, fake = with_instance
    task_id = api.create()
    for path in (f"/v1/tasks/{task_id}?view=FULL", "/v1/tasks", "/v1/service-info", "/protes/v1/instances"):
        assert api.get(path).status_code == 200
    assert api.post("/protes/v1/offers", dict(TASK)).status_code == 200
    assert fake.server.count() == 0


# Swagger UI


@pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/v1", "/protes/v1", "/w/0.3/v1"])
def test_swagger_ui_needs_no_other_host(api: Api, base: str) -> None:
    page = api.get(f"{base}/ui/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) >= 3
    [document] = re.findall(r'url: "([^"]+)"', page.text)
    for part in (*parts, document):
        url = urljoin(f"{api.url}{base}/ui/", part)
        assert urlsplit(url).netloc == urlsplit(api.url).netloc
        answer = api.get(url.removeprefix(api.url))
        assert answer.status_code == 200, part
        assert answer.content
    assert "validatorUrl: null" in page.text  # else the page would send the document to its makers' validator
    style = api.get(f"{base}/ui/swagger-ui.css").text
    assert "@import" not in style
    assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", style)


def test_the_documents_are_served_with_the_operations_and_no_machine_paths(api: Api) -> None:
    for base, paths in {
        "/ga4gh/tes/v1": {"/service-info", "/tasks", "/tasks/{id}", "/tasks/{id}:cancel", "/tasks/task-info"},
        "/v1": {
            "/service-info",
            "/tasks",
            "/tasks/{id}",
            "/tasks/{id}:cancel",
            "/tasks/service-info",
            "/tasks/task-info",
        },
    }.items():
        document = api.get(f"{base}/openapi.json").json()
        assert set(document["paths"]) == paths
        assert [server["url"] for server in document["servers"]] == [base]
