"""Whatever an instance answers: an error of the one tree, or a small, clean result that holds `state` and `logs` alone.

The answers of each dialect's corpus are spoilt by `mutations.py` and read by the whole client, in this process; how
broken HTTP is read is tried over real connections.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from requests.structures import CaseInsensitiveDict

import openapi
from protes.clock import ManualClock
from protes.outbound.wire import Exchange
from protes.tes.answer import Answer
from protes.tes.client import InstanceClient
from protes.tes.dialects.table import DIALECTS
from protes.tes.error_mapping import detail_of
from protes.tes.errors import DownstreamError
from protes.tes.probe import probe
from protes.tes.read import SeenTask
from protes.tes.states import State, may_follow
from protes.tes.transport import Transport
from tests.fuzz.corpora import MARKER, TASK, corpus_of
from tests.fuzz.mutations import hold, spoilt
from tests.support.inputs_tried import Tried, examples
from tests.support.scripted_server import Raw, ScriptedServer

BOUNDED = settings(max_examples=examples(25), suppress_health_check=list(HealthCheck), database=None)
TAIL_BYTES = 1000
STATUSES = st.sampled_from(
    [200] * 12 + [201, 204, 301, 400, 401, 403, 404, 404, 409, 429, 500, 500, 502, 503, 508, 599]
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Type", "Location", "X-Protes-Gateway"]),
    st.sampled_from(
        [
            "",
            "1",
            "-1",
            "1e9",
            "9" * 30,
            "text/html",
            "application/json; charset=utf-16",
            "http://[::1",
            "/x",
            "a\tb",
            "Wed, 01 May 2024 10:00:00 GMT",
            "Wed, 01 May 99999999999999999999 10:00:00 GMT",
            "١",
            "Wed, 01 May 2024 10:00:00 +99999999999999999999",
            "Mon, 01 Jan 0001 00:00:00 +2359",
            ",",
            "a b",
            "0 0 0 0:0",
        ]
    ),
)


class Canned(Transport):
    """A transport whose every request is answered with the next of a few answers, the last of them for ever."""

    def __init__(self, answers: Sequence[tuple[int, Mapping[str, str], bytes]]) -> None:
        super().__init__("https://tes.example.org/ga4gh/tes/v1", clock=ManualClock())
        self._answers = answers
        self._asked: list[str] = []

    def _exchange(
        self,
        method: str,
        url: str,
        exchange: Exchange,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        self._asked.append(url)
        assert len(self._asked) < 2000, "asks for ever"
        status, answered, body = self._answers[min(len(self._asked), len(self._answers)) - 1]
        return Answer(status, CaseInsensitiveDict(answered), body, url, self.base_url, method == "POST")


def clean(seen: SeenTask, size: int) -> None:
    """Check that what was taken of an answer is `state` and `logs`, of the specification's shapes, and small."""
    assert isinstance(seen.state, State)
    assert len(seen.id) <= 512
    if seen.log is None:
        return
    text = json.dumps(seen.log, allow_nan=False, ensure_ascii=False)
    assert len(text.encode("utf-8")) <= 8 * size + 1000
    document = openapi.document("tes.yaml")["components"]["schemas"]
    log, executor = document["tesTaskLog"]["properties"], document["tesExecutorLog"]["properties"]
    assert set(seen.log) <= set(log)
    for each in seen.log["logs"]:
        assert set(each) <= set(executor)
        assert all(len(each.get(name, "").encode()) <= TAIL_BYTES + 100 for name in ("stdout", "stderr"))
    for each in seen.log["outputs"]:
        assert -1 < int(each["size_bytes"]) < 2**63
    schema = {"$ref": "#/components/schemas/tesTaskLog", "components": {"schemas": document}}
    faults = [fault.message for fault in Draft4Validator(schema).iter_errors(seen.log)]
    assert not faults, faults[:3]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_client_reads_whatever_it_is_answered(dialect: str, tried: Tried) -> None:
    corpus = corpus_of(dialect)
    answers = st.tuples(STATUSES, HEADERS, spoilt(corpus.documents))

    @BOUNDED
    @given(st.lists(answers, min_size=1, max_size=3))
    def read(drawn: list[tuple[int, Mapping[str, str], bytes]]) -> None:
        tried()
        size = sum(len(body) for _, _, body in drawn)
        for call in CALLS:
            with Canned(drawn) as transport:
                client = InstanceClient(transport, DIALECTS[dialect], ManualClock(), tail_bytes=TAIL_BYTES)
                try:
                    call(client, transport, corpus.ids[0], size)
                except DownstreamError as error:
                    hold(len(str(error)) < 1000)
                    hold(str(error).isprintable())
                    retry_after = getattr(error, "retry_after", None)
                    assert retry_after is None or 0 <= retry_after <= 86400

    read()


def _create(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    assert 0 < len(client.create(dict(TASK), 1e18)) <= 512


def _get(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    state = State.QUEUED
    for _ in range(3):
        seen = client.get(task_id, "FULL")
        assert seen.id == task_id
        clean(seen, size)
        assert not (state.finished and may_follow(state, seen.state))
        state = seen.state if may_follow(state, seen.state) else state


def _list(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    if client.dialect.listing is not None:
        pages = list(client.list_active())
        assert len(pages) <= 1000
        for page in pages:
            for seen in page:
                assert seen.log is None
                clean(seen, size)


def _find(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    client.find(MARKER)


def _cancel(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    client.cancel(task_id)
    clean(client.get(task_id), size)


def _info(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    json.dumps(client.task_info({}, 1.0))
    assert isinstance(client.service_info(), Mapping)


def _probe(client: InstanceClient, transport: Transport, task_id: str, size: int) -> None:
    found = probe(transport)
    assert found.dialect in DIALECTS
    assert found.base_url.startswith("https://tes.example.org")


CALLS = (_create, _get, _list, _find, _cancel, _info, _probe)


@pytest.mark.parametrize("depth", [*range(790, 990, 5), 100_000])
@pytest.mark.parametrize("place", ["stdout", "metadata", "system_logs", "id"])
def test_no_depth_is_too_deep(depth: int, place: str, tried: Tried) -> None:
    deep = "[" * depth + "]" * depth
    inside = {
        "stdout": '"logs": [{"logs": [{"exit_code": 0, "stdout": %s}]}]',
        "metadata": '"logs": [{"metadata": {"a": %s}}]',
        "system_logs": '"logs": [{"system_logs": %s}]',
        "id": '"id": %s',
    }[place]
    body = ('{"state": "COMPLETE", ' + inside % deep + "}").encode()
    tried()
    with Canned([(200, {}, body)]) as transport:
        client = InstanceClient(transport, DIALECTS["funnel"], ManualClock(), tail_bytes=TAIL_BYTES)
        try:
            clean(client.get("a", "FULL"), len(body))
        except DownstreamError as error:
            hold("JSON" in str(error))


LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/9.9 200 OK",
        b"HTTP/1.1 999 X",
        b"HTTP/1.1 -1 X",
        b"ICY 200 OK",
        b"",
        b"HTTP/1.1 200 \xff\r\n",
        b"\x16\x03\x01",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 \xd9\xa1 X",
    ]
)
FIELDS = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 5",
            b"Content-Length: -5",
            b"Content-Length: 99999999999999999999",
            b"Content-Length: x",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Content-Encoding: gzip",
            b"Content-Encoding: br",
            b"Content-Type: text/html; charset=no-such",
            b"X: " + b"y" * 70000,
            b"no colon",
            b": empty",
            b"Location: //evil.example.org",
            b"Retry-After: \xff",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Set-Cookie: a=b",
            b" folded: x",
            b"\x00: x",
            b"Content-Encoding: deflate",
        ]
    ),
    max_size=4,
)
BODIES = st.sampled_from(
    [
        b"",
        b"{}",
        b'{"id": "a", "state": "COMPLETE"}',
        b'5\r\n{"a":\r\n',
        b"2\r\n{}\r\n0\r\n\r\n",
        b"zz\r\n{}\r\n",
        b"\x1f\x8b",
        b"ffffffffffffffffffff\r\n{}",
        b"-1\r\n{}",
        b"<html>",
        b"2;" + b"x" * 70000 + b"\r\n{}\r\n0\r\n\r\n",
    ]
)


def test_broken_http_is_an_error_of_the_tree(tried: Tried) -> None:
    with ScriptedServer() as server, Transport(server.url) as transport:
        client = InstanceClient(transport, DIALECTS["funnel"], ManualClock())

        @settings(BOUNDED, max_examples=examples(80))
        @given(LINES, FIELDS, BODIES)
        def read(line: bytes, fields: list[bytes], body: bytes) -> None:
            tried()
            route = server.on(
                "*", "*", Raw(line + b"\r\n" + b"".join(each + b"\r\n" for each in fields) + b"\r\n" + body)
            )
            try:
                for call in (lambda: client.get("a", "FULL"), lambda: client.create(dict(TASK), 1e18)):
                    try:
                        call()
                    except DownstreamError as error:
                        hold(len(str(error)) < 1000)
                        hold(str(error).isprintable())
            finally:
                server.off(route)

        read()


@BOUNDED
@given(st.binary(max_size=200) | spoilt([{"detail": "x", "errors": [{"message": "y"}], "message": "z"}]))
def test_what_an_error_says_is_one_short_printable_line(body: bytes) -> None:
    line = detail_of(body, "secret")
    assert len(line) <= 300
    assert line == "" or line.isprintable()
