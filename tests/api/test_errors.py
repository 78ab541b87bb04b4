"""Every refusal is a problem that names the field and the fix, and one line in the log."""

import http.client
import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from protes.store.factory import Stores
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.protocols import StoreError, StoreFull, StoreUnavailable
from protes.store.records import TaskRecord
from tests.api.conftest import BASES, TASK, Api, problem_of, serving

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"executors: []", "the body is not JSON"),
        (b'{"resources": {"ram_gb": NaN}}', "NaN is not a JSON number"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"task"', "must be a JSON object"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "nested too deeply"),
        (b"{}", "executors: is required"),
        (b'{"executors": null}', "executors: is required"),
    ],
)
def test_a_body_that_is_no_task(api: Api, base: str, raw: bytes, detail: str) -> None:
    assert detail in problem_of(api.post(f"{base}/tasks", data=raw, headers=JSON), 400)["detail"]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"executors": []}, {"executors": "must hold at least one executor"}),
        (
            {"executors": [{"image": 3}, {"command": "x"}]},
            {
                "executors[0].image": "must be a string, not 3",
                "executors[0].command": "is required",
                "executors[1].image": "is required",
                "executors[1].command": 'must be a list, not "x"',
            },
        ),
        ({"inputs": [{"url": "s3://a"}]}, {"inputs[0].path": "is required"}),
        (
            {"inputs": [{"path": "a"}], "volumes": ["v"]},
            {
                "inputs[0].path": "must be an absolute path, starting with /",
                "inputs[0].url": "is required unless content is set",
                "volumes[0]": "must be an absolute path, starting with /",
            },
        ),
        ({"tags": {"a": 1}}, {"tags.a": "must be a string, not 1"}),
        ({"tags": [None]}, {"tags": "must be a JSON object, not a list"}),
        ({"executors": [None]}, {"executors[0]": "must be a JSON object, not null"}),
        ({"volumes": [None]}, {"volumes[0]": "must be a string, not null"}),
        ({"resources": {"cpu_cores": "four"}}, {"resources.cpu_cores": 'must be a number, not "four"'}),
        ({"resources": {"ram_gb": -1}}, {"resources.ram_gb": "must be a number from 0 to 1000000"}),
        ({"name": "\ud800"}, {"name": "must be Unicode text, without lone surrogates"}),
        (
            {"tags": {"protes.weight": "2"}},
            {"tags.protes.weight": "a weight is 0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random"},
        ),
        (
            {"tags": {"protes_attempt": "x"}},
            {"tags.protes_attempt": "is reserved for gateways; list the sender in api.upstream_gateways"},
        ),
    ],
)
def test_wrong_fields_are_named_with_what_is_right(api: Api, fields: dict[str, Any], errors: Mapping[str, str]) -> None:
    problem = problem_of(api.post("/ga4gh/tes/v1/tasks", {**TASK, **fields}), 400)
    assert {error["field"]: error["detail"] for error in problem["errors"]} == errors
    assert api.get("/v1/tasks").json() == {"tasks": []}


def test_an_infinite_number_is_refused(api: Api) -> None:
    raw = json.dumps({**TASK, "resources": {"ram_gb": 0}}).replace('"ram_gb": 0', '"ram_gb": 1e999')
    problem = problem_of(api.post("/v1/tasks", data=raw, headers=JSON), 400)
    assert problem["errors"][0]["field"] == "resources.ram_gb"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("page_size=0", "query parameter page_size: must be from 1 to 2047"),
        ("page_size=-1", "query parameter page_size: must be from 1 to 2047"),
        ("page_size=2048", "query parameter page_size: must be from 1 to 2047"),
        ("page_size=abc", "query parameter page_size: must be a whole number"),
        ("page_size=", "query parameter page_size: must be a whole number"),
        ("page_size=1.5", "query parameter page_size: must be a whole number"),
        ("page_size=99999999999", "query parameter page_size: must be a 32-bit whole number"),
        ("page_token=abc", "query parameter page_token: is not a token of this server"),
        ("page_token=%ED%A0%80", "query parameter page_token: is not a token of this server"),
        ("view=SMALL", "query parameter view: must be one of MINIMAL, BASIC, FULL"),
        ("view=full", "query parameter view: must be one of MINIMAL, BASIC, FULL"),
        ("state=DONE", "query parameter state: must be one of UNKNOWN, QUEUED, "),
        ("state=", "query parameter state: must be one of UNKNOWN, QUEUED, "),
        ("tag_value=x", "query parameter tag_value: each tag_value needs a tag_key before it"),
        ("tag_key=a&tag_key=a&tag_value=1&tag_value=2", "query parameter tag_value: two values for the tag 'a'"),
    ],
)
def test_wrong_list_parameters(api: Api, base: str, query: str, detail: str) -> None:
    [error] = problem_of(api.get(f"{base}/tasks?{query}"), 400)["errors"]
    assert f"{error['field']}: {error['detail']}".startswith(detail)


def test_a_wrong_view_of_a_task(api: Api) -> None:
    problem = problem_of(api.get(f"/v1/tasks/{api.create()}?view=ALL"), 400)
    assert problem["detail"] == "query parameter view: must be one of MINIMAL, BASIC, FULL"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "unknown", ["nope", "01q3dcbd001etejwvme90f6kgatv", "a.b", "%00", "%ED%A0%80", "%F0%9F%98%80", "x" * 2000]
)
def test_unknown_tasks(api: Api, base: str, unknown: str) -> None:
    for answer in (
        api.get(f"{base}/tasks/{unknown}"),
        api.get(f"{base}/tasks/{unknown}?view=FULL"),
        api.post(f"{base}/tasks/{unknown}:cancel"),
    ):
        assert problem_of(answer, 404)["detail"] == "id: there is no task with this id"


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/v1/nothing", "/v2/tasks", "/tasks", "/ga4gh/tes/v2/tasks", "/w/0.3", "/protes/v1/x"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_paths_say_where_tasks_are(api: Api, method: str, path: str) -> None:
    assert "/ga4gh/tes/v1/tasks" in problem_of(api.call(method, path), 404)["detail"]


@pytest.mark.parametrize("weight", ["2", "cheap", "0.1234567", "%20", "0,5"])
def test_a_root_with_a_weight_that_is_none(api: Api, weight: str) -> None:
    problem = problem_of(api.post(f"/w/{weight}/v1/tasks", dict(TASK)), 404)
    assert "a weight is 0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/tasks", {"GET", "POST"}),
        ("PUT", "/ga4gh/tes/v1/tasks", {"GET", "POST"}),
        ("POST", "/v1/service-info", {"GET"}),
        ("DELETE", "/v1/tasks/some-task", {"GET"}),
        ("GET", "/protes/v1/offers", {"POST"}),
    ],
)
def test_methods_that_are_not_possible(api: Api, method: str, path: str, allowed: set[str]) -> None:
    answer = api.call(method, path)
    assert method in problem_of(answer, 405)["detail"]
    assert allowed <= {each.strip() for each in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_a_body_that_is_not_declared_as_json(api: Api, base: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type is not None else {}
    answer = api.post(f"{base}/tasks", data=json.dumps(TASK).encode(), headers=headers)
    assert problem_of(answer, 415)["detail"] == "header Content-Type: must be application/json"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/tasks", "/w/0.3/ga4gh/tes/v1/tasks", "/protes/v1/offers", "/v1/tasks/x:cancel"])
def test_a_body_past_the_limit(configured: Api, path: str, chunked: bool) -> None:
    body = json.dumps({**TASK, "description": "x" * 5000}).encode()
    answer = configured.post(path, data=iter([body]) if chunked else body, headers=JSON)
    assert "4096 bytes (server.max_body_bytes)" in problem_of(answer, 413)["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_far_too_much_still_gets_its_answer(configured: Api, chunked: bool) -> None:
    parts = [b"x" * 100_000] * 100
    answer = configured.post("/v1/tasks", data=iter(parts) if chunked else b"".join(parts), headers=JSON)
    problem_of(answer, 413)


def test_a_body_up_to_the_limit_is_taken(configured: Api) -> None:
    rest = 4096 - len(json.dumps({**TASK, "description": ""}))
    configured.create({**TASK, "description": "x" * rest})


def test_a_length_that_is_none(api: Api) -> None:
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/tasks")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "9" * 5000)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert "Content-Length" in json.loads(answer.read())["detail"]
    connection.close()


@pytest.mark.parametrize("weight", ["", "2", "much", "0,3"])
def test_a_bad_weight_in_the_header(api: Api, weight: str) -> None:
    problem = problem_of(api.post("/v1/tasks", dict(TASK), headers={"X-Protes-Weight": weight}), 400)
    assert problem["errors"][0]["field"] == "header X-Protes-Weight"


def test_a_ring_of_gateways(api: Api) -> None:
    answer = api.post("/v1/tasks", dict(TASK), headers={"Via": "1.1 other-gateway, 1.1 gateway-under-test"})
    assert "ring" in problem_of(answer, 508)["detail"]


# Logs


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/v1/tasks/nope", {}, 404),
        ("GET", "/v1/tasks/%0d%0aforged%1b%5b31m", {}, 404),
        ("GET", "/nothing%0aforged", {}, 404),
        ("GET", "/w/2%0a/v1/tasks", {}, 404),
        ("GET", "/v1/tasks?view=X", {}, 400),
        ("DELETE", "/v1/tasks", {}, 405),
        ("POST", "/v1/tasks", {"json": {"executors": [{}]}}, 400),
        ("POST", "/v1/tasks", {"json": {"executors": [], "name": "\nforged"}}, 400),
        ("POST", "/v1/tasks", {"data": b"{", "headers": JSON}, 400),
        ("POST", "/v1/tasks", {"data": b"{}"}, 415),
        ("GET", "/v1/tasks", {"headers": {"Host": "evil.example"}}, 403),
        ("POST", "/protes/v1/instances:refresh", {}, 403),
        ("GET", "/v1/ui", {}, 404),
    ],
)
def test_a_client_error_is_one_line(
    api: Api, caplog: pytest.LogCaptureFixture, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    with caplog.at_level(logging.INFO):
        problem_of(api.call(method, path, **options), status)
    lines = [record for record in caplog.records if not record.name.startswith("urllib3")]
    assert len(lines) == 1, [(record.name, record.getMessage()) for record in lines]
    text = lines[0].getMessage()
    assert f"refused with {status}" in text
    assert text.isprintable()
    assert lines[0].exc_info is None


def test_the_line_is_written_with_the_settings_that_are_shipped(api: Api) -> None:
    assert logging.getLogger("protes.api.problems").isEnabledFor(logging.INFO)
    assert not logging.getLogger("connexion.decorators.validation").isEnabledFor(logging.ERROR)


# Trouble of our own


class Broken(MemoryTaskStore):
    """A store that raises what it is told to."""

    error: Exception | None = None

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        self._fail()
        return super().get(task_id, head=head, audiences=audiences)

    def create(self, record: TaskRecord) -> TaskRecord:
        self._fail()
        return super().create(record)


@pytest.fixture(scope="module")
def broken() -> Any:
    store = Broken()
    with serving(Stores(store, MemoryRecords(), store.close)) as api:
        yield api, store


PERHAPS = "; the request may have been carried out: repeat it with the same Idempotency-Key, if it has one"


@pytest.mark.parametrize(
    "error", [RuntimeError("secret: canary at /etc/protes"), KeyError("canary"), StoreError("canary: corrupt")]
)
def test_an_unexpected_error_says_nothing_internal(
    broken: tuple[Api, Broken], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    api, store = broken
    store.error = error
    for answer in (api.get("/v1/tasks/x"), api.post("/v1/tasks", dict(TASK)), api.post("/v1/tasks/x:cancel")):
        problem = problem_of(answer, 500)
        assert problem["detail"] == "an unexpected error; it has been logged"
        assert "canary" not in answer.text + str(answer.headers)
        assert "Traceback" not in answer.text
    assert len([record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]) == 3


def test_a_store_that_is_away_is_said_with_when_to_come_back(
    broken: tuple[Api, Broken], caplog: pytest.LogCaptureFixture
) -> None:
    api, store = broken
    for store.error, said in (
        (StoreUnavailable("canary: locked"), "the task store is unavailable; try again"),
        (StoreFull("canary: full"), "the task store is full: its operator must make room"),
    ):
        for answer, more in (
            (api.get("/v1/tasks/x"), ""),
            (api.post("/v1/tasks", dict(TASK)), PERHAPS),
            (api.post("/v1/tasks/x:cancel"), PERHAPS),
        ):
            problem = problem_of(answer, 503)
            assert int(answer.headers["Retry-After"]) > 0
            assert problem["detail"] == said + more
    assert all(record.exc_info is None for record in caplog.records)
    store.error = None
    assert problem_of(api.get("/v1/tasks/x"), 404)
