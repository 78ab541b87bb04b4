"""Settings of instances and of the registries that list them."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from protes.config.base import Latitude, Longitude, Money, Name, Rate, Seconds, Section
from protes.config.credentials import Credentials
from protes.config.outbound import TlsSettings
from protes.secrets.references import Reference
from protes.tes.dialects.table import dialect_named


class Prices(Section):
    """What an instance costs; absent prices are unknown, not zero (ESTIMATES.md, "Missing figures")."""

    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")
    cpu_core_hour: Money | None = Field(None, description="Per core and hour.")
    ram_gb_hour: Money | None = Field(None, description="Per GB of memory and hour.")
    disk_gb_hour: Money | None = Field(None, description="Per GB of disk and hour.")
    gpu_hour: Money | None = Field(None, description="Per GPU and hour.")
    per_task: Money | None = Field(None, description="Per task.")
    ingress_gb: Money | None = Field(None, description="Per GB that comes in.")
    billing_quantum_seconds: float | None = Field(None, ge=0, description="Step in which run time is charged.")
    billing_minimum_seconds: float | None = Field(None, ge=0, description="Run time charged at least.")
    preemptible_factor: Money | None = Field(
        None, le=1, description="Multiplies the prices of cores, memory and GPUs for preemptible tasks."
    )
    vm_hour_usd: Money | None = Field(None, description="Shown to Cromwell as `vm_price_per_hour_usd`.")


class Limits(Section):
    """What an instance can take; what is not said excludes nothing."""

    max_cpu_cores: float | None = Field(None, gt=0, description="Cores of one task at most.")
    max_ram_gb: float | None = Field(None, gt=0, description="Memory of one task at most, GB.")
    max_disk_gb: float | None = Field(None, gt=0, description="Disk of one task at most, GB.")
    input_schemes: tuple[str, ...] | None = Field(None, description="URL schemes of inputs it takes.")
    output_schemes: tuple[str, ...] | None = Field(None, description="URL schemes of outputs it takes.")
    backend_parameters: tuple[str, ...] | None = Field(None, description="backend_parameters it knows.")
    zones: tuple[str, ...] | None = Field(None, description="Values of `resources.zones` it serves.")
    token_kinds: tuple[str, ...] | None = Field(
        None, description="Kinds of callers' tokens it takes, such as `basic`, `bearer` or `passport`."
    )
    max_in_flight: int | None = Field(None, ge=1, description="Unfinished tasks at once.")
    max_runtime_seconds: Seconds | None = Field(
        None, description="Run time after which it gives a task up, in the place of what is known of its kind."
    )


class Declared(Section):
    """What can be said of an instance: in the configuration, in the extension field `protes` of a registry's entry, or
    in that of the instance's own service-info; the first of these to say something wins, field by field.
    """

    limits: Limits = Field(Limits(), description="What it can take.")
    prices: Prices | None = Field(None, description="What it costs.")
    speed: float | None = Field(None, gt=0, le=1000, description="Speed against the reference, 1.0.")
    queue_seconds: float | None = Field(None, ge=0, description="Usual wait before a task starts.")
    zone: str | None = Field(None, description="Where it is: `cloud:region` or a country code.")
    coordinates: tuple[Latitude, Longitude] | None = Field(None, description="Latitude and longitude, degrees.")
    staging: Literal["parallel", "sequential"] | None = Field(
        None, description="How it brings inputs in: all at once (so it is taken to be), or one after another."
    )
    bills_staging: bool | None = Field(None, description="Whether cores and memory are charged during transfers.")
    ingress_bytes_per_second: Rate | None = Field(None, description="What it can take in altogether.")
    rework: float | None = Field(
        None, ge=0, le=100, description="Expected share of a preemptible run that is done again."
    )


class InstanceSettings(Declared, TlsSettings):
    """What is said of one instance; also merged over a registry's entry of the same URL, field by field."""

    id: Name = Field(description="Name of the instance in this federation.")
    url: str = Field(description="Base URL, with or without `/ga4gh/tes/v1`.")
    dialect: str | None = Field(None, description="Pin a dialect instead of recognising it.")
    credentials: Credentials = Field(Credentials(), description="How the gateway shows itself to it.")
    task_info: bool | None = Field(
        None, description="Ask it for estimates (TEStribute's `tasks/task-info`); by default tried once a day."
    )
    url_credentials: bool | None = Field(
        None, description="Send it `user:password@` in URLs of inputs and outputs; by default where its kind needs it."
    )
    drain: bool = Field(False, description="Take no new tasks there; what runs there is relayed.")
    verify_tls: bool | str = Field(
        True, description="A path says the same as `ca_file`; certificates are always checked, so false is refused."
    )

    @model_validator(mode="after")
    def _may_be_shown_them(self) -> "InstanceSettings":
        self.credentials.check_address(self.url)
        return self

    @property
    def tls(self) -> TlsSettings:
        """How its certificate is checked."""
        bundle = self.verify_tls if isinstance(self.verify_tls, str) else None
        return TlsSettings(
            ca_file=self.ca_file or bundle,
            client_cert_file=self.client_cert_file,
            client_key_file=self.client_key_file,
        )

    @field_validator("verify_tls")
    @classmethod
    def _is_checked(cls, verify_tls: bool | str) -> bool | str:
        if verify_tls is False:
            raise ValueError("certificates are always checked: name the CA of this server in ca_file")
        return verify_tls

    @model_validator(mode="after")
    def _has_one_bundle(self) -> "InstanceSettings":
        if self.ca_file is not None and isinstance(self.verify_tls, str):
            raise ValueError("give at most one of ca_file and a path in verify_tls")
        return self

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, dialect: str | None) -> str | None:
        if dialect is not None:
            dialect_named(dialect)
        return dialect


class RegistrySettings(TlsSettings):
    """A GA4GH Service Registry whose TES instances join the federation."""

    url: str = Field(description="Base URL of the registry, such as `https://host/ga4gh/registry/v1`.")
    token: Reference | None = Field(
        None, description="Where a bearer token for the registry is: `env:NAME`, `file:PATH`, `azure-key-vault:...`."
    )
    token_env: str | None = Field(None, description="Environment variable with it; the same as `token: env:NAME`.")
    group: str | None = Field("org.ga4gh", description="Only services of this `type.group`; null takes any.")
    artifact: str = Field("tes", description="Only services of this `type.artifact`.")
    version: str | None = Field(None, description="API version spoken; a greater known major is left out.")
    verified: bool = Field(False, description="Take only services that its `/verifications` confirms.")
    nested: bool = Field(False, description="Ask the registries that it lists too, two levels deep at most.")
    allow_private: bool | None = Field(
        None,
        description="Take instances at private addresses; by default where the registry itself is at one.",
    )
    allow_http: bool | None = Field(
        None,
        description="Take instances at plain http; by default where the registry itself is asked by plain http, or is "
        "at a private address.",
    )
    refresh_seconds: Seconds = Field(300.0, description="How often it is asked again.")
    max_stale_seconds: Seconds = Field(86400.0, description="How long its last good answer is used when it is down.")

    @model_validator(mode="after")
    def _has_one_token(self) -> "RegistrySettings":
        if self.token is not None and self.token_env is not None:
            raise ValueError("give at most one of token and token_env")
        return self
