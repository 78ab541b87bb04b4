"""What middleware is told besides task and candidates: money, network, data rules, as the settings have them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from middleware import DataRule, Network, Route
from protes.config.planning import DataRuleSettings, NetworkSettings, RateSettings


def network(settings: NetworkSettings, currency: str) -> Network:
    """Show the operator's tables to middleware."""
    values = settings.model_dump(exclude={"routes", "currency"})
    routes = tuple(Route(**each.model_dump()) for each in settings.routes)
    return Network(currency=settings.currency or currency, routes=routes, **values)


def fresh_rates(settings: RateSettings, now: datetime) -> Mapping[str, Decimal]:
    """Return the rates of exchange that are not too old; none where the table is (ESTIMATES.md, "Missing figures")."""
    if settings.date is None or now.date() - settings.date > timedelta(days=settings.max_age_days):
        return {}
    return settings.rates


def data_rules(settings: tuple[DataRuleSettings, ...]) -> tuple[DataRule, ...]:
    """Show data rules to middleware."""
    return tuple(
        DataRule(prefix=each.prefix, zones=frozenset(each.zones), instances=frozenset(each.instances))
        for each in settings
    )
