"""The parts of webhooks, each alone."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from protes.api.preference import Surroundings, effective
from protes.callbacks.policy import check
from protes.callbacks.signing import headers
from protes.callbacks.slots import Slots
from protes.clock import ManualClock
from protes.config.events import EventSettings
from protes.tes.build import PASSED_ON

KEY = base64.b64encode(bytes(32)).decode()
HOSTS = ("hooks.example.org", "*.pipelines.example.org", "localhost:8000")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/x?y=z",
        "https://HOOKS.example.org:443/",
        "https://a.pipelines.example.org/",
        "https://localhost:8000/x",
    ],
)
def test_listed_hosts_may_be_called(url: str) -> None:
    assert check(url, HOSTS, http=False) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://hooks.example.org.evil.example/", "callback_hosts"),
        ("https://evil-pipelines.example.org/", "callback_hosts"),
        ("https://pipelines.example.org/", "callback_hosts"),
        ("https://hooks.example.org:8443/", "callback_hosts"),
        ("https://localhost/", "callback_hosts"),
        ("http://hooks.example.org/", "https"),
        ("https://user:secret@hooks.example.org/", "without a user"),
        ("ftp://hooks.example.org/", "http(s)"),
        ("https://0x7f000001/", "neither a name nor an address"),
        ("hooks.example.org", "http(s)"),
        ("https://hooks.example.org/" + "x" * 2048, "2048"),
        ("", "http(s)"),
    ],
)
def test_others_may_not(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        check(url, HOSTS, http=False)
    assert why in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_plain_http_is_a_setting() -> None:
    assert check("http://hooks.example.org/", HOSTS, http=True)


def test_without_a_list_the_tag_is_refused_by_the_name_of_the_setting() -> None:
    document = {"tags": {"protes.callback_url": "https://hooks.example.org/"}}
    _, errors = effective(document, Surroundings())
    assert [error.field for error in errors] == ["tags.protes.callback_url"]
    assert "events.callback_hosts" in errors[0].detail
    preference, errors = effective(document, Surroundings(callback_hosts=HOSTS))
    assert not errors
    assert preference["callback_url"] == "https://hooks.example.org/"


def test_no_other_gateway_is_told_of_it() -> None:
    assert "callback_url" not in PASSED_ON


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification, version 1.0.0."""
    key = base64.urlsafe_b64encode(base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).decode()
    made = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [SecretStr(key)])
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert made["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert made["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"callback_hosts": ["hooks.example.org"]}, "callback_keys"),
        ({"callback_hosts": ["https://hooks.example.org"], "callback_keys": [KEY]}, "names of hosts"),
        ({"callback_hosts": ["*"], "callback_keys": [KEY]}, "names of hosts"),
        ({"callback_keys": ["too short"]}, "32 random bytes"),
        ({"callback_keys": [KEY], "callback_keys_file": "x"}, "at most one"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refusal:
        EventSettings.model_validate(settings)
    assert "too short" not in str(refusal.value)


def test_slots_are_few_and_closed_to_a_host_that_fails() -> None:
    clock = ManualClock()
    slots = Slots(clock, 3)
    with slots.place("a", 2) as first, slots.place("a", 2) as second, slots.place("a", 2) as third:
        assert (first, second, third) == (True, True, False)
        with slots.place("b", 2) as other, slots.place("c", 2) as beyond:
            assert (other, beyond) == (True, False)
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        slots.failed("a")
        with slots.place("a", 2) as free:
            assert not free
        clock.advance(pause)
        with slots.place("a", 2) as free, slots.place("a", 2) as another:
            assert (free, another) == (True, False)
    slots.answered("a")
    with slots.place("a", 2) as free, slots.place("a", 2) as another:
        assert free
        assert another


def test_hosts_that_failed_long_ago_are_forgotten() -> None:
    clock = ManualClock()
    slots = Slots(clock, 1)
    for number in range(5000):
        slots.failed(f"{number}.example.org")
    clock.advance(61)
    slots.failed("lately.example.org")
    with slots.place("a", 1):
        pass
    assert slots._hosts.keys() == {"lately.example.org"}
    with slots.place("lately.example.org", 1) as free:
        assert not free
