"""Our settings: the `custom` section of FOCA's configuration, as one tree of frozen models.

Units are part of the names (`_seconds`, `_bytes`, `_gb`). Unknown keys are refused. `docs/settings.md` lists them all,
and a test keeps the two equal.
"""

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from middleware import parse_weight
from protes.config.auth import AuthSettings
from protes.config.base import Name, Seconds, Section, WebOrigin
from protes.config.credentials import OF_CALLERS
from protes.config.events import EventSettings
from protes.config.federation import HealthSettings, NamedCredentials, ReloadSettings, TaskInstancesSettings
from protes.config.instances import InstanceSettings, RegistrySettings
from protes.config.keys import SecretKeys
from protes.config.observing import LoggingSettings, MetricsSettings, TracingSettings
from protes.config.outbound import OutboundSettings
from protes.config.planning import (
    DataRuleSettings,
    LearningSettings,
    LocationSettings,
    NetworkSettings,
    PlanningSettings,
    ProfileSettings,
    RateSettings,
    SourceSettings,
    StepSettings,
    signers_used,
)
from protes.config.quotas import QuotaSettings
from protes.config.runner import RunnerSettings
from protes.config.store import StoreSettings
from protes.config.visibility import VisibilitySettings


class Organization(Section):
    """The organization that runs the gateway (GA4GH service-info)."""

    name: str = Field("protes", description="Its name.")
    url: str = Field("https://example.org", description="Its web site.")


class ServiceSettings(Section):
    """What the gateway says of itself in service-info (GA4GH Service Info 1.0.0)."""

    id: str = Field("org.ga4gh.protes", description="Id of the service, reverse domain name.")
    name: str = Field("protes", description="Name for people.")
    description: str = Field("A GA4GH TES gateway in front of a federation of TES instances", description="One line.")
    organization: Organization = Organization()
    contact_url: str | None = Field(None, description="`mailto:` or web address for help.")
    documentation_url: str | None = Field(None, description="Where its documentation is.")
    environment: str | None = Field(None, description="For example `prod` or `test`.")
    storage: tuple[str, ...] = Field(
        (), description="Storage roots that tasks may use, such as `file:///shared` (Toil decides by prefix)."
    )


class ServerSettings(Section):
    """The HTTP server and what it lets in."""

    host: str = Field("127.0.0.1", description="Address to bind to; loopback unless said otherwise.")
    port: int = Field(8080, ge=0, le=65535, description="Port to bind to; 0 takes any free one.")
    threads: int = Field(32, ge=1, le=512, description="Request threads per worker process.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes; more than one needs a store on disk.")
    longest_wait_seconds: int = Field(
        30, ge=1, le=600, description="Longest time a request may wait for a change (`Prefer: wait`)."
    )
    writes_at_once: int | None = Field(
        None,
        ge=1,
        description="Requests that write to the store at once, as far as a thread is left to others; half of `threads` "
        "where it is not set.",
    )
    write_patience_seconds: Seconds = Field(
        5.0,
        description="One more waits this long for its turn, and not at all while the store got nothing done for this "
        "long; then it is answered 503.",
    )
    head_seconds: Seconds = Field(
        15.0, description="A request's head must arrive within this; a client that is slower is disconnected (408)."
    )
    slowest_body_bytes_per_second: int = Field(
        32 * 1024, ge=1, description="After ten seconds a body may not come more slowly than this, on average."
    )
    max_body_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="Largest request body, answered 413 beyond it.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names that requests may carry in `Host` besides loopback names and the bound address."
    )
    cors_origins: tuple[WebOrigin, ...] = Field((), description="Web origins that may call the API; none by default.")
    operator_token: SecretStr | None = Field(
        None, min_length=16, description="Bearer token for operator calls; without it they are refused (403)."
    )
    secret_key: SecretKeys = Field(
        (),
        description="Key, or list of keys, that callers' tokens are encrypted with at rest: 32 random bytes in base64 "
        "each. The first encrypts, all of them decrypt. Needed where credentials are `pass_through`.",
    )
    secret_key_file: str | None = Field(None, description="File with such keys, one a line, in place of `secret_key`.")

    @model_validator(mode="after")
    def _keys_come_from_one_place(self) -> "ServerSettings":
        if self.secret_key and self.secret_key_file is not None:
            raise ValueError("give at most one of secret_key and secret_key_file")
        return self


class ApiSettings(Section):
    """What the outside sees of tasks."""

    states: Literal["tes-1.0", "all"] = Field(
        "tes-1.0", description="`tes-1.0` shows the states every engine knows; `all` shows TES 1.1 states."
    )
    show_instances: bool | None = Field(
        None,
        description="Show callers the URLs of instances, and in log metadata their task ids there; by default where "
        "there is no authentication. Operators and readers see them anyhow.",
    )
    all_attempts: bool = Field(False, description="Show every attempt in `logs` instead of the deciding one.")
    upstream_gateways: tuple[str, ...] = Field(
        (), description="Ids of gateways that may send tasks on to this one (tags `protes_attempt`, `protes_gateway`)."
    )
    largest_batch: int = Field(500, ge=1, le=10000, description="Tasks that one call may create or cancel.")
    weight: str = Field("0.5", description="The weight of tasks that bring none: 0 to 1, `cost`, `time` or `random`.")

    @field_validator("weight")
    @classmethod
    def _is_weight(cls, weight: str) -> str:
        parse_weight(weight)
        return weight


class DispatchSettings(Section):
    """Choosing an instance and forwarding once."""

    lease_seconds: Seconds = Field(90.0, le=600, description="A worker's claim on a task.")
    send_within_seconds: Seconds = Field(10.0, description="A POST must start within this after its intent is stored.")
    create_seconds: Seconds = Field(60.0, description="Total time a POST to an instance may take.")
    first_retry_seconds: Seconds = Field(1.0, description="First pause when no instance can take a task.")
    last_retry_seconds: Seconds = Field(60.0, description="Longest pause between tries.")
    give_up_after_seconds: Seconds = Field(86400.0, description="A task no instance took by then is SYSTEM_ERROR.")
    settle_within_seconds: Seconds = Field(900.0, description="An unknown outcome not known by then ends the task.")
    settle_every_seconds: Seconds = Field(2.0, description="Pause between two looks for a copy.")
    on_unknown: Literal["fail", "resubmit"] = Field(
        "fail", description="What to do when an outcome cannot be known: end the task, or risk a second run."
    )
    orphan_watch_seconds: Seconds = Field(86400.0, description="How long to look for copies that turn up late.")
    max_retries: int = Field(5, ge=0, le=15, description="Largest `protes.retries` that a task may ask for.")
    requeue_stuck_seconds: Seconds | None = Field(
        None,
        description="A task that has waited this long at an instance is withdrawn there and sent elsewhere, where the "
        "instance's dialect makes that safe; never without.",
    )

    @model_validator(mode="after")
    def _lease_outlasts_post(self) -> "DispatchSettings":
        if self.lease_seconds <= self.send_within_seconds + self.create_seconds:
            raise ValueError("lease_seconds must be longer than send_within_seconds and create_seconds together")
        return self


class RelaySettings(Section):
    """Bringing state and logs back."""

    first_poll_seconds: Seconds = Field(0.25, description="Poll interval of a young task.")
    last_poll_seconds: Seconds = Field(30.0, description="Longest poll interval of an instance with active tasks.")
    growth: float = Field(0.1, gt=0, le=1, description="The interval is this share of the youngest task's age.")
    read_poll_seconds: Seconds = Field(
        5.0, description="Longest poll interval of an instance while somebody reads tasks there in full."
    )
    tasks_per_second: float = Field(
        5000.0, gt=0, description="The interval lasts at least a second for so many active tasks at an instance."
    )
    reads_at_once: int = Field(4, ge=1, le=16, description="Tasks that are asked for one by one at once, per instance.")
    list_from: int = Field(8, ge=1, description="From so many active tasks at an instance on they are listed.")
    cancel_within_seconds: Seconds = Field(120.0, description="An unconfirmed cancellation shows CANCELED after this.")
    cancel_every_seconds: Seconds = Field(2.0, description="First pause between two pushes of a cancellation.")
    lost_after_seconds: Seconds = Field(604800.0, description="An instance silent for this long has lost its tasks.")
    missing_after_seconds: Seconds = Field(60.0, description="A task its instance denies knowing this long is lost.")
    log_tail_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="Largest stdout or stderr brought over; the tail is kept."
    )


LIMITS = ("client_choice", "data_rules")
"""Steps that are put in front of a chain that leaves them out: what a task, a profile or the operator rules out."""

DEFAULT_CHAIN = ("submitter", "client_choice", "feasible", "data_rules", "cost_runtime", "affinity", "drs")


class Settings(Section):
    """All settings of the gateway."""

    gateway_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{8,64}$", description="Id of this gateway; made at first start and kept otherwise."
    )
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="Base currency of estimates.")
    service: ServiceSettings = ServiceSettings()
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    runner: RunnerSettings = RunnerSettings()
    dispatch: DispatchSettings = DispatchSettings()
    relay: RelaySettings = RelaySettings()
    instances: tuple[InstanceSettings, ...] = Field((), description="Instances known by configuration.")
    registries: tuple[RegistrySettings, ...] = Field((), description="GA4GH Service Registries to ask.")
    credentials: dict[Name, NamedCredentials] = Field({}, description="Credentials for registrations, by name.")
    health: HealthSettings = HealthSettings()
    task_instances: TaskInstancesSettings = TaskInstancesSettings()
    outbound: OutboundSettings = OutboundSettings()
    reload: ReloadSettings = ReloadSettings()
    network: NetworkSettings = NetworkSettings()
    rates: RateSettings = RateSettings()
    storage_locations: tuple[LocationSettings, ...] = Field((), description="Where data lies, by URL prefix.")
    data_rules: tuple[DataRuleSettings, ...] = Field((), description="Where data may be processed, by URL prefix.")
    sources: SourceSettings = SourceSettings()
    learning: LearningSettings = LearningSettings()
    planning: PlanningSettings = PlanningSettings()
    profiles: dict[Name, ProfileSettings] = Field({}, description="Presets, by name.")
    events: EventSettings = EventSettings()
    visibility: VisibilitySettings = VisibilitySettings()
    quotas: QuotaSettings = QuotaSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    logging: LoggingSettings = LoggingSettings()
    chain: tuple[StepSettings, ...] = Field(
        tuple(StepSettings(use=name) for name in DEFAULT_CHAIN), description="The middleware chain, in order."
    )

    @field_validator("instances")
    @classmethod
    def _ids_differ(cls, instances: tuple[InstanceSettings, ...]) -> tuple[InstanceSettings, ...]:
        ids = [instance.id for instance in instances]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            raise ValueError(f"two instances have the id {', '.join(twice)}")
        return instances

    @property
    def passes_tokens(self) -> bool:
        """Whether some credentials are the callers' own, so that their tokens are kept while tasks need them."""
        named = (*(each.credentials for each in self.instances), *self.credentials.values())
        return any(each.type in OF_CALLERS for each in named)

    @property
    def exchanges_tokens(self) -> bool:
        """Whether some credentials are got for the callers' tokens."""
        named = (*(each.credentials for each in self.instances), *self.credentials.values())
        return any(each.type == "token_exchange" for each in named)

    @model_validator(mode="after")
    def _signers_are_there(self) -> "Settings":
        there = {each.name for each in self.sources.signers}
        chains = {"chain": self.chain}
        chains |= {f"profiles.{name}.chain": each.chain or () for name, each in self.profiles.items()}
        for chain, steps in chains.items():
            for name, place in signers_used(steps):
                if name not in there:
                    raise ValueError(f"{chain}{place}: sources.signers has no signer of the name {name}")
        return self

    @model_validator(mode="after")
    def _tokens_are_encrypted(self) -> "Settings":
        if self.passes_tokens and not self.server.secret_key and self.server.secret_key_file is None:
            text = "credentials of type pass_through need server.secret_key or server.secret_key_file"
            raise ValueError(f"{text}, and so do those of type token_exchange")
        return self

    @model_validator(mode="after")
    def _only_known_callers_get_in(self) -> "Settings":
        self.auth.check_bound(self.server.host)
        if self.auth.mode == "basic" and self.passes_tokens:
            text = "auth.mode basic leaves callers no token to pass through: their passwords are shown to no instance"
            raise ValueError(text)
        return self

    @model_validator(mode="after")
    def _memory_is_for_one_process(self) -> "Settings":
        if self.store.url == "memory:" and self.server.workers > 1:
            raise ValueError("store.url memory: is seen by one process only; set server.workers to 1")
        if self.store.url == "memory:" and self.runner.kind == "celery":
            raise ValueError("store.url memory: is seen by one process only; runner.kind celery needs a shared store")
        return self
