"""The grammar of what callers may prefer (DESIGN.md section 6, the table of tags): one reader for each value.

A reader returns what is stored of the value, or raises ValueError that says what is allowed and does not repeat the
value.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from middleware.preference import parse_weight
from protes.federation.selection import instance_url, registry_url

_YEAR = 31_536_000
_SECONDS = re.compile(r"[1-9][0-9]{0,7}")
_RETRIES = re.compile(r"0|[1-9][0-9]{0,3}")
_ZONE = re.compile(r"[A-Za-z0-9-]{1,32}(:[A-Za-z0-9-]{1,64})?")
_AMOUNT = r"[0-9]{1,9}(\.[0-9]{1,6})? [A-Z]{3}"
_MONEY = re.compile(_AMOUNT)
_MONEY_PER_HOUR = re.compile(_AMOUNT + "/h")
_AFFINITY = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GROUP = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,1100}")
_OFFER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_ZONES = 64
_MOST_INSTANCES = 64
_LONGEST_INSTANCE = 2048
_MOST_TES_URLS = 16
_MOST_REGISTRY_URLS = 4
_LONGEST_URL = 2048
_CHOICES = ("order", "allow", "forbid")


def _weight(text: str) -> str:
    parse_weight(text)
    return text


def _seconds(text: str) -> int:
    if not _SECONDS.fullmatch(text) or int(text) > _YEAR:
        raise ValueError(f"must be a whole number of seconds from 1 to {_YEAR}")
    return int(text)


def _retries(text: str) -> int:
    if not _RETRIES.fullmatch(text):
        raise ValueError("must be a whole number, 0 or more")
    return int(text)


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(expected)
        return text

    return read


def _json(text: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(expected) from None


def _zones(text: str) -> list[str]:
    expected = 'must be a JSON list of cloud:region or country codes, such as ["aws:eu-central-1", "DE"]'
    zones = _json(text, expected)
    if not isinstance(zones, list) or not 0 < len(zones) <= _MOST_ZONES:
        raise ValueError(expected)
    if not all(isinstance(zone, str) and _ZONE.fullmatch(zone) for zone in zones):
        raise ValueError(expected)
    return zones


def _instances(text: str) -> dict[str, Any]:
    expected = (
        'must be JSON such as {"type": "allow", "instances": ["site-a"]}: type order, allow or forbid, and 1 to '
        f"{_MOST_INSTANCES} ids or URLs of instances"
    )
    choice = _json(text, expected)
    if not isinstance(choice, dict) or choice.keys() != {"type", "instances"} or choice["type"] not in _CHOICES:
        raise ValueError(expected)
    instances = choice["instances"]
    if not isinstance(instances, list) or not 0 < len(instances) <= _MOST_INSTANCES:
        raise ValueError(expected)
    if not all(isinstance(each, str) and 0 < len(each) <= _LONGEST_INSTANCE for each in instances):
        raise ValueError(expected)
    return choice


def _urls(most: int, spelled: Callable[[str], str]) -> Callable[[str], list[str]]:
    """Read a JSON list of URLs, each in one spelling and once."""

    def read(text: str) -> list[str]:
        expected = f'must be a JSON list of 1 to {most} URLs, such as ["https://tes.example.org/ga4gh/tes/v1"]'
        urls = _json(text, expected)
        if not isinstance(urls, list) or not 0 < len(urls) <= most:
            raise ValueError(expected)
        return list(dict.fromkeys(_url(url, place, spelled) for place, url in enumerate(urls)))

    return read


def _url(url: Any, place: int, spelled: Callable[[str], str]) -> str:
    if not isinstance(url, str):
        raise ValueError(f"[{place}]: must be a string")
    if len(url) > _LONGEST_URL:
        raise ValueError(f"[{place}]: must be {_LONGEST_URL} characters at most")
    try:
        return spelled(url)
    except ValueError as problem:
        raise ValueError(f"[{place}]: {problem}") from None


READERS: Mapping[str, Callable[[str], Any]] = {
    "weight": _weight,
    "value_of_time": _matching(_MONEY_PER_HOUR, "must be an amount, a currency and /h, such as 25 EUR/h"),
    "max_cost": _matching(_MONEY, "must be an amount and a currency, such as 12.50 EUR"),
    "deadline_seconds": _seconds,
    "runtime_seconds": _seconds,
    "affinity": _matching(_AFFINITY, "must be 1 to 64 letters, digits, dots, underscores or hyphens"),
    "allowed_zones": _zones,
    "instances": _instances,
    "tes_urls": _urls(_MOST_TES_URLS, instance_url),
    "service_registry_urls": _urls(_MOST_REGISTRY_URLS, registry_url),
    "retries": _retries,
    "profile": _matching(_PROFILE, "must be the name of a profile"),
    "group": _matching(_GROUP, "must be the name of one of your groups, or empty for yourself alone"),
    "offer": _matching(_OFFER, "must be the id of an offer"),
    "callback_url": str,  # whether it may be called is the operator's to say
}
"""What can be preferred, by its name without prefix."""
