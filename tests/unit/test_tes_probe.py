"""Probing: the base path and dialect of real servers of many kinds, with GET only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protes.tes.errors import BadAnswer, ConnectionLost, ServerFault, Throttled, TimedOut, Unreachable
from protes.tes.probe import Probe, probe
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import (
    HangUp,
    ScriptedServer,
    Stall,
    answer,
    answer_html,
    answer_json,
    problem,
    redirect,
    refused_url,
)

PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
HASTY = Timeouts(connect_seconds=1, get_seconds=1)
GATEWAY = "0b9df6a4-7f3d-4e0c-9c53-3c2d9d1f7a11"
NODE_INFO = {"id": "org.ga4gh.protes.node", "name": "node", "type": {"artifact": "tes", "version": "1.1.0"}}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def probe_at(url: str, timeouts: Timeouts = PATIENT) -> Probe:
    with Transport(url, timeouts=timeouts) as transport:
        return probe(transport)


@pytest.mark.parametrize("base_path", ["/ga4gh/tes/v1", "/v1", ""])
@pytest.mark.parametrize("configured", ["", "/ga4gh/tes/v1", "/v1", "/"])
def test_the_base_path_is_found_from_any_that_was_configured(base_path: str, configured: str) -> None:
    with FakeTes(base_path=base_path) as fake:
        found = probe_at(fake.server.url + configured)
        assert found.base_url == fake.url
        assert found.dialect == "node"
        assert found.service_info["id"] == "org.ga4gh.protes.node"
        assert (found.gateway_id, found.auth_required) == (None, False)
        assert {request.method for request in fake.server.requests()} == {"GET"}


def test_a_url_that_is_right_needs_one_request() -> None:
    with FakeTes() as fake:
        probe_at(fake.url)
        assert fake.server.count() == 1


@pytest.mark.parametrize("prefix", ["/a/b", "/w/0.3"])
def test_a_prefix_in_front_of_the_base_path_stays(prefix: str) -> None:
    with FakeTes(base_path=prefix + "/ga4gh/tes/v1") as fake:
        assert probe_at(fake.server.url + prefix).base_url == fake.url


def test_a_protes_is_known_by_its_header() -> None:
    with FakeTes(service_id="org.example.x", gateway_id=GATEWAY) as fake:
        found = probe_at(fake.url)
    assert (found.dialect, found.gateway_id) == ("protes", GATEWAY)


@pytest.mark.parametrize(
    ("path", "info", "dialect"),
    [
        ("/v1/tasks/service-info", {"name": "TES API Server for Azure Compute", "doc": "", "storage": []}, "tesazure"),
        ("/v1/tasks/service-info", {"name": "ours", "taskStateCounts": {}}, "funnel-0.10"),
        ("/v1/tasks/service-info", {"name": "x", "doc": ""}, "unknown"),
        ("/v1/service-info", {"name": "ours", "taskStateCounts": {}}, "unknown"),
        ("/ga4gh/tes/v1/service-info", {"id": "x", "type": {"artifact": "TES", "version": "1.0"}}, "tesk"),
        ("/ga4gh/tes/v1/service-info", {"name": "x", "type": None}, "unknown"),
    ],
)
def test_service_info_of_other_makes(server: ScriptedServer, path: str, info: dict[str, Any], dialect: str) -> None:
    server.on("GET", "*", answer_html(404))
    server.on("GET", path, answer_json(info))
    found = probe_at(server.url)
    assert found.base_url == server.url + path.removesuffix("/service-info").removesuffix("/tasks")
    assert (found.dialect, found.service_info) == (dialect, info)


def test_another_service_on_the_same_host_is_passed_over(server: ScriptedServer) -> None:
    server.on("GET", "/service-info", answer_json({"id": "drs", "type": {"artifact": "drs"}}))
    server.on("GET", "/v1/service-info", answer_json(NODE_INFO))
    assert probe_at(server.url).base_url == server.url + "/v1"


def test_pages_for_people_are_passed_over(server: ScriptedServer) -> None:
    server.on("GET", "/*", answer_html())
    server.on("GET", "/v1/service-info", answer_json(NODE_INFO))
    assert probe_at(server.url).base_url == server.url + "/v1"


def test_an_empty_service_info_is_taken_when_nothing_better_comes(server: ScriptedServer) -> None:
    server.on("GET", "/ga4gh/tes/v1/tasks/service-info", answer_json({}))
    assert probe_at(server.url) == Probe(server.url + "/ga4gh/tes/v1", "mock-tes", {})
    server.on("GET", "/ga4gh/tes/v1/service-info", answer_json({}))
    assert probe_at(server.url) == Probe(server.url + "/ga4gh/tes/v1", "unknown", {})
    server.on("GET", "/v1/service-info", answer_json(NODE_INFO))
    assert probe_at(server.url).base_url == server.url + "/v1"


def test_a_list_of_tasks_will_do(server: ScriptedServer) -> None:
    server.on("GET", "/v1/tasks", answer_json({"tasks": []}))
    assert probe_at(server.url) == Probe(server.url + "/v1", "unknown", {})
    [asked] = server.requests("GET", "/v1/tasks")
    assert asked.query == {"view": ("MINIMAL",), "page_size": ("1",)}


@pytest.mark.parametrize(("configured", "base"), [("", "/ga4gh/tes/v1"), ("/v1", "/v1")])
@pytest.mark.parametrize("status", [401, 403])
def test_a_closed_door_is_the_right_place(server: ScriptedServer, status: int, configured: str, base: str) -> None:
    server.on("GET", "*", answer_html(status))
    assert probe_at(server.url + configured) == Probe(server.url + base, "unknown", {}, auth_required=True)


def test_an_open_path_beside_a_closed_one_is_found(server: ScriptedServer) -> None:
    server.on("GET", "*", problem(401))
    server.on("GET", "/v1/service-info", answer_json(NODE_INFO))
    found = probe_at(server.url)
    assert (found.base_url, found.auth_required) == (server.url + "/v1", False)


def test_a_redirect_leads_to_the_real_base(server: ScriptedServer) -> None:
    server.on("GET", "/old/service-info", redirect("/new/v1/service-info", 301))
    server.on("GET", "/new/v1/service-info", answer_json(NODE_INFO))
    assert probe_at(server.url + "/old").base_url == server.url + "/new/v1"


def test_nothing_found_is_a_bad_answer(server: ScriptedServer) -> None:
    with pytest.raises(BadAnswer, match="no TES API"):
        probe_at(server.url)
    assert server.count("POST") == 0
    assert server.count() <= 12


def test_nothing_found_where_something_failed_may_be_tried_again(server: ScriptedServer) -> None:
    server.on("GET", "/v1/service-info", problem(503))
    with pytest.raises(ServerFault) as fault:
        probe_at(server.url)
    assert fault.value.retryable


@pytest.mark.parametrize(
    ("step", "error"),
    [(Stall(), TimedOut), (HangUp(), ConnectionLost), (problem(429), Throttled)],
    ids=("stall", "hang up", "throttled"),
)
def test_a_server_in_trouble_is_asked_once(server: ScriptedServer, step: Any, error: type[Exception]) -> None:
    server.on("GET", "*", step)
    with pytest.raises(error):
        probe_at(server.url, HASTY if error is TimedOut else PATIENT)
    assert server.count() == 1


def test_a_server_that_is_down_is_unreachable() -> None:
    with refused_url() as url, pytest.raises(Unreachable):
        probe_at(url)


@pytest.mark.parametrize("body", ["[]", '"x"', "{", '{"name": ""}', "null"])
def test_odd_service_infos_are_none(server: ScriptedServer, body: str) -> None:
    server.on("GET", "*", answer(200, body, "application/json"))
    with pytest.raises(BadAnswer):
        probe_at(server.url)
