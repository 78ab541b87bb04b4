"""How much each owner of tasks may ask for, and how owners share instances that are full (docs/quotas.md)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from protes.config.base import Section

Limit = Annotated[int, Field(ge=0)] | Literal["unlimited"] | None
Weight = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class QuotaLimits(Section):
    """The limits of one owner. What is not set is decided elsewhere, and in the end there is none."""

    tasks_in_flight: Limit = Field(None, description="Unfinished tasks at once; a number or `unlimited`.")
    tasks_stored: Limit = Field(None, description="Tasks that are kept, finished ones included.")
    creations_per_minute: Limit = Field(None, description="Tasks created within the last 60 seconds.")
    dry_runs_per_minute: Limit = Field(
        None, description="Requests for offers or estimates within the last 60 seconds, which cost as much as a task."
    )
    task_bytes: Limit = Field(
        None, description="Size of a task's document, below that of the whole request (`server.max_body_bytes`)."
    )


class QuotaOverride(QuotaLimits):
    """Other limits for some; of several that fit a caller the first one that sets a limit decides it."""

    subjects: tuple[str, ...] = Field((), description="Callers by name; an empty name is everybody who is anonymous.")
    tenants: tuple[str, ...] = Field((), description="Tenants, all of whose callers get these limits, each their own.")
    roles: tuple[str, ...] = Field((), description="Roles, all of whose holders get these limits, each their own.")

    @model_validator(mode="after")
    def _is_for_somebody(self) -> "QuotaOverride":
        if not self.subjects and not self.tenants and not self.roles:
            raise ValueError("name subjects, tenants or roles that these limits are for")
        return self


class QuotaSettings(QuotaLimits):
    """Limits for each owner of tasks; none by default."""

    overrides: tuple[QuotaOverride, ...] = Field((), description="Other limits for some callers, the first fit first.")
    weights: dict[str, Weight] = Field(
        {},
        description="Shares of owners, by name, in an instance that is full: one of 2 gets twice as much as one of 1.",
    )
    default_weight: Weight = Field(1.0, description="The share of everybody else.")
    consent_entries: int = Field(
        256, ge=1, le=10_000, description="Names that a caller's consent (`me/instances`) may list at most."
    )

    @field_validator("weights")
    @classmethod
    def _names_are_short(cls, weights: dict[str, float]) -> dict[str, float]:
        if any(len(name) > 512 for name in weights):
            raise ValueError("a name may have 512 characters at most")
        return weights
