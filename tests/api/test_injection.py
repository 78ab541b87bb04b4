"""What clients write is data: it makes no line of a log, no header, no filter, no path, and no page."""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

import pytest

from protes.logs.formatting import JsonFormatter, TextFormatter
from tests.api.conftest import TASK, Api, problem_of
from tests.support.dialects.ours import Node
from tests.support.harness import Harness, instance

TES = "/ga4gh/tes/v1"
NASTY = (
    "a\r\nX-Forged: yes",
    "a\nforged line",
    "\x00",
    "\x1b[31mred",
    "\x9b2J",
    "\u2028forged",
    "\u2029forged",
    "\x85forged",
    "\u202eforged",
    '"',
    "'",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "%0d%0aX-Forged: yes",
    "%s%n",
    "{0.__class__}",
    "$where",
    '{"$ne": null}',
    "' OR 1=1 --",
    "../../etc/passwd",
    "a;b",
    "a,b",
    "x" * 3000,
)
LINE = re.compile(r"\S+ \S+ <[^\r\n\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]*>")


@contextmanager
def logged(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """Write what is logged into a text."""
    root, text = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    try:
        yield text
    finally:
        root.removeHandler(handler)


def send_everywhere(api: Api, text: str) -> list[Any]:
    """Send a text wherever a client can write one; return the answers."""
    header = text.encode("utf-8").replace(b"\r", b"").replace(b"\n", b"").replace(b"\x00", b"")  # else nobody sends it
    path = quote(text, safe="")
    answers = [
        api.get(f"{TES}/tasks/{path}"),
        api.get(f"/{path}"),
        api.get(f"/w/{path}/v1/tasks"),
        api.get(f"/profiles/{path}/v1/tasks"),
        api.get(f"/protes/v1/instances/{path}"),
        api.get(f"/ga4gh/registry/v1/services/{path}"),
        api.get(f"/ivoa/execution-broker/v1/sessions/{path}"),
        api.post(f"{TES}/tasks/{path}:cancel"),
    ]
    for name in ("page_token", "page_size", "view", "state", "name_prefix", "tag_key", "tag_value", text[:50]):
        answers.append(api.get(f"{TES}/tasks", params={name: text}))
    for name in ("X-Request-ID", "Idempotency-Key", "Via", "X-Protes-Weight", "Prefer", "If-None-Match", "traceparent"):
        answers.append(api.post(f"{TES}/tasks", dict(TASK), headers={name: header}))
    for task in (
        {**TASK, "name": text, "description": text, "tags": {text: text}},
        {**TASK, "tags": {"protes.profile": text}},
        {**TASK, "tags": {f"protes.{text}": "1"}},
        {**TASK, "volumes": [text]},
        {**TASK, text: text, "resources": {"backend_parameters": {text: text}}},
        {**TASK, "inputs": [{"url": text, "path": text}]},
    ):
        answers.append(api.post(f"{TES}/tasks", task))
    return answers


@pytest.mark.parametrize("text", NASTY)
def test_a_text_makes_no_line_of_a_log(api: Api, text: str) -> None:
    plain = logging.Formatter("{levelname} {name} <{message}>", style="{")
    with logged(TextFormatter(plain)) as lines, logged(JsonFormatter()) as objects:
        send_everywhere(api, text)
    written = lines.getvalue().split("\n")[:-1]
    assert written
    strange = [line for line in written if not LINE.fullmatch(line)]
    assert not strange
    parsed = [json.loads(line) for line in objects.getvalue().split("\n")[:-1]]
    assert len(parsed) == len(written)
    assert all(re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]*", each["message"]) for each in parsed)


@pytest.mark.parametrize("text", NASTY)
def test_a_text_makes_no_header_and_no_page(api: Api, text: str) -> None:
    for answer in send_everywhere(api, text):
        assert answer.status_code < 500
        assert "X-Forged" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] in ("application/json", "application/problem+json")
        answer.json()
        if len(text) > 2:
            assert not any(text in value for name, value in answer.headers.items() if name != "X-Request-ID")
        if answer.status_code >= 400:
            problem_of(answer, answer.status_code)


@pytest.mark.parametrize("text", ["%", "_", "*", ".*", "$where", '{"$ne": null}', "' OR '1'='1", "[a-z]", "\\", "a,b"])
def test_filters_are_texts(api: Api, text: str) -> None:
    own = api.store({**TASK, "name": text, "tags": {text: text}})
    api.store({**TASK, "name": "other", "tags": {"other": "x"}})
    for query in ({"name_prefix": text}, {"tag_key": text}, {"tag_key": text, "tag_value": text}):
        found = api.get(f"{TES}/tasks", params=query).json()["tasks"]
        assert [each["id"] for each in found] == [own], query
    cancelled = api.post("/protes/v1/tasks:cancel", {"tags": {text: text}}).json()
    assert cancelled == {"results": [{"id": own}]}


@pytest.mark.parametrize(
    "tags", [{"project": None}, {"project": {"$ne": ""}}, {"project": ["x"]}, {"a": "", "project": None}]
)
def test_a_filter_that_is_no_text_cancels_nothing(api: Api, tags: Any) -> None:
    """A variable that was not set must not become a filter less: the others would find, and cancel, far too much."""
    task_id = api.store({**TASK, "name": "run", "tags": {"project": "y", "a": "b"}})
    answer = api.post("/protes/v1/tasks:cancel", {"tags": tags, "name_prefix": "r"})
    assert "tags" in problem_of(answer, 400)["detail"]
    assert api.record(task_id).cancel_requested_at is None


def test_an_executable_is_shown_again_without_what_only_a_broker_says(api: Api) -> None:
    meta = {"name": "n", "messages": [{"template": -8.3}], "options": "x", "created": 5}
    for executable in (
        {"kind": "urn:none", "image": 5, "task": [], "meta": meta},
        {"kind": "urn:ga4gh:tes:1.1:task", "task": dict(TASK), "image": 5, "meta": meta},
    ):
        answer = api.post("/ivoa/execution-broker/v1/direct", {"executable": executable})
        shown = answer.json()["executable"]
        assert shown["meta"] == {"name": "n"}
        assert "image" not in shown
    answer = api.post("/ivoa/execution-broker/v1/requests", {"executable": {"kind": "urn:none", "meta": {"name": 5}}})
    assert "executable.meta.name" in problem_of(answer, 400)["detail"]


def test_an_instance_is_sent_no_header_and_no_path_made_of_a_task() -> None:
    ids = ("a/../b?c=d#e", "..%2f..", "x y", "é\u2028", "a:cancel", "%0d%0aX-Forged: yes")  # one cannot be used
    with Node() as fake:
        fake.odd_ids = ids
        with Harness(instance("one", fake)) as harness:  # type: ignore[arg-type]
            harness.probe()
            texts = ("a\r\nX-Forged: yes", "\x1b[31m", "\u2028", "../..", "%0d%0aX-Forged: yes", "'\"`$(id)")
            made = [
                harness.post({**TASK, "name": text, "description": text, "tags": {text: text}, "volumes": ["/" + text]})
                for text in texts
            ]
            harness.turns(4, 5)
            for task in made[:3]:
                harness.cancel(task)
            harness.turns(4, 5)
            requests = fake.server.requests()
    posts = [request for request in requests if request.method == "POST" and request.path.endswith("/tasks")]
    assert len(posts) == len(texts)
    known = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length", "via"}
    segments = {f"/ga4gh/tes/v1/tasks/{quote(each, safe='')}" for each in ids}
    for request in requests:
        assert {name.lower() for name in request.headers} <= known | {"traceparent"}
        assert not any(text in value for text in texts for value in request.headers.values())
        assert request.path.isascii()
        rest = request.path.removeprefix("/ga4gh/tes/v1")
        about = request.path.removesuffix(":cancel") if request.method == "POST" else request.path
        usual = rest in ("/tasks", "/service-info", "/tasks/service-info", "/tasks/task-info")
        assert usual or unquote(about) in {unquote(each) for each in segments}, request.target
        assert rest.count("/") <= 2
