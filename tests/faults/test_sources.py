"""What is known about data, with servers that are real, slow, sick or hostile."""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from middleware import DataObject, InputView, OutputView, Replica, TaskView
from protes.clock import Clock, SystemClock
from protes.config.loading import ConfigError
from protes.config.outbound import OutboundSettings
from protes.config.planning import DrsServerSettings, LocationSettings, SourceSettings
from protes.sources.sources import Sources
from protes.store.factory import create_stores
from tests.support.behaviours import (
    Drip,
    Endless,
    HangUp,
    Reset,
    Stall,
    answer,
    answer_html,
    answer_json,
    problem,
    redirect,
)
from tests.support.fake_drs import FakeDrs, method
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.middleware_samples import task
from tests.support.scripted_server import ScriptedServer

HOST = "drs.example.org"
TOKEN = "correct-horse-battery"
S3 = method("s3", "s3://mirror/one", region="eu-west-1")
SIGNED = method("https", access_id="https-eu", region="europe-west4", cloud="gcp")


@pytest.fixture
def drs() -> Iterator[FakeDrs]:
    with FakeDrs(TOKEN) as found:
        yield found


@pytest.fixture
def web() -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        yield found


def no_instance(base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
    raise AssertionError("no instance is to be asked")


def sources(
    drs: FakeDrs | None = None, clock: Clock | None = None, outbound: OutboundSettings | None = None, **settings: Any
) -> Sources:
    servers = [DrsServerSettings(match=HOST, url=drs.url, token_env="TOKEN")] if drs is not None else []
    values = {"drs_resolver": None, "wait_seconds": 10.0, "drs_servers": servers, "allow_private": True, **settings}
    locations = [LocationSettings(prefix="s3://mirror/", zone="aws:eu-west-1", coordinates=(53.0, -6.0))]
    records = create_stores("memory:").records
    return Sources(
        SourceSettings.model_validate(values),
        locations,
        records,
        clock or SystemClock(),
        {"TOKEN": TOKEN},
        no_instance,
        outbound,
    )


def reading(*urls: str) -> TaskView:
    return task(inputs=tuple(InputView(path=f"/{number}", url=url) for number, url in enumerate(urls)))


def uri(object_id: str) -> str:
    return f"drs://{HOST}/{object_id}"


# DRS


def test_an_object_is_resolved_with_its_replicas_and_then_known(drs: FakeDrs) -> None:
    drs.add("one", size=12, methods=[S3, SIGNED, method("https", None), method("gs", "gs://b/k", available=False)])
    found = sources(drs)
    assert found.known(reading(uri("one"))).data == {}
    facts = found.gather(reading(uri("one")))
    expected = DataObject(
        size_bytes=12,
        replicas=(
            Replica(url="s3://mirror/one", zone="aws:eu-west-1", coordinates=(53.0, -6.0)),
            Replica(url=uri("one"), zone="gcp:europe-west4", access_id="https-eu"),
            Replica(url="gs://b/k", available=False),
        ),
    )
    assert facts.data == {uri("one"): expected}
    assert found.known(reading(uri("one"))).data == {uri("one"): expected}
    found.gather(reading(uri("one")))
    assert drs.server.count("GET", drs.path("one")) == 1
    assert drs.minted == 0


def test_ids_are_quoted_and_bundles_are_summed(drs: FakeDrs) -> None:
    contents = [{"name": "a", "size": 5}, {"name": "b", "contents": [{"size": 7}, {"size": "8"}]}]
    drs.add("a%2Fb", size=None, contents=contents)
    assert sources(drs).gather(reading(uri("a/b"))).data[uri("a/b")].size_bytes == 20


@pytest.mark.parametrize(
    "fault",
    [
        problem(401),
        problem(404),
        problem(500),
        answer_json({}, 202),
        answer_html(),
        answer(200, b"[]"),
        answer(200, b"{"),
        answer(200, b"[" * 100_000),
        Reset(),
        HangUp(),
        Endless(),
        redirect("/elsewhere"),
        redirect("ftp://x/y"),
        redirect("http://[bad"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_sick_server_leaves_the_others_known(drs: FakeDrs, fault: Any) -> None:
    drs.add("well", size=1)
    drs.server.on("GET", drs.path("sick"), fault)
    facts = sources(drs).gather(reading(uri("well"), uri("sick")))
    assert facts.data.keys() == {uri("well")}


def test_what_is_slow_costs_no_more_than_the_deadline_and_is_known_later(drs: FakeDrs) -> None:
    stalls = [Stall(answer_json({"size": 3})) for _ in range(3)]
    for number, stall in enumerate(stalls):
        drs.server.on("GET", drs.path(f"slow{number}"), stall)
    drs.server.on("GET", drs.path("dripping"), Drip(answer_json({"size": 1}), 0.2))
    for number in range(20):
        drs.add(f"quick{number}", size=number)
    found = sources(drs, wait_seconds=3)
    slow = [uri(f"slow{number}") for number in range(3)]
    quick = [uri(f"quick{number}") for number in range(20)]
    began = time.monotonic()
    facts = found.gather(reading(*slow, uri("dripping"), *quick))
    assert time.monotonic() - began < 20
    assert set(quick) <= facts.data.keys()
    assert not facts.data.keys() & set(slow)
    for stall in stalls:
        stall.release()


def test_access_methods_are_used_at_the_last_moment_and_never_kept(
    drs: FakeDrs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    needs_headers = {"type": "https", "access_url": {"url": "https://x/y", "headers": ["Authorization: Basic x"]}}
    drs.add("one", methods=[needs_headers, S3, SIGNED])
    found = sources(drs)
    assert found.access(uri("one"), None, None) == "s3://mirror/one"
    https = frozenset({"https"})
    first, second = found.access(uri("one"), None, https), found.access(uri("one"), None, https)
    assert first == "https://signed.example.org/https-eu?signature=hunter2-1"
    assert second == "https://signed.example.org/https-eu?signature=hunter2-2"
    chosen = Replica(url=uri("one"), access_id="https-eu")
    assert found.access(uri("one"), chosen, None) == "https://signed.example.org/https-eu?signature=hunter2-3"
    assert found.access(uri("one"), None, frozenset({"ftp"})) is None
    assert found.access(uri("missing"), None, None) is None
    assert "hunter2" not in caplog.text
    assert TOKEN not in caplog.text


def test_a_token_goes_to_its_server_and_nowhere_else(drs: FakeDrs, web: ScriptedServer) -> None:
    web.on("GET", "/*", answer_json({"size": 1}))
    drs.server.on("GET", drs.path("moved"), redirect(f"{web.url}/elsewhere"))
    assert not sources(drs).gather(reading(uri("moved"))).data
    assert not web.requests()
    drs.server.forget()
    found = sources(drs, outbound=OutboundSettings(redirects="checked"))
    assert found.gather(reading(uri("moved"))).data[uri("moved")].size_bytes == 1
    [request] = web.requests()
    assert "Authorization" not in request.headers
    assert drs.server.requests()[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_compact_identifiers_are_looked_up_once(drs: FakeDrs, web: ScriptedServer) -> None:
    web.on(
        "GET",
        "/restApi/namespaces/search/findByPrefix",
        answer_json({"_links": {"self": {"href": "https://registry/restApi/namespaces/42"}}}),
    )
    pattern = f"{web.url}/ga4gh/drs/v1/objects/{{$id}}"
    web.on(
        "GET",
        "/restApi/resources/search/findAllByNamespaceId",
        answer_json({"_embedded": {"resources": [{"urlPattern": 5}, {"urlPattern": pattern}]}}),
    )
    web.on("GET", "/ga4gh/drs/v1/objects/{id}", answer_json({"size": 9}))
    found = sources(drs_resolver=web.url)
    facts = found.gather(reading("drs://dg.4DFC:a:b", "drs://dg.4DFC:c"))
    assert [each.size_bytes for each in facts.data.values()] == [9, 9]
    assert web.count("GET", "/restApi/namespaces/search/findByPrefix") == 1
    assert sources(drs_resolver=None).gather(reading("drs://dg.4DFC:a")).data == {}


def test_the_operators_table_goes_before_any_look_up(drs: FakeDrs) -> None:
    drs.add("abc", size=4)
    servers = [DrsServerSettings(match="dg.TEST", url=drs.url, token_env="TOKEN", zone="CH")]
    found = sources(drs_servers=servers)
    facts = found.gather(reading("drs://dg.TEST:abc", "drs://dg.TEST/abc", "drs://provider/dg.TEST:abc"))
    assert [each.size_bytes for each in facts.data.values()] == [4, 4, 4]


@pytest.mark.parametrize("server", [{"match": "x", "token_env": "MISSING"}, {"match": "x", "url": "ftp://x"}])
def test_a_server_that_cannot_be_used_stops_the_start(server: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        sources(drs_servers=[DrsServerSettings(**server)])


# The guard


def test_private_addresses_are_not_asked_but_where_the_operator_names_them(drs: FakeDrs, web: ScriptedServer) -> None:
    drs.add("one", size=1)
    web.on("*", "/*", answer(200, b"x" * 9))
    drs.server.on("GET", drs.path("inward"), redirect(f"{web.url}/secret"))
    found = sources(drs, allow_private=False)
    facts = found.gather(reading(uri("one"), uri("inward"), f"{web.url}/x", "https://localhost/x", "drs://localhost/x"))
    assert facts.data.keys() == {uri("one")}
    assert web.requests() == []


# Sizes


def test_sizes_of_http_inputs_by_head_or_by_the_first_byte(web: ScriptedServer) -> None:
    web.on("HEAD", "/head", answer(200, b"12345"))
    web.on("HEAD", "/signed", problem(403))
    web.on("GET", "/signed", answer(206, b"x", **{"Content-Range": "bytes 0-0/77"}))
    web.on("HEAD", "/neither", problem(405))
    web.on("GET", "/neither", answer(200, b"all of it"))
    web.on("HEAD", "/moved", redirect("/head"))
    names = ("head", "signed", "neither", "moved", "missing")
    facts = sources().gather(reading(*(f"{web.url}/{name}" for name in names)))
    sizes = {url.rpartition("/")[2]: each.size_bytes for url, each in facts.data.items()}
    assert sizes == {"head": 5, "signed": 77, "moved": 5}


def test_urls_with_a_user_are_not_asked(web: ScriptedServer) -> None:
    web.on("*", "/*", answer(200, b"x"))
    url = web.url.replace("http://", "http://user:hunter2@")
    assert sources().gather(reading(f"{url}/x")).data == {}
    assert web.requests() == []


def test_places_come_from_the_operator() -> None:
    found = sources()
    asked = task(
        inputs=(InputView(path="/a", url="s3://mirror/x"), InputView(path="/b", content="y")),
        outputs=(OutputView(path="/o", url="s3://mirror/o"), OutputView(path="/p", url="s3://other/p")),
    )
    facts = found.known(asked)
    assert facts.data["s3://mirror/x"].replicas[0].zone == "aws:eu-west-1"
    assert facts.zones == {"s3://mirror/o": "aws:eu-west-1"}


# The whole way


@pytest.mark.parametrize("takes", [["https"], ["https", "drs"], None])
def test_an_instance_gets_the_url_and_the_client_keeps_its_own(drs: FakeDrs, takes: list[str] | None) -> None:
    drs.add("one", size=10, methods=[SIGNED])
    document = {**TASK, "inputs": [{"url": uri("one"), "path": "/in"}]}
    feeds = {"drs_servers": [{"match": HOST, "url": drs.url, "token_env": None}], "drs_resolver": None}
    with FakeDrs() as open_drs, FakeTes(service_id="unknown") as fake:
        open_drs.add("one", size=10, methods=[SIGNED])
        feeds["drs_servers"] = [{"match": HOST, "url": open_drs.url}]
        limits = {"input_schemes": takes} if takes is not None else {}
        with Harness(instance("one", fake, limits=limits), sources=feeds) as found:
            found.probe()
            task_id = found.post(document)
            found.turn()
            [copy] = fake.tasks.values()
            sent = copy.document["inputs"][0]["url"]
            kept = uri("one") if takes is not None and "drs" in takes else "https://signed.example.org/"
            assert sent.startswith(kept)
            assert found.task(task_id)["inputs"][0]["url"] == uri("one")
            stored = repr(found.record(task_id)) + repr(found.services.planner.explanation(found.record(task_id)))
            assert "hunter2" not in stored


def test_where_no_url_can_be_had_the_next_instance_is_tried() -> None:
    with FakeDrs() as drs, FakeTes(service_id="unknown") as first, FakeTes(service_id="unknown") as second:
        drs.add("one", methods=[method("https", access_id="gone")])
        drs.server.on("GET", drs.path("one") + "/access/{id}", problem(403))
        feeds = {"drs_servers": [{"match": HOST, "url": drs.url}], "drs_resolver": None}
        one = instance("one", first, limits={"input_schemes": ["https"]}, queue_seconds=0)
        other = instance("other", second, limits={"input_schemes": ["drs"]}, queue_seconds=999999)
        with Harness(one, other, sources=feeds, api={"weight": "1"}) as found:
            found.probe()
            task_id = found.post({**TASK, "inputs": [{"url": uri("one"), "path": "/in"}]})
            found.turn()
            assert first.posts == 0
            assert second.posts == 1
            assert "no URL with a scheme among https can be had for inputs[0].url now" in found.notes(task_id)
