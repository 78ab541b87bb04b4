"""What may be asked, as far as it shows in a URL and by the addresses of its host."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protes.config.outbound import OutboundSettings
from protes.outbound.addresses import NotAllowed, is_metadata, is_public
from protes.outbound.guard import Guard, guard_of
from protes.outbound.rules import Rules, target_of


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://Data.Example.ORG./a?b=c#d", "data.example.org", 443, "/a?b=c"),
        ("http://data.example.org:8080", "data.example.org", 8080, "/"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x"),
        ("https://[2001:DB8::1]/", "2001:db8::1", 443, "/"),
        ("http://93.184.216.34/", "93.184.216.34", 80, "/"),
        ("https://example\u3002org/", "example.org", 443, "/"),
        ("https://\uff11\uff12\uff17.0.0.1/", "127.0.0.1", 443, "/"),
    ],
)
def test_a_url_has_one_spelling(url: str, host: str, port: int, path: str) -> None:
    target = target_of(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org",
        "//example.org",
        "https://",
        "https://me@example.org/",
        "https://me:hunter2@example.org/",
        "https://good.example.org\\@evil.example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "http://exam\tple.org/",
        "http://-example.org/",
        "https://" + "a" * 9000,
        "",
    ],
)
def test_what_is_no_url_for_everybody_is_none_for_us(url: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        Rules(allow_private=True).check(url)
    assert "hunter2" not in str(refused.value)


def allowed(rules: Rules, url: str) -> bool:
    try:
        rules.check(url)
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("settings", "url", "expected"),
    [
        ({}, "https://example.org", True),
        ({}, "http://example.org", True),
        ({"schemes": ["https"]}, "http://example.org", False),
        ({"allow_hosts": ["example.org"]}, "https://example.org", True),
        ({"allow_hosts": ["example.org"]}, "https://EXAMPLE.org.", True),
        ({"allow_hosts": ["example.org"]}, "https://www.example.org", False),
        ({"allow_hosts": ["*.example.org"]}, "https://www.example.org", True),
        ({"allow_hosts": ["*.example.org"]}, "https://a.b.example.org", True),
        ({"allow_hosts": ["*.example.org"]}, "https://example.org", False),
        ({"allow_hosts": ["*.example.org"]}, "https://evilexample.org", False),
        ({"allow_hosts": ["*.example.org"]}, "https://example.org.evil.org", False),
        ({"allow_hosts": ["example.org:8443"]}, "https://example.org:8443", True),
        ({"allow_hosts": ["example.org:8443"]}, "https://example.org", False),
        ({"allow_hosts": []}, "https://example.org", False),
        ({"deny_hosts": ["*.example.org"]}, "https://a.example.org", False),
        ({"deny_hosts": ["a.example.org"], "allow_hosts": ["*.example.org"]}, "https://a.example.org", False),
        ({"deny_hosts": ["a.example.org"], "allow_hosts": ["*.example.org"]}, "https://b.example.org", True),
        ({"ports": [443]}, "https://example.org", True),
        ({"ports": [443]}, "https://example.org:22", False),
        ({}, "https://10.0.0.1", False),
        ({"allow_networks": ["10.0.0.0/8"]}, "https://10.0.0.1", True),
        ({"allow_networks": ["10.0.0.0/8"]}, "https://[::ffff:10.0.0.1]", True),
        ({"deny_networks": ["93.184.216.0/24"]}, "https://93.184.216.34", False),
        ({"deny_networks": ["93.184.216.0/24"]}, "https://[::ffff:93.184.216.34]", False),
        ({"deny_networks": ["93.184.216.0/24"]}, "https://[64:ff9b::93.184.216.34]", False),
        ({"deny_networks": ["93.184.216.0/24"]}, "https://[2002:5db8:d822::1]", False),
        ({}, "https://[64:ff9b::93.184.216.34]", True),
        ({"allow_networks": ["10.0.0.0/8"]}, "https://[64:ff9b::10.0.0.1]", True),
        ({"allow_networks": ["10.0.0.0/8"], "deny_networks": ["10.1.0.0/16"]}, "https://10.1.0.1", False),
        ({}, "https://localhost", False),
        ({}, "https://x.localhost", False),
        ({"allow_networks": ["127.0.0.0/8"]}, "https://localhost", True),
    ],
)
def test_what_the_operator_says_holds(settings: dict[str, Any], url: str, expected: bool) -> None:
    assert allowed(guard_of(OutboundSettings.model_validate(settings)).rules, url) is expected


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "::ffff:169.254.169.254",
    ],
)
def test_metadata_services_are_asked_only_where_they_are_named(address: str) -> None:
    assert is_metadata(address)
    assert not is_public(address)
    assert not Rules(allow_private=True).allows(address)
    named = ip_network(address) if "." not in address else ip_network(address.removeprefix("::ffff:"))
    assert Rules(allow_networks=(named,)).allows(address)


@pytest.mark.parametrize("address", ["10.1.0.1", "::ffff:10.1.0.1", "64:ff9b::a01:1", "2002:a01:1::1"])
def test_what_is_denied_is_denied_in_all_spellings_where_private_addresses_are_allowed(address: str) -> None:
    rules = Rules(allow_private=True, deny_networks=(ip_network("10.1.0.0/16"),))
    assert not rules.allows(address)
    assert rules.allows(address.replace("10.1.", "10.2.").replace("a01:", "a02:"))


@given(st.ip_addresses())
def test_allowing_private_addresses_forbids_none_that_is_public(address: Any) -> None:
    assert Rules(allow_private=True).allows(str(address)) or not Rules().allows(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_is_judged_as_itself(address: Any) -> None:
    for outer in (f"::ffff:{address}", str(ip_address(int(ip_address("64:ff9b::")) + int(address)))):
        assert is_public(outer) == is_public(str(address))


@given(st.text(max_size=60))
def test_any_text_is_allowed_or_refused_and_nothing_else(text: str) -> None:
    for url in (text, f"https://{text}", f"http://{text}/x"):
        allowed(Rules(), url)


@pytest.mark.parametrize(
    ("target", "same", "checked"),
    [
        ("https://a.example.org/y", True, True),
        ("https://a.example.org:8443/y", False, True),
        ("https://b.example.org/", False, True),
        ("http://a.example.org/", False, False),
        ("https://10.0.0.1/", False, False),
        ("ftp://a.example.org/", False, False),
    ],
)
def test_where_redirects_may_lead(target: str, same: bool, checked: bool) -> None:
    for mode, expected in (("same_server", same), ("checked", checked)):
        guard = guard_of(OutboundSettings.model_validate({"redirects": mode}))
        assert guard.follower("https://a.example.org/x")(target) is expected


def test_a_redirect_may_lead_from_http_to_https() -> None:
    follows = Guard(Rules()).follower("http://a.example.org/x")
    assert follows("https://a.example.org/x")
    assert not follows("https://a.example.org:8443/x")


def test_plain_http_stays_on_this_machine_where_it_is_not_allowed() -> None:
    rules = Rules(http=False, allow_private=True)
    assert [allowed(rules, each) for each in ("http://127.0.0.1:1", "http://[::1]", "http://localhost")] == [True] * 3
    assert not allowed(rules, "http://10.0.0.1")
    assert not allowed(rules, "http://example.org")


@pytest.mark.parametrize(
    "settings",
    [
        {"allow_hosts": ["https://example.org"]},
        {"allow_hosts": ["*"]},
        {"allow_hosts": ["a/b"]},
        {"deny_networks": ["10.0.0.0/40"]},
        {"allow_networks": ["10.0.0.1/8"]},
        {"schemes": []},
        {"ports": [0]},
        {"tls_minimum_version": "1.1"},
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OutboundSettings.model_validate(settings)
