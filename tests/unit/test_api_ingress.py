"""The layer in front of connexion, without a server."""

import json
import logging
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import pytest

from protes.api.guard import Guard
from protes.api.ingress import (
    ENVIRON_KEY,
    Environ,
    Ingress,
    IngressLayer,
    StartResponse,
    drop_nulls,
    parse_task,
    peel,
    read_body,
    takes_task,
    tidy,
    write_task,
)
from protes.api.problems import Problem

LIMIT = 1024
TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


@pytest.mark.parametrize(
    ("path", "tidied"),
    [
        ("/v1/tasks", "/v1/tasks"),
        ("//v1/tasks", "/v1/tasks"),
        ("/v1//tasks", "/v1/tasks"),
        ("////w///0.3//v1/tasks", "/w/0.3/v1/tasks"),
        ("/v1/tasks/", "/v1/tasks"),
        ("/v1/tasks//", "/v1/tasks"),
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
        ("/v1/ui/", "/v1/ui/"),
        ("/v1//ui//", "/v1/ui/"),
        ("/v1/ui", "/v1/ui"),
    ],
)
def test_slashes_beyond_the_need_are_dropped(path: str, tidied: str) -> None:
    assert tidy(path) == tidied


@pytest.mark.parametrize("weight", ["0", "1", "1.0", "0.3", "0.123456", "cost", "time", "random"])
@pytest.mark.parametrize("rest", ["/v1/tasks", "/ga4gh/tes/v1/service-info", "/"])
def test_a_weight_in_the_path_is_a_gateway_root(weight: str, rest: str) -> None:
    assert peel(f"/w/{weight}{rest}") == (Ingress(prefix=f"/w/{weight}", weight=weight), rest)


def test_the_root_of_a_weight_may_end_there() -> None:
    assert peel("/w/0.3") == (Ingress(prefix="/w/0.3", weight="0.3"), "/")


@pytest.mark.parametrize("path", ["/", "/v1/tasks", "/w", "/weight/0.3/v1/tasks", "/v1/w/0.3/tasks"])
def test_other_paths_have_no_weight(path: str) -> None:
    assert peel(path) == (Ingress(), path)


@pytest.mark.parametrize("weight", ["", "1.5", "-1", "0,3", "0.1234567", "nan", "cheap", " 0.3", "0.3\r\nX: y", "1e0"])
def test_a_weight_that_is_none_is_not_found(weight: str) -> None:
    with pytest.raises(Problem, match="a weight is 0, 1, ") as caught:
        peel(f"/w/{weight}/v1/tasks")
    assert caught.value.status == 404


def test_only_the_first_weight_counts() -> None:
    assert peel("/w/0.3/w/0.7/v1/tasks") == (Ingress(prefix="/w/0.3", weight="0.3"), "/w/0.7/v1/tasks")


@pytest.mark.parametrize(
    ("path", "weight", "profile", "rest"),
    [
        ("/profiles/cheap", None, "cheap", "/"),
        ("/profiles/cheap/v1/tasks", None, "cheap", "/v1/tasks"),
        ("/profiles/cheap/w/0.3/v1/tasks", "0.3", "cheap", "/v1/tasks"),
        ("/w/0.3/profiles/cheap/v1/tasks", "0.3", "cheap", "/v1/tasks"),
    ],
)
def test_a_profile_is_a_gateway_root_alone_and_with_a_weight(
    path: str, weight: str | None, profile: str, rest: str
) -> None:
    root, left = peel(path, {"cheap"})
    assert (root.weight, root.profile, left) == (weight, profile, rest)
    assert path == root.prefix + (rest if rest != "/" else "")


@pytest.mark.parametrize(
    "path", ["/profiles/dear/v1/tasks", "/profiles//v1/tasks", "/w/1/profiles/x", "/profiles/CHEAP"]
)
def test_a_profile_that_is_none_is_not_found(path: str) -> None:
    with pytest.raises(Problem, match="known profiles are cheap, fast") as caught:
        peel(path, {"fast", "cheap"})
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("path", "base", "takes"),
    [
        ("/v1/tasks", "/v1", True),
        ("/ga4gh/tes/v1/tasks", "/ga4gh/tes/v1", True),
        ("/protes/v1/offers", "", True),
        ("/v1/tasks/abc:cancel", "/v1", False),
        ("/tasks", "", False),
        ("/protes/v1/instances:refresh", "", False),
    ],
)
def test_which_posts_carry_a_task(path: str, base: str, takes: bool) -> None:
    assert takes_task(path, base) is takes


# Bodies


def environ_of(raw: bytes, **headers: str) -> Environ:
    return {"wsgi.input": BytesIO(raw), **headers}


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_up_to_the_limit_is_read(size: int) -> None:
    assert read_body(environ_of(b"x" * size, CONTENT_LENGTH=str(size)), LIMIT) == b"x" * size
    assert read_body(environ_of(b"x" * size, HTTP_TRANSFER_ENCODING="Chunked"), LIMIT) == b"x" * size


class Unreadable(BytesIO):
    """An input that must not be touched."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("the body must not be read")


@pytest.mark.parametrize("headers", [{"CONTENT_LENGTH": "200000"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_too_large_is_refused_when_it_has_been_sent(headers: dict[str, str]) -> None:
    source = BytesIO(b"x" * 200_000)
    with pytest.raises(Problem, match=r"larger than 1024 bytes \(server\.max_body_bytes\)") as caught:
        read_body({"wsgi.input": source, **headers}, LIMIT)
    assert caught.value.status == 413
    assert source.read() == b""


class Endless(BytesIO):
    """An input that never ends."""

    total = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "the whole of it would be read"
        self.total += size
        return b"x" * size


def test_a_body_without_end_is_not_read_for_ever() -> None:
    with pytest.raises(Problem) as caught:
        read_body({"wsgi.input": Unreadable(), "CONTENT_LENGTH": str(10**12)}, LIMIT)
    assert caught.value.status == 413
    source = Endless()
    with pytest.raises(Problem):
        read_body({"wsgi.input": source, "HTTP_TRANSFER_ENCODING": "chunked"}, LIMIT)
    assert source.total < 100_000_000


def test_a_body_without_length_is_none() -> None:
    assert read_body({"wsgi.input": Unreadable()}, LIMIT) == b""
    assert read_body({"wsgi.input": Unreadable(), "CONTENT_LENGTH": ""}, LIMIT) == b""


def test_a_body_longer_than_declared_ends_where_it_was_declared() -> None:
    assert read_body(environ_of(b"{}GET / HTTP/1.1", CONTENT_LENGTH="2"), LIMIT) == b"{}"


def test_a_body_shorter_than_declared_is_refused() -> None:
    with pytest.raises(Problem, match="ended before its declared length") as caught:
        read_body(environ_of(b"{", CONTENT_LENGTH="2"), LIMIT)
    assert caught.value.status == 400


@pytest.mark.parametrize("length", ["-1", "+1", "1.0", "0x10", "ten", " 2", "2 2", "٢", "1_0", "9" * 5000])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(Problem, match="header Content-Length: must be a number of bytes") as caught:
        read_body(environ_of(b"{}", CONTENT_LENGTH=length), LIMIT)
    assert caught.value.status == 400


# JSON


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json ;charset=UTF-8",
        "application/vnd.ga4gh.tes+json",
    ],
)
def test_json_media_types_are_taken(content_type: str) -> None:
    assert parse_task(json.dumps(TASK).encode(), content_type) == TASK


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "text/plain; application/json",
        "application/jsonp",
        "application/json, text/plain",
        "application/yaml",
    ],
)
def test_what_a_web_page_can_send_without_a_preflight_is_refused(content_type: str) -> None:
    with pytest.raises(Problem, match="header Content-Type: must be application/json") as caught:
        parse_task(json.dumps(TASK).encode(), content_type)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b"{'executors': []}",
        b'{"executors": []} trailing',
        b'{"resources": {"ram_gb": NaN}}',
        b'{"resources": {"ram_gb": Infinity}}',
        b'{"resources": {"ram_gb": -Infinity}}',
        b'{"name": "\xff\xfe"}',
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_does_not_parse_is_refused_with_the_place(raw: bytes) -> None:
    with pytest.raises(Problem, match=r"the body is not JSON: .") as caught:
        parse_task(raw, "application/json")
    assert caught.value.status == 400


@pytest.mark.parametrize("raw", [b"[]", b'"task"', b"3", b"null", b"true", b"[{}]"])
def test_only_an_object_is_a_task(raw: bytes) -> None:
    with pytest.raises(Problem, match="must be a JSON object, a tesTask") as caught:
        parse_task(raw, "application/json")
    assert caught.value.status == 400


@pytest.mark.parametrize("depth", [40, 300, 500, 990, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_and_not_an_accident(depth: int, opening: str, closing: str) -> None:
    inner = "1" if opening != "[" else ""
    raw = f'{{"executors": {opening * depth}{inner}{closing * depth}}}'.encode()
    with pytest.raises(Problem, match="nested too deeply") as caught:
        parse_task(raw, "application/json")
    assert caught.value.status == 400


def test_nulls_are_dropped_from_objects_at_any_depth_and_kept_in_arrays() -> None:
    task = {
        "name": None,
        "tags": {"a": None, "b": "c"},
        "inputs": None,
        "volumes": ["/a", None],
        "executors": [{"image": "i", "env": {"X": None}, "stdin": None}, None],
        "resources": {"backend_parameters": {"k": None}},
    }
    assert drop_nulls(task) == {
        "tags": {"b": "c"},
        "volumes": ["/a", None],
        "executors": [{"image": "i", "env": {}}, None],
        "resources": {"backend_parameters": {}},
    }


def test_what_the_server_sets_is_dropped_at_the_top_alone() -> None:
    mine: dict[str, Any] = {"id": "mine", "state": 7, "logs": "none", "creation_time": [], **TASK}
    mine["tags"] = {"id": "kept", "state": "kept"}
    raw = json.dumps(mine).encode()
    assert parse_task(raw, "application/json") == {**TASK, "tags": {"id": "kept", "state": "kept"}}


def test_empties_and_falsehoods_are_not_nulls() -> None:
    task = {"name": "", "inputs": [], "tags": {}, "resources": {"cpu_cores": 0, "preemptible": False}}
    assert parse_task(json.dumps(task).encode(), "application/json") == task


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"name": "\\ud800"}', "name"),
        (b'{"name": "\xed\xa0\x80"}', "name"),
        (b'{"name": "\\ude00\\ud83d"}', "name"),
        (b'{"executors": [{"command": ["a", "b\\udfff"]}]}', r"executors\[0\]\.command\[1\]"),
        (b'{"tags": {"\\udfff": ""}}', "tags"),
        (b'{"\\udfff": ""}', "body"),
    ],
)
def test_half_a_character_is_refused_where_it_stands(raw: bytes, where: str) -> None:
    parsed = parse_task(raw, "application/json")
    with pytest.raises(Problem, match=f"^{where}: must be Unicode text, without lone surrogates") as caught:
        write_task(parsed)
    assert caught.value.status == 400


def test_text_beyond_the_basic_plane_is_kept() -> None:
    parsed = parse_task(b'{"name": "\\ud83d\\ude00 \xc3\xa9"}', "application/json")
    assert parsed == {"name": "\U0001f600 é"}
    assert json.loads(write_task(parsed)) == parsed


# The layer as a whole


class Inner:
    """An app that keeps what it was called with."""

    def __init__(self) -> None:
        self.environ: Environ = {}
        self.body = b""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.environ = environ
        self.body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"inner"]

    @property
    def learned(self) -> Ingress:
        found = self.environ[ENVIRON_KEY]
        assert isinstance(found, Ingress)
        return found


class Outcome:
    """What a request through the layer gave."""

    def __init__(self, path: str, method: str = "GET", raw: bytes = b"", **more: str) -> None:
        self.inner = Inner()
        self.status, self.headers = "", dict[str, str]()
        layer = IngressLayer(self.inner, Guard(), LIMIT, "gateway-under-test")
        environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_HOST": "localhost:8080", **more}
        environ["wsgi.input"] = BytesIO(raw)  # type: ignore[assignment]
        if raw:
            environ.setdefault("CONTENT_LENGTH", str(len(raw)))
        self.body = b"".join(layer(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
        self.status, self.headers = status, dict(headers)

    @property
    def problem(self) -> Mapping[str, Any]:
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.headers["Content-Length"] == str(len(self.body))
        found: dict[str, Any] = json.loads(self.body)
        return found


@pytest.mark.parametrize(
    ("path", "inner", "prefix", "weight", "base"),
    [
        ("/v1/tasks", "/v1/tasks", "", None, "/v1"),
        ("//ga4gh//tes/v1/tasks/", "/ga4gh/tes/v1/tasks", "", None, "/ga4gh/tes/v1"),
        ("/w/0.3//v1/tasks/x", "/v1/tasks/x", "/w/0.3", "0.3", "/v1"),
        ("/w/cost/ga4gh/tes/v1", "/ga4gh/tes/v1", "/w/cost", "cost", "/ga4gh/tes/v1"),
        ("/w/0.3", "/", "/w/0.3", "0.3", ""),
        ("/v10/tasks", "/v10/tasks", "", None, ""),
        ("/protes/v1/instances", "/protes/v1/instances", "", None, ""),
    ],
)
def test_the_app_sees_the_tidy_path_and_what_was_learned(
    path: str, inner: str, prefix: str, weight: str | None, base: str
) -> None:
    outcome = Outcome(path)
    assert outcome.status == "200 OK"
    assert outcome.inner.environ["PATH_INFO"] == inner
    assert outcome.inner.learned == Ingress(prefix=prefix, weight=weight, base=base)
    assert outcome.inner.learned.compatible is (base == "/v1")
    assert outcome.headers["X-Protes-Gateway"] == "gateway-under-test"


def test_a_task_is_handed_on_cleaned() -> None:
    raw = json.dumps({**TASK, "id": "mine", "name": None}).encode()
    outcome = Outcome("/v1/tasks", "POST", raw, CONTENT_TYPE="application/json")
    assert json.loads(outcome.inner.body) == TASK
    assert outcome.inner.environ["CONTENT_LENGTH"] == str(len(outcome.inner.body))
    assert outcome.inner.learned.body == TASK


def test_a_chunked_task_is_handed_on_with_its_length() -> None:
    raw = json.dumps(TASK).encode()
    outcome = Outcome(
        "/v1/tasks", "POST", raw, CONTENT_TYPE="application/json", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert json.loads(outcome.inner.body) == TASK
    assert "HTTP_TRANSFER_ENCODING" not in outcome.inner.environ


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"{", b"anything"])
def test_the_body_of_another_post_is_handed_on_as_it_is(raw: bytes) -> None:
    outcome = Outcome("/v1/tasks/abc:cancel", "POST", raw, CONTENT_TYPE="application/json")
    assert outcome.inner.body == raw
    assert outcome.inner.learned.body is None


@pytest.mark.parametrize(
    ("outcome", "status", "detail"),
    [
        (lambda: Outcome("/v1/tasks", HTTP_HOST="evil.example"), 403, "Host: "),
        (lambda: Outcome("/v1/tasks", HTTP_ORIGIN="null"), 403, "Origin: "),
        (lambda: Outcome("/w/2/v1/tasks"), 404, "/w/2"),
        (lambda: Outcome("/v1/tasks", "POST", b"x" * (LIMIT + 1)), 413, "server.max_body_bytes"),
        (lambda: Outcome("/v1/x:cancel", "POST", b"x" * (LIMIT + 1)), 413, "server.max_body_bytes"),
        (lambda: Outcome("/v1/tasks", "POST", b"{}", CONTENT_TYPE="text/plain"), 415, "Content-Type"),
        (lambda: Outcome("/v1/tasks", "POST", b"{", CONTENT_TYPE="application/json"), 400, "not JSON"),
    ],
)
def test_a_refusal_is_a_problem_and_the_app_is_not_called(outcome: Any, status: int, detail: str) -> None:
    refused: Outcome = outcome()
    assert refused.status.startswith(f"{status} ")
    assert refused.problem["status"] == status
    assert detail in refused.problem["detail"]
    assert refused.inner.environ == {}


def test_a_refusal_is_one_line_that_a_client_cannot_forge(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "protes"):
        Outcome("/w/x\r\nforged: \x1b[31m\u2028line/v1/tasks")
    [record] = caplog.records
    line = record.getMessage()
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert "refused with 404" in line
