"""Which limits hold for whom: pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protes.config.quotas import QuotaLimits, QuotaOverride, QuotaSettings


@dataclass(frozen=True, slots=True)
class Who:
    """Whose tasks are counted together, and what decides their limits.

    Attributes:
        subject: the owner of the tasks; "" is everybody who is anonymous, together.
        tenant: their tenant, "" where there is none.
        roles: their roles.
    """

    subject: str = ""
    tenant: str = ""
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one owner may ask for; None is no limit. The fields are those of `QuotaLimits`."""

    tasks_in_flight: int | None = None
    tasks_stored: int | None = None
    creations_per_minute: int | None = None
    dry_runs_per_minute: int | None = None
    task_bytes: int | None = None


def limits_of(settings: QuotaSettings, who: Who) -> Limits:
    """Return the limits of a caller: of each, what the first fitting override says, else what holds for all."""
    sections = [*(each for each in settings.overrides if _fits(each, who)), settings]
    return Limits(**{name: _first(name, sections) for name in QuotaLimits.model_fields})


def weight_of(settings: QuotaSettings) -> Callable[[str], float]:
    """Return what says how much of a full instance an owner gets, compared to others."""
    return lambda owner: settings.weights.get(owner, settings.default_weight)


def _fits(override: QuotaOverride, who: Who) -> bool:
    if who.subject in override.subjects or not who.roles.isdisjoint(override.roles):
        return True
    return bool(who.tenant) and who.tenant in override.tenants


def _first(name: str, sections: Iterable[QuotaLimits]) -> int | None:
    said = next((value for each in sections if (value := getattr(each, name)) is not None), None)
    return None if said == "unlimited" else said
