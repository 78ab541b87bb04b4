"""What a web page may not do to servers on its visitor's machine: read, write, ask first, stream, open a web socket."""

from __future__ import annotations

import pytest

from tests.support.raw_requests import LISTED, NAME, TASK, TES, Place, count, no_cors

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(name="served")
def _served(places: dict[str, Place]) -> Place:
    return places["gateway"]


FOREIGN = (
    "http://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost.evil.example",
    "file://",
    "",
    LISTED + ".x",
)


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_reads_and_writes_nothing(place: Place, origin: str) -> None:
    before = count(place)
    for answer in (place.send(Origin=origin), place.creates(Origin=origin), place.send("/nothing", Origin=origin)):
        assert answer.status == 403
        assert no_cors(answer)
    assert count(place) == before


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_what_a_page_can_send_without_asking_first_makes_no_task(place: Place, kind: str) -> None:
    """A "simple" request (Fetch): the browser sends it, and asks later whether the page may read the answer."""
    before = count(place)
    headers = {"Content_Type": kind} if kind else {}
    for path in (f"{TES}/tasks", *(["/v1/tasks", "/protes/v1/tasks:create"] if "ann" in _user(place) else [])):
        for origin in ("http://evil.example", "null"):
            assert place.send(path, "POST", TASK, Origin=origin, **headers).status == 403
        assert place.send(path, "POST", TASK, **headers).status == 415  # nor one that says nothing of its page
    assert count(place) == before


def _user(place: Place) -> str:
    return "ann" if place.credential["Authorization"].startswith("Basic") else ""


def test_the_same_origin_may_and_another_port_is_another_origin(place: Place) -> None:
    assert place.send(Origin=f"http://{place.host}").status == 200
    assert place.send(Origin=f"http://127.0.0.1:{place.port + 1}").status == 403
    assert place.send(Origin=f"http://localhost:{place.port}").status == 403  # `Host` is 127.0.0.1


PREFLIGHT = {
    "Access_Control_Request_Method": "POST",
    "Access_Control_Request_Headers": "authorization, content-type",
}


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_that_asks_first_is_told_nothing(place: Place, origin: str) -> None:
    network = {"Access_Control_Request_Private_Network": "true"}
    for path in (f"{TES}/tasks", "/protes/v1/events", "/metrics", "/"):
        answer = place.send(path, "OPTIONS", b"", Origin=origin, **PREFLIGHT, **network)
        assert answer.status == 403
        assert no_cors(answer)


def test_a_node_lets_no_page_in_whatever_it_asks(places: dict[str, Place]) -> None:
    answer = places["node"].send(f"{TES}/tasks", "OPTIONS", b"", Origin=LISTED, **PREFLIGHT)
    assert answer.status == 403
    assert no_cors(answer)


@pytest.mark.parametrize(
    "path", ["/protes/v1/events", "/", "/dashboard/app.js", f"{TES}/ui/", "/healthz", "/readyz", "/metrics"]
)
def test_streams_pages_and_probes_are_no_exception(served: Place, path: str) -> None:
    for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{served.port}"}):
        answer = served.send(path, **headers)
        assert answer.status in (403, 404) or path in ("/healthz", "/readyz"), path
    answer = served.send(path, Origin="http://evil.example")
    assert answer.status in (403, 404) or path in ("/healthz", "/readyz"), path
    assert no_cors(answer)


def test_probes_say_no_more_than_that_it_is_there(served: Place) -> None:
    """Those who look after a process ask by its address, so that any `Host` must do."""
    for path in ("/healthz", "/readyz"):
        assert len(served.send(path, Host="evil.example").body) < 100


@pytest.mark.parametrize("path", ["/protes/v1/events", f"{TES}/tasks", "/"])
def test_no_request_becomes_a_web_socket(served: Place, path: str) -> None:
    """Browsers open them across origins without asking; the origin is in the head, as with all others."""
    wish = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
    }
    assert served.send(path, Origin="http://evil.example", **wish).status == 403
    assert served.send(path, Origin="null", **wish).status == 403
    answer = served.send(path, Origin=f"http://{served.host}", **{**wish, "Connection": "Upgrade, close"})
    assert answer.status != 101
    assert "upgrade" not in answer.headers


# The listed origin


@pytest.mark.parametrize("path", [f"{TES}/tasks", "/v1/tasks", "/w/0.3/v1/tasks", "/protes/v1/offers"])
def test_a_listed_page_asks_first_without_a_credential(served: Place, path: str) -> None:
    anonymous = Place(served.port, {})
    answer = anonymous.send(path, "OPTIONS", b"", Origin=LISTED, **PREFLIGHT)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-private-network" not in answer.headers


def test_a_listed_page_can_read_why_it_is_refused(served: Place) -> None:
    anonymous = Place(served.port, {})
    answer = anonymous.creates(Origin=LISTED)
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert "origin" in answer.headers["vary"].lower()
    assert served.creates(Origin=LISTED).status == 200


def test_a_listed_page_is_not_let_in_by_another_name(served: Place) -> None:
    assert served.send(Host=NAME, Origin=LISTED).status == 200
    assert served.send(Host=f"{NAME.upper()}:443", Origin=LISTED).status == 200
    assert served.send(Host=f"{NAME}.", Origin=LISTED).status == 403
    assert served.send(Host=f"x.{NAME}", Origin=LISTED).status == 403
    assert served.send(Host=f"{NAME}.evil.example", Origin=LISTED).status == 403


def test_a_plain_options_request_is_no_preflight(served: Place) -> None:
    """What passes for one without being one would pass the gate."""
    anonymous = Place(served.port, {})
    assert anonymous.send(f"{TES}/tasks", "OPTIONS").status == 401
    assert anonymous.send(f"{TES}/tasks", "OPTIONS", b"", Origin=LISTED).status == 401
    for method in ("GET", "POST"):
        assert anonymous.send(f"{TES}/tasks", method, b"", Origin=LISTED, **PREFLIGHT).status == 401
