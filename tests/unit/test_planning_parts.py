"""The small parts of planning: rates by date, rules and tables as middleware has them, documents of offers."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from middleware import Context, DataObject, Estimate, InputView, Reason, Replica
from protes.config.planning import DataRuleSettings, NetworkSettings, RateSettings, RouteSettings
from protes.planning import offer_documents, surroundings
from tests.support.middleware_samples import task

NOW = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "used"), [(date(2026, 11, 21), True), (date(2026, 10, 22), True), (date(2026, 10, 21), False)]
)
def test_rates_are_used_until_they_are_too_old(day: date, used: bool) -> None:
    settings = RateSettings(date=day, max_age_days=30, rates={"USD": Decimal("0.9")})
    assert surroundings.fresh_rates(settings, NOW) == ({"USD": Decimal("0.9")} if used else {})


def test_rates_without_a_date_are_refused() -> None:
    with pytest.raises(ValueError, match="rates need the date they are of"):
        RateSettings(rates={"USD": Decimal(1)})


def test_the_network_is_reckoned_in_the_base_currency_unless_said() -> None:
    routes = (RouteSettings(source="aws:*", target="=", egress_gb=Decimal("0.01")),)
    found = surroundings.network(NetworkSettings(routes=routes), "CHF")
    assert found.currency == "CHF"
    assert found.routes[0].egress_gb == Decimal("0.01")
    assert surroundings.network(NetworkSettings(currency="USD"), "CHF").currency == "USD"


def test_a_data_rule_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="give zones or instances"):
        DataRuleSettings(prefix="s3://a/")
    [rule] = surroundings.data_rules((DataRuleSettings(prefix="s3://a/", zones=("DE",), instances=("a",)),))
    assert (rule.prefix, rule.zones, rule.instances) == ("s3://a/", frozenset({"DE"}), frozenset({"a"}))


def test_chosen_replicas_are_shown_without_what_may_be_secret() -> None:
    inputs = (
        InputView(path="/a", url="drs://h/1"),
        InputView(path="/b", content="x"),
        InputView(path="/c", url="drs://h/3"),
    )
    data = {
        "drs://h/1": DataObject(
            replicas=(Replica(url="https://x/y"), Replica(url="https://u:p@h:1/k?sig=hunter2#f", zone="aws:eu"))
        ),
        "drs://h/3": DataObject(replicas=(Replica(url="drs://h/3"),)),
    }
    context = Context(seed="s", data=data)
    shown = offer_documents.replicas(task(inputs=inputs), context, Estimate(replicas=(1, -1, 0)))
    assert shown == [
        {"input": "inputs[0]", "url": "https://h:1/k", "zone": "aws:eu"},
        {"input": "inputs[2]", "url": "drs://h/3"},
    ]
    assert offer_documents.replicas(task(inputs=inputs), context, Estimate(replicas=(9, 9, 9))) == []


def test_times_name_what_is_known() -> None:
    estimate = Estimate(queue_ms=1500, run_ms=2000, queue_interval_ms=(1000, 9000))
    assert offer_documents.times(estimate) == {"queue": 1.5, "run": 2.0, "queue_low": 1.0, "queue_high": 9.0}
    assert offer_documents.times(Estimate()) == {}


def test_a_summary_is_short() -> None:
    out = {name: Reason(code="full", text="is full", permanent=False) for name in "cab"}
    assert offer_documents.summary((), out, "EUR", 2) == "a: is full; b: is full; and 1 more"
    assert offer_documents.summary((), {}, "EUR", 2) == ""
