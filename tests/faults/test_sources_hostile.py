"""What servers and tasks may do to the sources on purpose or by accident, and must not get away with."""

import json
import logging
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from middleware import Resources
from protes.clock import ManualClock, SystemClock
from protes.config.outbound import OutboundSettings
from protes.config.planning import DrsServerSettings, SourceSettings
from protes.outbound.addresses import is_public
from protes.outbound.guard import guard_of
from protes.outbound.web import Web
from protes.sources.cache import Cache
from protes.sources.drs import DrsClient
from protes.sources.locations import Locations
from protes.sources.outputs import Outputs
from protes.sources.sources import Sources
from protes.store.factory import create_stores
from protes.store.records import Phase
from protes.tes.errors import TimedOut
from protes.tes.states import State
from tests.faults.test_sources import HOST, TOKEN, reading, sources, uri
from tests.support.behaviours import Stall, answer, answer_json, redirect
from tests.support.fake_drs import FakeDrs, method
from tests.support.http_messages import Request
from tests.support.middleware_samples import task
from tests.support.scripted_server import ScriptedServer
from tests.support.task_records import a_task, an_attempt

HTTPS = frozenset({"https"})


@pytest.fixture
def drs() -> Iterator[FakeDrs]:
    with FakeDrs(TOKEN) as found:
        yield found


@pytest.fixture
def web() -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        yield found


# Threads


def test_a_server_that_hangs_does_not_keep_the_threads_from_others(drs: FakeDrs, web: ScriptedServer) -> None:
    stalls = [Stall(answer_json({"size": 3})) for _ in range(20)]
    for number, stall in enumerate(stalls):
        web.on("*", f"/slow{number}", stall)
    quick = [uri(f"quick{number}") for number in range(18)]
    for number in range(18):
        drs.add(f"quick{number}", size=number)
    began = time.monotonic()
    found = sources(drs, wait_seconds=3)
    facts = found.gather(reading(*(f"{web.url}/slow{number}" for number in range(20)), *quick))
    assert time.monotonic() - began < 20
    assert set(quick) == facts.data.keys()
    assert found.gather(reading(uri("quick1"))).data  # the next task finds threads again
    for stall in stalls:
        stall.release()


def test_no_lock_is_kept_for_an_answer_that_is_there() -> None:
    cache: Cache[int] = Cache(ManualClock(), 10, 100, 10)
    for _ in range(2):
        cache.ask("a", lambda: 1)
    assert not cache._asking


def test_a_silent_instance_is_not_waited_for_again_by_the_next_task() -> None:
    asked = []

    def call(base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
        asked.append((base_url, body, seconds))
        raise TimedOut("no answer", instance="a")

    class Silent:
        base_url = "https://a"
        task_info = None

    found = Sources(SourceSettings(), [], create_stores("memory:").records, SystemClock(), {}, call)
    for cores in range(1, 6):
        assert found.reported([Silent()], task(resources=Resources(cpu_cores=cores)), None, ask=True) == {}
    assert len(asked) == 1


# Secrets


def test_a_token_is_not_in_any_repr(drs: FakeDrs) -> None:
    servers = [DrsServerSettings(match=HOST, url=drs.url, token_env="TOKEN")]
    clock = SystemClock()
    web = Web(clock, guard_of(OutboundSettings(), allow_private=True))
    client = DrsClient(servers, None, web, Locations([]), clock, {"TOKEN": TOKEN})
    assert TOKEN not in repr(client._servers) + repr(client._place(uri("one"), clock.monotonic() + 1))


def test_a_token_does_not_come_back_by_way_of_a_stranger(drs: FakeDrs, web: ScriptedServer) -> None:
    drs.server.on("GET", drs.path("one"), redirect(f"{web.url}/there"))
    web.on("GET", "/there", redirect(f"{drs.server.url}/anywhere"))
    drs.server.on("GET", "/anywhere", answer_json({"size": 1}))
    found = sources(drs, outbound=OutboundSettings(redirects="checked"))
    assert found.gather(reading(uri("one"))).data[uri("one")].size_bytes == 1
    [first, second] = drs.server.requests()
    assert first.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in second.headers


class _OddHeaders(socketserver.BaseRequestHandler):
    """Answers with a header that is none, of which urllib3 warns, naming the whole URL."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nno header\r\nX: y\r\n\r\n")


def test_what_urls_are_signed_with_is_in_no_log(web: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    web.on("*", "/x", answer(200, b"x" * 5))
    with socketserver.TCPServer(("127.0.0.1", 0), _OddHeaders) as odd:
        thread = threading.Thread(target=odd.serve_forever, args=(0.05,))
        thread.start()
        query = "x?X-Amz-Signature=hunter2"
        facts = sources().gather(reading(f"{web.url}/{query}", f"http://127.0.0.1:{odd.server_address[1]}/{query}"))
        odd.shutdown()
        thread.join(30)
    assert f"{web.url}/{query}" in facts.data
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("address", ["fec0::1", "192.0.0.8", "192.88.99.1", "3fff::1", "5f00::1", "64:ff9b:1::7f00:1"])
def test_ranges_that_python_takes_for_public_are_not(address: str) -> None:
    assert not is_public(address)


# DRS as it is found


def test_an_id_that_is_percent_encoded_in_the_uri_is_not_encoded_again(drs: FakeDrs) -> None:
    drs.add("a%2Fb", size=5)
    assert sources(drs).gather(reading(uri("a%2Fb"))).data[uri("a%2Fb")].size_bytes == 5


def test_hosts_are_compared_without_regard_to_case(drs: FakeDrs) -> None:
    drs.add("one", size=1)
    url = f"drs://{HOST.upper()}/one"
    assert sources(drs).gather(reading(url)).data[url].size_bytes == 1


@pytest.mark.parametrize("url", [None, "s3://bucket/one"])
def test_an_access_id_of_a_method_for_s3_may_give_a_signed_https_url(drs: FakeDrs, url: str | None) -> None:
    drs.add("one", methods=[method("s3", url, access_id="s3")])
    found = sources(drs)
    assert (found.access(uri("one"), None, HTTPS) or "").startswith("https://signed.example.org/s3?")
    replicas = found.gather(reading(uri("one"))).data[uri("one")].replicas
    assert [each.url for each in replicas] == [each for each in (url, uri("one")) if each]
    assert replicas[-1].access_id == "s3"


def test_a_server_that_says_later_is_asked_again(drs: FakeDrs) -> None:
    asked: list[Request] = []

    def later(request: Request) -> Any:
        asked.append(request)
        return answer_json({"size": 3}) if len(asked) > 1 else answer(202, b"", **{"Retry-After": "0"})

    drs.server.on("GET", drs.path("later"), later)
    assert sources(drs).gather(reading(uri("later"))).data[uri("later")].size_bytes == 3


def test_later_than_there_is_time_for_is_not_waited_for(drs: FakeDrs) -> None:
    drs.server.on("GET", drs.path("later"), answer(202, b"", **{"Retry-After": "60"}))
    began = time.monotonic()
    assert sources(drs).gather(reading(uri("later"))).data == {}
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("target", ["http://[bad", "https://host:99999/x", "", "//"])
def test_a_redirect_to_nowhere_is_no_exception_at_forwarding(drs: FakeDrs, target: str) -> None:
    drs.server.on("GET", drs.path("x"), redirect(target))
    assert sources(drs).access(uri("x"), None, None) is None


def test_text_that_cannot_be_written_is_left_out(drs: FakeDrs) -> None:
    odd = [
        method("https", access_id="\ud800"),
        method("https", "https://h/\ud800"),
        method("s3", "s3://q/1", region="x" * 999),
    ]
    drs.add("x", size=1, methods=odd)
    found = sources(drs)
    [replica] = found.gather(reading(uri("x"), "drs://\ud800/x")).data[uri("x")].replicas
    assert (replica.url, replica.zone) == ("s3://q/1", None)
    assert found.access(uri("x"), None, HTTPS) is None
    assert found.access("drs://h/\ud800", None, None) is None


# Outputs


def test_an_output_of_an_earlier_task_keeps_the_place_that_the_operator_gave_it() -> None:
    found = sources()
    attempt = an_attempt(phase=Phase.FINISHED, instance_url="https://maker/v1", log={"outputs": []})
    document = json.dumps({"outputs": [{"url": "s3://mirror/o", "path": "/o"}]})
    found.remember([a_task(document=document, attempts=(attempt,), state=State.COMPLETE)])
    [replica] = found.known(reading("s3://mirror/o")).data["s3://mirror/o"].replicas
    assert (replica.zone, replica.coordinates) == ("aws:eu-west-1", (53.0, -6.0))
    assert replica.instance == "https://maker/v1"


def test_folders_that_inputs_share_are_looked_up_once() -> None:
    class Counting:
        def __init__(self) -> None:
            self.looks = 0

        def get(self, *_: Any) -> None:
            self.looks += 1

    records = Counting()
    outputs = Outputs(records, SystemClock(), 1000)  # type: ignore[arg-type]
    assert outputs.find_all(f"s3://bucket/a/b/c/{number}" for number in range(100)) == {}
    assert records.looks < 110
