"""Settings of the federation: health, instances that tasks bring, credentials that registrations name, reloading."""

from typing import Literal

from pydantic import Field, model_validator

from protes.config.base import Seconds, Section
from protes.config.credentials import Credentials


class HealthSettings(Section):
    """When an instance is left out for a while, in the terms of Envoy's outlier detection."""

    consecutive_local_origin_failures: int = Field(
        1, ge=1, description="Connections in a row that did not come about; then the instance is left out."
    )
    consecutive_gateway_failures: int = Field(
        3, ge=1, description="Answers 5xx, broken or missing in a row; then the instance is left out."
    )
    base_ejection_seconds: Seconds = Field(2.0, description="How long the first time; it doubles with each.")
    max_ejection_seconds: Seconds = Field(60.0, description="How long at most.")
    max_ejection_percent: float = Field(
        50.0, ge=0, le=100, description="Instances left out for their answers at most, in percent; one may be always."
    )
    panic_percent: float = Field(
        25.0,
        ge=0,
        le=100,
        description="Where fewer than this are left, those left out for their answers that do answer service-info are "
        "let in again.",
    )
    probe_seconds: Seconds = Field(300.0, description="How often a healthy instance is probed, give or take a fifth.")
    connect_seconds: Seconds = Field(0.9, description="How long a task waits for a connection to an instance.")
    learn_limits: bool = Field(
        True, description="Send an instance that answers 429 fewer tasks at once, and more again while it does not."
    )

    @model_validator(mode="after")
    def _longest_is_not_shorter(self) -> "HealthSettings":
        if self.max_ejection_seconds < self.base_ejection_seconds:
            raise ValueError("max_ejection_seconds must not be shorter than base_ejection_seconds")
        return self


class TaskInstancesSettings(Section):
    """Instances that tasks bring along (`protes.tes_urls`, `protes.service_registry_urls`)."""

    policy: Literal["off", "subset", "open"] = Field(
        "subset", description="`off` refuses them, `subset` takes those known already, `open` takes any."
    )
    allow_private: bool = Field(False, description="Take private, loopback and link-local addresses too.")
    allow_http: bool = Field(
        False, description="Take instances and registries at plain http too; on loopback they need no leave."
    )
    fetch_seconds: Seconds = Field(5.0, description="For asking the registries and probing the instances of a task.")
    keep_seconds: Seconds = Field(300.0, description="How long what they answered is used again.")
    keep_entries: int = Field(1000, ge=1, description="Answers kept at most.")


class NamedCredentials(Credentials):
    """Credentials that registrations made at run time refer to by name."""

    hosts: tuple[str, ...] = Field(min_length=1, description="Hosts they may be sent to, with port where it matters.")


class ReloadSettings(Section):
    """Taking over a changed configuration file without a restart."""

    watch: bool = Field(True, description="Look for changed files; SIGHUP works in either case.")
    watch_seconds: Seconds = Field(1.0, description="How often to look.")
