"""Our settings: the `custom` section of FOCA's configuration, as one tree of frozen models.

Units are part of the names (`_seconds`, `_bytes`, `_gb`). Unknown keys are refused. `docs/settings.md` lists them all,
and a test keeps the two equal.
"""

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from middleware import parse_weight
from protes.config.base import Name, Seconds, Section, WebOrigin
from protes.config.federation import HealthSettings, NamedCredentials, ReloadSettings, TaskInstancesSettings
from protes.config.instances import InstanceSettings, RegistrySettings
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
)


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
    threads: int = Field(16, ge=1, le=512, description="Request threads per worker process.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes; more than one needs a store on disk.")
    max_body_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="Largest request body, answered 413 beyond it.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names that requests may carry in `Host` besides loopback names and the bound address."
    )
    cors_origins: tuple[WebOrigin, ...] = Field((), description="Web origins that may call the API; none by default.")
    operator_token: SecretStr | None = Field(
        None, min_length=16, description="Bearer token for operator calls; without it they are refused (403)."
    )


class ApiSettings(Section):
    """What the outside sees of tasks."""

    states: Literal["tes-1.0", "all"] = Field(
        "tes-1.0", description="`tes-1.0` shows the states every engine knows; `all` shows TES 1.1 states."
    )
    show_instances: bool = Field(True, description="Show callers the URL and task id of the instance in log metadata.")
    all_attempts: bool = Field(False, description="Show every attempt in `logs` instead of the deciding one.")
    upstream_gateways: tuple[str, ...] = Field(
        (), description="Ids of gateways that may send tasks on to this one (tags `protes_attempt`, `protes_gateway`)."
    )
    weight: str = Field("0.5", description="The weight of tasks that bring none: 0 to 1, `cost`, `time` or `random`.")

    @field_validator("weight")
    @classmethod
    def _is_weight(cls, weight: str) -> str:
        parse_weight(weight)
        return weight


class StoreSettings(Section):
    """Where tasks are kept."""

    url: str = Field("data", description="A folder for the embedded SQLite store, or `memory:` (lost at exit).")


class RunnerSettings(Section):
    """What executes the gateway's own jobs."""

    threads: int = Field(
        16,
        ge=1,
        le=256,
        description="Threads for dispatch and relay per process; up to four times as many while jobs hang.",
    )
    queue_limit: int = Field(20000, ge=1, description="Jobs waiting at most; the sweep brings back what did not fit.")
    tick_seconds: Seconds = Field(0.25, description="How often due work is looked for.")


class DispatchSettings(Section):
    """Choosing an instance and forwarding once."""

    lease_seconds: Seconds = Field(90.0, description="A worker's claim on a task.")
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

    first_poll_seconds: Seconds = Field(0.5, description="Poll interval of a young task.")
    last_poll_seconds: Seconds = Field(30.0, description="Longest poll interval of an instance with active tasks.")
    growth: float = Field(0.1, gt=0, le=1, description="The interval is this share of the youngest task's age.")
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
    reload: ReloadSettings = ReloadSettings()
    network: NetworkSettings = NetworkSettings()
    rates: RateSettings = RateSettings()
    storage_locations: tuple[LocationSettings, ...] = Field((), description="Where data lies, by URL prefix.")
    data_rules: tuple[DataRuleSettings, ...] = Field((), description="Where data may be processed, by URL prefix.")
    sources: SourceSettings = SourceSettings()
    learning: LearningSettings = LearningSettings()
    planning: PlanningSettings = PlanningSettings()
    profiles: dict[Name, ProfileSettings] = Field({}, description="Presets, by name.")
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

    @model_validator(mode="after")
    def _memory_is_for_one_process(self) -> "Settings":
        if self.store.url == "memory:" and self.server.workers > 1:
            raise ValueError("store.url memory: is seen by one process only; set server.workers to 1")
        return self
