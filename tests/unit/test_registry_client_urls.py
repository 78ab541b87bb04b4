"""One spelling of a service's URL."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_registry_client import InvalidURL, normalise_url, urls
from service_registry_client.urls import shown

BASE = "https://tes.example.org/ga4gh/tes/v1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (BASE, BASE),
        ("https://tes.example.org", "https://tes.example.org"),
        ("https://tes.example.org/", "https://tes.example.org"),
        ("https://tes.example.org/v1", "https://tes.example.org/v1"),
        (f" {BASE}", BASE),
        (f"\t{BASE}\n", BASE),
        (f"{BASE}/", BASE),
        ("https://tes.example.org//ga4gh/tes//v1", BASE),
        (f"{BASE}/service-info", BASE),
        (f"{BASE}/service-info/", BASE),
        (f"{BASE}/tasks", BASE),
        (f"{BASE}/tasks/service-info", BASE),
        (f"{BASE}/ui/", BASE),
        (f"{BASE}/swagger-ui.html", BASE),
        ("https://tes.example.org/my-tasks", "https://tes.example.org/my-tasks"),
        ("https://tes.example.org/tasks/api", "https://tes.example.org/tasks/api"),
        ("HTTPS://TES.Example.ORG/Path", "https://tes.example.org/Path"),
        ("https://tes.example.org:443/v1", "https://tes.example.org/v1"),
        ("http://tes.example.org:80/v1", "http://tes.example.org/v1"),
        ("http://tes.example.org:443/v1", "http://tes.example.org:443/v1"),
        ("https://tes.example.org:/v1", "https://tes.example.org/v1"),
        ("https://tes.example.org./v1", "https://tes.example.org/v1"),
        ("http://10.42.28.180:4500", "http://10.42.28.180:4500"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://BÜCHER.example/v1", "https://xn--bcher-kva.example/v1"),
        ("http://tes_node:8000", "http://tes_node:8000"),
        ("https://tes.example.org/a/./b/../v1", "https://tes.example.org/a/v1"),
        ("https://tes.example.org/%7euser/%2f/v%31", "https://tes.example.org/~user/%2F/v1"),
        ("https://tes.example.org/50%/ü", "https://tes.example.org/50%25/%C3%BC"),
    ],
)
def test_every_spelling_becomes_the_canonical_one(url: str, expected: str) -> None:
    assert normalise_url(url) == expected


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("", "http"),
        ("tes.example.org/v1", "http"),
        ("ftp://tes.example.org", "http"),
        ("file:///etc/passwd", "http"),
        ("http:tes.example.org", "no host"),
        ("http:///v1", "no host"),
        ("https://user:canary@tes.example.org", "user information"),
        ("https://canary@tes.example.org", "user information"),
        ("https://tes.example.org/v1?x=canary", "query"),
        ("https://tes.example.org/v1?", "query"),
        ("https://tes.example.org/v1#canary", "fragment"),
        ("https://tes.example.org:0", "port"),
        ("https://tes.example.org:65536", "port"),
        ("https://tes.example.org:canary", "port"),
        ("https://[::1", "malformed"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://tes..example.org", "host"),
        ("https://-tes.example.org", "host"),
        ("https://127.1/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://256.1.1.1/", "host"),
        ("https://t%65s.example.org/", "host"),
        ("https://tes example.org/", "blanks"),
        ("https://tes.example.org/a b", "blanks"),
        ("https://tes.example.org\\@evil.example", "blanks"),
        ("https://tes.example.org/\x00", "blanks"),
        ("https://tes.example.org/\ud800", "encoded"),
        ("https://tes.example.org/" + "a" * 2048, "longer"),
        ("https://tes.example.org/" + "ü" * 1000, "longer"),
    ],
)
def test_what_is_no_url_of_a_service_is_refused_and_named(url: str, wrong: str) -> None:
    with pytest.raises(InvalidURL, match=wrong) as refusal:
        normalise_url(url)
    assert "canary" not in str(refusal.value)


HOSTS = st.sampled_from(["tes.example.org", "TES.Example.org.", "10.0.0.1", "[::1]", "bücher.example", "127.1", "a_b"])
SEGMENTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", "tasks", "service-info", "ui", "swagger-ui.html", "v1", "%2e", "%7E", "%", "%zz", "ü"]
    ),
    st.text(max_size=5),
)


@settings(deadline=None)
@given(
    scheme=st.sampled_from(["http", "https", "HTTP", "ftp"]),
    host=HOSTS,
    port=st.sampled_from(["", ":", ":80", ":443", ":8080", ":0"]),
    segments=st.lists(SEGMENTS, max_size=6),
    blank=st.sampled_from(["", " ", "\n"]),
)
def test_normalising_twice_is_normalising_once(
    scheme: str, host: str, port: str, segments: list[str], blank: str
) -> None:
    try:
        once = normalise_url(f"{blank}{scheme}://{host}{port}/{'/'.join(segments)}{blank}")
    except InvalidURL:
        return
    assert normalise_url(once) == once
    assert normalise_url(f"{once}/service-info/") == once


@settings(deadline=None)
@given(st.one_of(st.text(), st.text().map("http://".__add__), st.text().map("https://h/".__add__)))
def test_any_text_is_normalised_or_refused(text: str) -> None:
    try:
        once = normalise_url(text)
    except InvalidURL:
        return
    assert once.isascii()
    assert normalise_url(once) == once


PLAIN_SEGMENTS = st.text("aZ09._~-%", min_size=1, max_size=6) | st.sampled_from(["ui", "tasks", ".", "..", "v1", ""])
PLAIN_HOSTS = st.text("aZ09._-", min_size=1, max_size=12) | st.sampled_from(
    ["tes.example.org", "tes.example.org.", "1.2.3.4", "a.1", "a.0x1", "tasks", f"{'a' * 64}.org", "a_b.org", "[::1]"]
)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(["http", "https", "HTTP"]), PLAIN_HOSTS, st.lists(PLAIN_SEGMENTS, max_size=4))
def test_what_is_recognised_at_first_sight_is_what_the_long_way_leads_to(
    scheme: str, host: str, segments: list[str]
) -> None:
    url = "/".join([f"{scheme}://{host}", *segments])
    # Blanks are never recognised, and always taken off.
    if urls._is_canonical(url):
        assert normalise_url(f" {url}") == url


@pytest.mark.parametrize("url", ["https://tes.example.org", "http://tes1.a-b.example.org/ga4gh/tes/v1", f"{BASE}/~me"])
def test_the_usual_urls_are_recognised_at_first_sight(url: str) -> None:
    assert urls._is_canonical(url)


def test_a_registrys_base_url_ends_before_its_calls() -> None:
    for tail in ("", "/", "/services", "/services/", "//services//", "/service-info"):
        assert urls.registry_base_url(f"https://r.example/v1{tail}") == "https://r.example/v1"


def test_urls_are_shown_without_what_may_be_secret() -> None:
    assert shown("https://user:canary@host:1/path?token=canary#canary") == "https://host:1/path"
