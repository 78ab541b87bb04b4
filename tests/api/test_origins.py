"""Requests that name another host than the server's, over the server that really serves, byte by byte.

By DNS rebinding a web page can have a browser take a server on its visitor's machine for the page's own. Such requests
are refused on the gateway and on the node, whatever else is in them; what pages do by their own name is tested in
`test_origins_pages.py`.
"""

from __future__ import annotations

import socket
from http.client import HTTPResponse

import pytest

from tests.support.raw_requests import TASK, TES, Place, count, no_cors

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LocalHost:{port}", "localhost", "[::1]:{port}", "127.0.0.1:1"])
def test_names_of_this_machine_are_let_in(place: Place, host: str) -> None:
    assert place.send(Host=host.format(port=place.port)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1.nip.io",
        "localhost.:{port}",  # the same machine, another name: no browser needs it
        "127.0.0.1.:{port}",
        "127.1:{port}",
        "0x7f000001:{port}",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "[0:0:0:0:0:0:0:1%25lo]",
        "[::1",
        "user@localhost:{port}",
        "localhost@evil.example",
        "localhost:{port}@evil.example",
        "localhost:{port}/evil.example",
        "localhost,evil.example",
        "localhost:80:80",
        "localhost:http",
        "localhost evil.example",
        "lоcalhost",  # a Cyrillic letter
        "",
    ],
)
def test_any_other_host_is_refused_though_the_credential_is_good(place: Place, host: str) -> None:
    answer = place.send(Host=host.format(port=place.port))
    assert answer.status in (400, 403)
    assert no_cors(answer)
    assert place.creates(Host=host.format(port=place.port)).status in (400, 403)


def test_a_second_host_opens_nothing(place: Place) -> None:
    for first, second in ((place.host, "evil.example"), ("evil.example", place.host)):
        assert place.send(f"{TES}/tasks", "GET", b"", f"Host: {second}", Host=first).status in (400, 403)


def test_a_request_without_a_host_is_refused(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port), timeout=30) as connection:
        lines = [f"GET {TES}/tasks HTTP/1.0", *(f"{name}: {each}" for name, each in place.credential.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = HTTPResponse(connection, method="GET")
        answer.begin()
        assert answer.status == 403


def test_a_name_that_was_bound_anew_is_its_own_origin_and_refused(place: Place) -> None:
    """DNS rebinding: to the browser it is the page's own server."""
    rebound = f"rebound.example:{place.port}"
    before = count(place)
    assert place.send(Host=rebound).status == 403
    assert place.creates(Host=rebound, Origin=f"http://{rebound}").status == 403
    assert place.creates(Host=rebound).status == 403
    assert count(place) == before


def test_a_target_that_names_another_host_decides_nothing(place: Place) -> None:
    """RFC 9112, section 3.2.2: the target's host counts; one that is not ours must not be hidden by `Host`."""
    assert place.send(f"http://{place.host}{TES}/tasks", Host="evil.example").status in (400, 403)
    answer = place.send(f"http://evil.example{TES}/tasks")
    assert b"evil.example" not in answer.body
    for target in (
        f"http://evil.example{TES}/tasks",
        f"//evil.example{TES}/tasks",
        f"http://u:p@{place.host}{TES}/tasks",
    ):
        assert place.send(target, "POST", TASK, Origin="http://evil.example").status in (400, 403)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "X-HTTP-Host-Override"])
def test_headers_that_name_another_host_are_not_trusted(place: Place, name: str) -> None:
    ours, theirs = place.host, "evil.example"
    if name == "Forwarded":
        ours, theirs = f"host={ours}", f"host={theirs}"
    header = name.replace("-", "_")
    assert place.send(Host="evil.example", **{header: ours}).status == 403
    answer = place.creates(Origin=f"https://{theirs}", **{header: theirs})
    assert answer.status == 403
    for target in (f"{TES}/service-info", "/", f"{TES}/ui/", f"{TES}/openapi.json", f"{TES}/tasks/"):
        answer = place.send(target, **{header: theirs})
        assert b"evil.example" not in answer.body
        assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize(
    "line", ["SCRIPT_NAME: /ga4gh", "SCRIPT_NAME: /x", "PATH_INFO: /healthz", "SCRIPT-NAME: /ga4gh"]
)
def test_no_header_moves_a_request_to_another_path(place: Place, line: str) -> None:
    answer = place.send(f"{TES}/tasks", "GET", b"", line)
    assert (answer.status, b'"tasks"' in answer.body) == (200, True)
