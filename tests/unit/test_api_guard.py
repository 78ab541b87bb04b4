"""Whom a browser may bring along: `Host` and `Origin`."""

import pytest

from protes.api.guard import Guard

GUARD = Guard.of("192.0.2.7", ["Tes.Example.org"], ["https://dashboard.example.org", "http://localhost:3000"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LocalHost:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8080",
        "192.0.2.7:8080",
        "tes.example.org",
        "TES.example.ORG:443",
    ],
)
def test_our_own_names_are_let_in_whatever_the_port(host: str) -> None:
    assert GUARD.refusal(host, None) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":8080",
        "evil.example",
        "localhost.evil.example",  # DNS rebinding: a foreign name that resolves to this machine
        "127.0.0.1.nip.io:8080",
        "evil.example:127.0.0.1",
        "user@localhost",
        "evil.example@localhost",
        "localhost/evil.example",
        "localhost evil.example",
        "localhost,evil.example",
        "localhost:80:80",
        "localhost:http",
        "localhost:",
        "localhost\n",
        "::1",
        "[::1",
        "[::2]:8080",
        "[localhost]",
        "0.0.0.0:8080",
        "10.0.0.1",
        "lоcalhost",  # a Cyrillic letter
    ],
)
def test_any_other_host_is_refused_by_the_name_of_the_setting(host: str | None) -> None:
    refusal = GUARD.refusal(host, None)
    assert refusal is not None
    assert refusal.startswith("Host:")
    assert "server.allowed_hosts" in refusal


@pytest.mark.parametrize("bound", ["", "0.0.0.0", "::"])
def test_a_wildcard_address_names_no_host(bound: str) -> None:
    guard = Guard.of(bound, [], [])
    assert guard.hosts == frozenset()
    assert guard.refusal("0.0.0.0:8080", None) is not None
    assert guard.refusal("localhost:8080", None) is None


def test_a_bound_ipv6_address_is_let_in() -> None:
    assert Guard.of("2001:DB8::7", [], []).refusal("[2001:db8::7]:8080", None) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("tes.example.org", "https://tes.example.org"),
        ("localhost:8080", "https://dashboard.example.org"),
        ("localhost:8080", "HTTPS://Dashboard.example.org"),
        ("127.0.0.1:8080", "http://localhost:3000"),
    ],
)
def test_the_same_and_listed_origins_are_let_in(host: str, origin: str) -> None:
    assert GUARD.refusal(host, origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://evil.example",
        "https://dashboard.example.org.evil.example",
        "http://dashboard.example.org",  # another scheme is another origin
        "https://dashboard.example.org:8443",
        "http://localhost",  # another port is another origin
        "http://localhost:8081",
        "http://127.0.0.1:8080",
        "http://user@localhost:8080",
        "http://[::1",
        "http://[evil",
        "file://",
        "file://localhost:8080",
        "chrome-extension://localhost:8080",
        "//localhost:8080",
        "localhost:8080",
    ],
)
def test_pages_of_other_origins_are_refused_by_the_name_of_the_setting(origin: str) -> None:
    refusal = GUARD.refusal("localhost:8080", origin)
    assert refusal is not None
    assert refusal.startswith("Origin:")
    assert "server.cors_origins" in refusal


def test_a_listed_origin_opens_no_foreign_host() -> None:
    refusal = GUARD.refusal("evil.example", "https://dashboard.example.org")
    assert refusal is not None
    assert refusal.startswith("Host:")
