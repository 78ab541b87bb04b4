"""What storage says of inputs and logs: a size, a text or silence; no other error, and no more than was asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protes.clock import SystemClock
from protes.config.outbound import OutboundSettings
from protes.config.planning import SignerSettings
from protes.outbound.guard import guard_of
from protes.outbound.web import Silent, Web
from protes.sources.blob_logs import BlobLogs, LogSigner
from protes.sources.signing import BlobSigner
from protes.sources.sizes import http_size
from tests.fuzz.mutations import TEXTS, TIMES, hold, spoilt
from tests.support.behaviours import Raw
from tests.support.inputs_tried import Tried, examples
from tests.support.scripted_server import ScriptedServer

SERVED = settings(max_examples=examples(80), suppress_health_check=list(HealthCheck), database=None)
CLOCK = SystemClock()
KEY = base64.b64encode(b"canary canary canary").decode()
TAIL = 64
"""Bytes of a log that are kept, beside the line that says how much was left out."""

NUMBERS = st.sampled_from(
    [
        "0",
        "5",
        "64",
        "65",
        "007",
        "-1",
        "+5",
        "5, 5",
        "5;",
        "0x5",
        "5e3",
        "9" * 18,
        "9" * 19,
        "9" * 5000,
        "٥",
        "1_0",
        "",
    ]
)
STATUSES = st.sampled_from([200, 200, 200, 200, 204, 206, 206, 302, 304, 400, 403, 404, 405, 416, 429, 500, 503, 999])
NAMES = st.sampled_from(
    ["Content-Length", "content-length", "Content-Range", "Content-Encoding", "Location", "Transfer-Encoding", "X-ms"]
)
RANGES = st.builds("bytes {}-{}/{}".format, NUMBERS, NUMBERS, st.just("*") | NUMBERS)
VALUES = (
    NUMBERS | RANGES | TEXTS | TIMES | st.sampled_from(["gzip", "identity", "chunked", "/again", "//[::1", "file:///"])
)


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Bytes that may be an HTTP answer."""
    lines = [f"HTTP/1.1 {draw(STATUSES)} Words"]
    lines += [f"{draw(NAMES)}: {draw(VALUES)}" for _ in range(draw(st.integers(0, 4)))]
    head = "\r\n".join(lines).encode("utf-8", "replace")
    return head + draw(st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n", b""])) + draw(st.binary(max_size=100))


SIZES = st.sampled_from([1, 64, 65, 100]).map(lambda size: b"HTTP/1.1 200 Ok\r\nContent-Length: %d\r\n\r\n" % size)


@pytest.fixture(name="storage")
def _storage() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(name="web")
def _web() -> Web:
    return Web(CLOCK, guard_of(OutboundSettings(allow_networks=("127.0.0.0/8",))))


def test_what_storage_says_of_sizes(storage: ScriptedServer, web: Web, tried: Tried) -> None:
    @SERVED
    @example(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 206 Ok\r\nContent-Range: bytes 0-0/7\r\n\r\nx")
    @given(replies(), replies())
    def read(head: bytes, first: bytes) -> None:
        tried()
        routes = [storage.on("HEAD", "*", Raw(head)), storage.on("GET", "*", Raw(first))]
        try:
            size = http_size(web, storage.url + "/input", CLOCK.monotonic() + 30)
            assert size is None or 0 <= size < 2**63
        except Silent as silent:
            hold(len(str(silent)) < 1000)
        finally:
            for route in routes:
                storage.off(route)

    read()
    assert storage.requests("GET"), "the example at least does not tell its size by HEAD"


def test_what_storage_says_of_logs(storage: ScriptedServer, web: Web, tried: Tried) -> None:
    account = f"{storage.url}/account"
    given_ = SignerSettings(name="runs", account="account", key_env="KEY", endpoint=account, allow_http=True)
    signer = BlobSigner(given_, CLOCK, {"KEY": KEY})
    named = [[f"{account}/logs/one?sig=theirs"], [f"{account}/logs/one", f"{account}/logs/two/three"]]

    @SERVED
    @example(
        json.dumps(named[0]).encode(),
        b"HTTP/1.1 200 Ok\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 206 Ok\r\nContent-Length: 5\r\n\r\nhello",
    )
    @given(spoilt(named), replies() | SIZES, replies())
    def read(text: bytes, head: bytes, end: bytes) -> None:
        tried()
        routes = [storage.on("HEAD", "*", Raw(head)), storage.on("GET", "*", Raw(end))]
        logs = BlobLogs([LogSigner(signer, frozenset({"azure"}))], web, CLOCK, 30.0, in_a_row_seconds=300.0)
        printed = text.decode("utf-8", "replace")
        try:
            filled = logs.filled("azure", {"logs": [{"stdout": printed}]}, TAIL)
        finally:
            for route in routes:
                storage.off(route)
        shown = filled["logs"][0]["stdout"]
        assert isinstance(shown, str)
        assert "sig=theirs" not in shown or shown == printed
        kept = shown.partition("were left out]\n")[2] or shown
        assert len(kept.encode()) <= 3 * TAIL or shown.startswith(printed[:20])
        json.dumps(filled).encode()

    read()
    assert storage.requests("GET"), "the example at least has a size, and is read"
