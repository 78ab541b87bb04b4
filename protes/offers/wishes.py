"""What a request wants of the choice, as the texts of the tags that say the same (DESIGN.md section 6)."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from middleware import parse_weight
from protes.offers import kinds
from protes.offers.durations import Interval, parse_duration, parse_interval
from protes.offers.messages import Message, unsupported
from protes.offers.reading import Node

_YEAR = 31_536_000
_MOST_MONEY = 999_999_999
_MICRO = Decimal("0.000001")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DEFAULT_OFFERS, _MOST_OFFERS = 5, 20
_MOST_URLS = 64
_PREFERENCES = ("cost_time_weight", "value_of_time", "tes_urls", "service_registry_urls", "max_offers")


@dataclass(slots=True)
class Wishes:
    """What was wished for.

    Attributes:
        texts: by the name of a tag without prefix, its value.
        places: by the same name, the path of the field that said it.
        earliest_start: the begin of the window in which the task is to start, or None.
        latest_start: the end of that window, or None.
        max_offers: how many offers are wanted at most.
        refusals: what cannot be served.
    """

    texts: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    earliest_start: datetime | None = None
    latest_start: datetime | None = None
    max_offers: int = _DEFAULT_OFFERS
    refusals: list[Message] = field(default_factory=list)

    def add(self, name: str, text: str, place: str) -> None:
        """Note a wish."""
        self.texts[name] = text
        self.places[name] = place


def read_wishes(request: Node, currency: str) -> Wishes:
    """Read `schedule`, `costs` and `preferences`; errors are noted."""
    wishes = Wishes()
    _read_schedule(request, wishes)
    _read_costs(request, currency, wishes)
    preferences = request.object("preferences")
    if preferences is not None:
        for name in preferences.names():
            if name not in _PREFERENCES:
                preferences.wrong(name[:60], f"is not known; known are {', '.join(_PREFERENCES)}")
        _read_weight(preferences, wishes)
        _read_instances(preferences, wishes)
        wishes.max_offers = preferences.integer("max_offers", 1, _MOST_OFFERS) or _DEFAULT_OFFERS
    return wishes


def _read_schedule(request: Node, wishes: Wishes) -> None:
    schedule = request.object("schedule")
    requested = schedule.object("requested") if schedule is not None else None
    if requested is None:
        return
    window: Interval | None = requested.read("start", parse_interval)
    if window is not None:
        wishes.earliest_start, wishes.latest_start = window.start, window.end
    duration = requested.read("duration", parse_duration)
    if duration is None:
        return
    if 0 < duration <= _YEAR:
        wishes.add("runtime_seconds", str(math.ceil(duration)), requested.at("duration"))
    else:
        requested.wrong("duration", "must be more than nothing and at most a year")


def _read_costs(request: Node, currency: str, wishes: Wishes) -> None:
    """All costs have to hold: of several in one currency the lowest counts."""
    lowest: dict[str, tuple[Decimal, str]] = {}
    for item in request.objects("costs"):
        kind, of = item.text("kind"), item.text("type")
        if of is None:
            item.wrong("type", f"is required, such as {kinds.MONETARY}")
            continue
        most = item.number("max", 0, _MOST_MONEY)
        if of != kinds.MONETARY or not kinds.is_kind(kind, kinds.COST):
            if most is not None:
                wishes.refusals.append(unsupported(item.at("type"), f"only {kinds.MONETARY} is reckoned here"))
            continue
        code = item.read("currency", _read_currency) or currency
        if most is not None:
            amount = Decimal(str(most)).quantize(_MICRO, ROUND_DOWN)
            lowest[code] = min(lowest.get(code, (amount, item.at("max"))), (amount, item.at("max")))
    if len(lowest) > 1:
        wishes.refusals.append(unsupported("costs", "give the most that it may cost in one currency"))
    for code, (amount, place) in lowest.items():
        wishes.add("max_cost", f"{amount:f} {code}", place)


def _read_currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError("must be an ISO 4217 code, such as EUR")
    return text


def _read_weight(preferences: Node, wishes: Wishes) -> None:
    weight: Any = preferences.raw("cost_time_weight")
    if isinstance(weight, int | float) and not isinstance(weight, bool):
        weight = f"{Decimal(str(weight)).normalize():f}" if 0 <= weight <= 1 else "none"
    if weight is not None:
        try:
            parse_weight(weight if isinstance(weight, str) else "none")
        except ValueError:
            preferences.wrong("cost_time_weight", "must be a number from 0 (cost) to 1 (time) with at most 6 decimals")
        else:
            wishes.add("weight", weight, preferences.at("cost_time_weight"))
    value = preferences.object("value_of_time")
    if value is None:
        return
    if weight is not None:
        preferences.wrong("value_of_time", "excludes cost_time_weight: give one of them")
    amount, code = value.number("amount", 0, _MOST_MONEY), value.read("currency", _read_currency)
    seconds = value.read("per", _read_period) or 3600.0
    for name, given in (("amount", amount), ("currency", code)):
        if given is None and value.raw(name) is None:
            value.wrong(name, "is required")
    if amount is not None and code is not None:
        hourly = Decimal(str(amount)) * 3600 / Decimal(str(seconds))
        if hourly > _MOST_MONEY:
            value.wrong("amount", f"must be at most {_MOST_MONEY} an hour")
        else:
            wishes.add("value_of_time", f"{hourly.quantize(_MICRO, ROUND_DOWN):f} {code}/h", value.path)


def _read_period(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError("must be more than nothing, such as PT1H")
    return seconds


def _read_instances(preferences: Node, wishes: Wishes) -> None:
    urls = preferences.texts("tes_urls", _MOST_URLS)
    if urls:
        choice: Mapping[str, Any] = {"type": "allow", "instances": urls}
        wishes.add("instances", json.dumps(choice), preferences.at("tes_urls"))
    if preferences.raw("service_registry_urls"):
        why = "the gateway's own registries are asked; list known instances in tes_urls"
        wishes.refusals.append(unsupported(preferences.at("service_registry_urls"), why))
