"""The scripted server itself: what it promises to the tests that stand on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from tests.support.scripted_server import (
    Answer,
    Behaviour,
    CommitThen,
    Delayed,
    Drip,
    Endless,
    HangUp,
    Raw,
    Request,
    Reset,
    ScriptedServer,
    Stall,
    Truncated,
    answer,
    answer_json,
    problem,
    refused_url,
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def get(url: str, timeout: float = 5.0) -> requests.Response:
    return requests.get(url, timeout=timeout)


def test_steps_play_in_turn_and_then_for_ever(server: ScriptedServer) -> None:
    server.on("GET", "/a", problem(503, Retry_After="2"), answer_json([1]), then=answer(200, "end"))
    first = get(server.url + "/a")
    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    assert get(server.url + "/a").json() == [1]
    assert [get(server.url + "/a").text for _ in range(2)] == ["end", "end"]


def test_the_last_step_repeats_without_then(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer(200, "1"), answer(200, "2"))
    assert [get(server.url + "/a").text for _ in range(3)] == ["1", "2", "2"]


def test_later_routes_win_and_can_be_taken_away(server: ScriptedServer) -> None:
    server.on("*", "*", answer(200, "all"))
    route = server.on("GET", "/tasks/{id}", lambda request: answer(200, request.params["id"]))
    assert get(server.url + "/tasks/a%2Fb").text == "a/b"
    assert get(server.url + "/tasks").text == "all"
    server.off(route)
    assert get(server.url + "/tasks/a").text == "all"


def test_what_no_route_matches_is_404_and_recorded(server: ScriptedServer) -> None:
    assert get(server.url + "/nowhere?x=1&x=2").status_code == 404
    (request,) = server.requests()
    assert (request.method, request.target, request.path) == ("GET", "/nowhere?x=1&x=2", "/nowhere")
    assert request.query == {"x": ("1", "2")}


def test_bodies_are_recorded_chunked_or_not_and_the_connection_is_kept(server: ScriptedServer) -> None:
    server.on("POST", "/tasks", lambda request: answer_json({"got": request.json()}))
    with requests.Session() as session:
        assert session.post(server.url + "/tasks", json={"n": 1}, timeout=30).json() == {"got": {"n": 1}}
        chunks = iter([b'{"n"', b": 2}"])
        assert session.post(server.url + "/tasks", data=chunks, timeout=30).json() == {"got": {"n": 2}}
    assert server.connections == 1
    assert server.requests("POST", "/tasks")[0].headers["content-type"] == "application/json"


def test_injected_steps_fall_through_with_the_parameters_of_each_route(server: ScriptedServer) -> None:
    server.on("GET", "/tasks/{id}", lambda request: answer(200, request.params["id"]))
    server.inject("GET", "/tasks/*", problem(500), Delayed(0.01), times=2)
    assert [get(server.url + "/tasks/x").status_code for _ in range(5)] == [500, 200, 500, 200, 200]
    assert get(server.url + "/tasks/y").text == "y"


@pytest.mark.parametrize(
    "fault",
    [Reset(), HangUp(), Raw(b"no HTTP at all\r\n\r\n"), Truncated(answer_json([])), Truncated(answer_json([1]), 1)],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_breaks_the_exchange_and_not_the_server(server: ScriptedServer, fault: Behaviour) -> None:
    server.on("GET", "/a", fault, then=answer(200, "well"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        get(server.url + "/a")
    assert get(server.url + "/a").text == "well"


def test_commit_then_handles_the_request_and_loses_the_answer(server: ScriptedServer) -> None:
    created: list[Request] = []

    def create(request: Request) -> Answer:
        created.append(request)
        return answer_json({"id": len(created)})

    server.on("POST", "/tasks", create)
    server.inject("POST", "/tasks", CommitThen(Reset()))
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url + "/tasks", json={}, timeout=30)
    assert len(created) == server.count("POST", "/tasks") == 1
    assert requests.post(server.url + "/tasks", json={}, timeout=30).json() == {"id": 2}


def test_a_stalled_request_is_held_until_released(server: ScriptedServer) -> None:
    stall = Stall(then=answer(200, "at last"))
    server.on("GET", "/a", stall)
    answers: list[str] = []
    caller = threading.Thread(target=lambda: answers.append(get(server.url + "/a").text))
    caller.start()
    stall.wait_entered()
    assert answers == []
    stall.release()
    caller.join(30)
    assert answers == ["at last"]


def test_the_end_of_the_server_releases_every_handler() -> None:
    before = set(threading.enumerate())
    with ScriptedServer() as server:
        server.on("GET", "/stall", Stall())
        server.on("GET", "/slow", Delayed(60, answer(200)))
        server.on("GET", "/drip", Drip(answer(200, "x" * 1000), interval_seconds=60))
        server.on("GET", "/endless", Endless())
        for path in ("/stall", "/slow"):
            with pytest.raises(requests.Timeout):
                get(server.url + path, timeout=0.05)
        for path in ("/drip", "/endless"):
            assert requests.get(server.url + path, timeout=30, stream=True).status_code == 200
    assert set(threading.enumerate()) <= before


def test_a_dripped_answer_arrives_whole(server: ScriptedServer) -> None:
    server.on("GET", "/a", Drip(answer_json({"a": 1}), interval_seconds=0.001, head=True))
    assert get(server.url + "/a").json() == {"a": 1}


def test_refuse_and_resume_keep_the_port(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer(200, "here"))
    server.on("GET", "/stall", Stall())
    with requests.Session() as session:
        assert session.get(server.url + "/a", timeout=30).text == "here"
        server.refuse()
        with pytest.raises(requests.ConnectionError):
            session.get(server.url + "/a", timeout=30)
        server.resume()
        assert session.get(server.url + "/a", timeout=30).text == "here"


def test_nobody_listens_at_a_refused_url() -> None:
    with refused_url() as url, pytest.raises(requests.ConnectionError, match="refused"):
        get(url)


def test_waiting_for_requests_has_a_deadline(server: ScriptedServer) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_for("GET", "/a", timeout_seconds=0.01)
    get(server.url + "/a")
    assert len(server.wait_for("GET", "/a")) == 1
    server.forget()
    assert server.count() == 0


def test_an_error_in_a_step_reaches_the_test() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedServer() as server:  # noqa: PT012
        server.on("GET", "/a", lambda _: answer(200, str(1 // 0)))
        assert get(server.url + "/a").status_code == 500
