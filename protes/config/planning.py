"""Settings of the choice: the chain, data, money, what is learned, profiles."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from middleware import parse_weight
from protes.config.base import Currency, Latitude, Longitude, Money, Name, Rate, Seconds, Section, Zone
from protes.config.outbound import TlsSettings
from protes.secrets.references import Reference

_REWRITE_PATHS = ("rewrite_paths", "middleware.rewrite_paths:create")


class StepSettings(Section):
    """One step of the middleware chain."""

    use: str = Field(description="Name of a middleware, or `module:attribute`.")
    options: dict[str, Any] = Field({}, description="Its options.")
    on_error: Literal["fail", "skip"] = Field("fail", description="What a failure of the step means.")
    alternatives: tuple["StepSettings", ...] = Field((), description="Tried in order where the step does not apply.")


class RouteSettings(Section):
    """What moving data from one zone to another costs and takes; the most specific rule that fits wins."""

    source: str = Field("*", description="Zone, `cloud:*` or `*`.")
    target: str = Field("*", description="Zone, `cloud:*`, `*`, or `=` for the zone of the source.")
    egress_gb: Money | None = Field(None, description="Per GB.")
    request: Money | None = Field(None, description="Per object fetched.")
    bytes_per_second: Rate | None = Field(None, description="Bandwidth of one transfer.")
    latency_seconds: float | None = Field(None, ge=0, description="Time until the first byte.")


class NetworkSettings(Section):
    """What moving data costs and takes; between equal zones nothing is charged unless a route says so."""

    currency: Currency | None = Field(None, description="Of the prices here; the base currency by default.")
    routes: tuple[RouteSettings, ...] = Field((), description="Rules by zones.")
    egress_gb: Money = Field(Decimal("0.09"), description="Per GB between different zones that no route covers.")
    unknown_egress_gb: Money = Field(Decimal("0.12"), description="Per GB where a zone is unknown: pessimistic.")
    bytes_per_second: Rate = Field(50e6, description="Bandwidth where no route says one.")
    local_bytes_per_second: Rate = Field(500e6, description="The same within a zone.")
    latency_seconds: float = Field(0.0, ge=0, description="Time until the first byte where no route says one.")
    thaw_seconds: float = Field(14400.0, ge=0, description="Added for what lies in cold storage.")
    bytes_per_second_per_1000km: Rate | None = Field(
        None, description="Where given, bandwidth without a route is this divided by the distance."
    )


class RateSettings(Section):
    """The operator's table of exchange rates; prices in a currency without a fresh rate are missing."""

    date: datetime.date | None = Field(None, description="Day of the rates.")
    max_age_days: int = Field(30, ge=1, description="Older rates are not used.")
    rates: dict[Currency, Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]] = Field(
        {}, description="Units of the base currency per unit of another."
    )

    @model_validator(mode="after")
    def _is_dated(self) -> "RateSettings":
        if self.rates and self.date is None:
            raise ValueError("rates need the date they are of")
        return self


class LocationSettings(Section):
    """Where data under a URL prefix lies."""

    prefix: str = Field(min_length=1, description="Beginning of URLs; the longest that fits wins.")
    zone: Zone | None = Field(None, description="`cloud:region` or a country code.")
    coordinates: tuple[Latitude, Longitude] | None = Field(None, description="Latitude and longitude, degrees.")


class DataRuleSettings(Section):
    """Where data under a URL prefix may be processed; the longest prefix that fits wins."""

    prefix: str = Field(min_length=1, description="Beginning of URLs.")
    zones: tuple[Zone, ...] = Field((), description="Zones where it may be processed.")
    instances: tuple[str, ...] = Field((), description="Ids or URLs of instances that may process it.")

    @model_validator(mode="after")
    def _allows_something(self) -> "DataRuleSettings":
        if not self.zones and not self.instances:
            raise ValueError("give zones or instances where the data may be processed")
        return self


class DrsServerSettings(TlsSettings):
    """How a DRS server is reached: by host of `drs://` URIs, or by prefix of compact ones."""

    match: str = Field(min_length=1, description="Host, or prefix such as `dg.4DFC`, as in the URI.")
    url: str | None = Field(None, description="Base URL; by default `https://<host>/ga4gh/drs/v1`.")
    token: Reference | None = Field(
        None, description="Where a bearer token for it is: `env:NAME`, `file:PATH`, `azure-key-vault:...`."
    )
    token_env: str | None = Field(None, description="Environment variable with it; the same as `token: env:NAME`.")
    zone: Zone | None = Field(None, description="Zone of replicas that name none.")

    @model_validator(mode="after")
    def _has_one_token(self) -> "DrsServerSettings":
        if self.token is not None and self.token_env is not None:
            raise ValueError("give at most one of token and token_env")
        return self


class SignerSettings(Section):
    """A storage account of Azure whose objects are reached by signed URLs (SAS) that the gateway makes."""

    name: Name = Field(description="By which a mapping of `rewrite_paths` refers to it.")
    account: str = Field(pattern=r"^[a-z0-9]{3,24}$", description="Name of the storage account.")
    container: str | None = Field(
        None, pattern=r"^[a-z0-9$](-?[a-z0-9])*$", description="Sign for this container only; for all by default."
    )
    key: Reference | None = Field(
        None, description="Where the account key is: `env:NAME`, `file:PATH` or `azure-key-vault:VAULT/NAME`."
    )
    key_env: str | None = Field(None, description="Environment variable with the account key.")
    key_file: str | None = Field(None, description="File with the account key.")
    endpoint: str | None = Field(
        None, description="Base URL of the blob service; by default `https://<account>.blob.core.windows.net`."
    )
    allow_http: bool = Field(False, description="Allow an `http` endpoint, and signed URLs to be used without TLS.")
    expire_seconds: float = Field(172_800.0, ge=60, le=604_800, description="How long a signed URL is good at most.")
    logs_of: tuple[Name, ...] = Field(
        (), description="Ids of ga4gh-tes instances whose logs are in this account: they are read and shown as text."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "SignerSettings":
        if [self.key, self.key_env, self.key_file].count(None) != 2:
            raise ValueError("give exactly one of key, key_env and key_file")
        if self.endpoint is not None and not self.endpoint.startswith("https://" if not self.allow_http else "http"):
            raise ValueError("the endpoint starts with https:// (or http://, with allow_http)")
        return self


class SourceSettings(Section):
    """What is asked about inputs before an instance is chosen; silence degrades an estimate, never a task."""

    drs: bool = Field(True, description="Resolve `drs://` inputs.")
    drs_servers: tuple[DrsServerSettings, ...] = Field((), description="DRS servers that need a word of their own.")
    drs_resolver: str | None = Field(
        "https://registry.api.identifiers.org",
        description="Where prefixes of compact identifiers are looked up; null: nowhere.",
    )
    allow_private: bool = Field(False, description="Ask servers on private addresses too.")
    http_sizes: bool = Field(True, description="Find sizes of http(s) inputs by HEAD.")
    task_info: bool = Field(True, description="Ask instances for estimates (TEStribute's `tasks/task-info`).")
    wait_seconds: Seconds = Field(3.0, description="All of it together, per task.")
    parallel: int = Field(8, ge=1, le=64, description="Requests at once per task.")
    keep_seconds: Seconds = Field(600.0, description="How long an answer is used again.")
    keep_entries: int = Field(10_000, ge=1, description="Answers kept at most.")
    outputs_keep_seconds: Seconds = Field(2_592_000.0, description="How long outputs of tasks are remembered.")
    signers: tuple[SignerSettings, ...] = Field((), description="Storage accounts that URLs are signed for.")

    @field_validator("signers")
    @classmethod
    def _names_differ(cls, signers: tuple[SignerSettings, ...]) -> tuple[SignerSettings, ...]:
        if len({each.name for each in signers}) != len(signers):
            raise ValueError("two signers have the same name")
        return signers


class LearningSettings(Section):
    """What is learned of finished tasks."""

    enabled: bool = Field(True, description="Learn queue waits, run times, speeds and failure rates.")
    half_life_seconds: Seconds = Field(259_200.0, description="An observation counts half after this.")
    prior_observations: float = Field(5.0, ge=0, description="How many observations the configured figure counts for.")
    min_observations: float = Field(3.0, gt=0, description="From so many on a figure that is not configured is used.")
    keep_signatures: int = Field(20_000, ge=1, description="Kinds of tasks whose run times are kept.")


class ProfileSettings(Section):
    """A preset under `/profiles/<name>`; what a task says itself wins, but for the limits."""

    description: str = Field("", description="For people.")
    weight: str | None = Field(None, description="The weight of tasks that bring none.")
    chain: tuple["StepSettings", ...] | None = Field(None, description="A chain of its own.")
    instances: tuple[str, ...] | None = Field(None, description="Ids or URLs of the instances allowed.")
    data_rules: tuple[DataRuleSettings, ...] | None = Field(None, description="In place of the gateway's.")
    states: Literal["tes-1.0", "all"] | None = Field(None, description="In place of `api.states`, under its URL.")
    queued_as: Literal["QUEUED", "INITIALIZING"] = Field(
        "QUEUED", description="What QUEUED is shown as under its URL; Pulsar's polling client takes QUEUED for failed."
    )

    @field_validator("weight")
    @classmethod
    def _is_weight(cls, weight: str | None) -> str | None:
        if weight is not None:
            parse_weight(weight)
        return weight


def signers_used(steps: Iterable[StepSettings]) -> Iterator[tuple[str, str]]:
    """Yield the signers that the mappings of `rewrite_paths` name, each with the place where."""
    for place, step in enumerate(steps):
        for choice in (step, *step.alternatives):
            mappings = choice.options.get("mappings") if choice.use in _REWRITE_PATHS else None
            for number, mapping in enumerate(mappings if isinstance(mappings, list | tuple) else ()):
                name = mapping.get("sas") if isinstance(mapping, Mapping) else None
                if isinstance(name, str):
                    yield name, f"[{place}].options.mappings[{number}].sas"


class PlanningSettings(Section):
    """Choosing between instances."""

    affinity_keep_seconds: Seconds = Field(604_800.0, description="How long a workflow's instance is remembered.")
    affinity_by_workflow: bool = Field(
        False, description="Keep tasks of one workflow run together where the engine names it, without a tag."
    )
    offers_valid_seconds: Seconds = Field(300.0, description="How long an offer can be accepted.")
    show_candidates: int = Field(200, ge=1, description="Candidates in an explanation at most.")
