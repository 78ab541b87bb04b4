"""The contract of middleware: what goes into a chain and what comes out (DESIGN.md section 5).

All types are frozen. Money is integer micro-units of the base currency, time integer milliseconds. Fields may be added
with a default; everything is built by keyword.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from middleware.candidate import Basis, Candidate, Coordinates, Limits, Prices, Reported, Staging, weakest
from middleware.immutable import immutable
from middleware.needs import Feature, Needs
from middleware.network import Network
from middleware.path_mapping import PathMapping
from middleware.ports import AccessPort, DataObject, Permission, Replica, SignerPort
from middleware.preference import InstanceChoice, Money, Preference
from middleware.task import ExecutorView, InputView, OutputView, Resources, TaskView

__all__ = [
    "AccessPort",
    "Basis",
    "Candidate",
    "Context",
    "Coordinates",
    "DataObject",
    "DataRule",
    "Distribution",
    "DistributionRequest",
    "Estimate",
    "ExecutorView",
    "Feature",
    "InputView",
    "InstanceChoice",
    "Kind",
    "Learned",
    "Limits",
    "Middleware",
    "Money",
    "Needs",
    "Network",
    "Next",
    "Offer",
    "Outcome",
    "OutputView",
    "PathMapping",
    "Permission",
    "Preference",
    "Prices",
    "Provides",
    "Reason",
    "Replica",
    "Reported",
    "Resources",
    "SignerPort",
    "Staging",
    "TaskView",
    "TraceEntry",
]

Kind = Literal["filter", "score", "rewrite", "raw"]
Outcome = Literal["passed", "rejected", "rewritten", "not_applicable", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a candidate is left out."""

    code: str
    """For programs, such as `resources` or `full`."""
    text: str
    """For people; a clause whose subject is the instance: "declares 64 cpu_cores, the task needs 512"."""
    permanent: bool
    """True when the task can never run there while instance and task are what they declare (DESIGN.md section 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a task would cost and take at one candidate; None means unknown."""

    cost_micro: int | None = None
    """All of the cost, micro-units of the base currency."""
    time_ms: int | None = None
    """All of the time until the outputs are there, ms."""
    compute_micro: int | None = None
    """The part of the cost for cores, memory and the price per task."""
    disk_micro: int | None = None
    """The part of the cost for disk while the task runs."""
    staging_micro: int | None = None
    """The part of the cost for disk, and for cores and memory where they are charged, while data is transferred."""
    transfer_micro: int | None = None
    """The part of the cost for moving inputs and outputs: egress, ingress, requests."""
    queue_ms: int | None = None
    """The part of the time before the task starts."""
    stage_in_ms: int | None = None
    """The part of the time in which inputs come in."""
    stage_out_ms: int | None = None
    """The part of the time in which outputs go out."""
    run_ms: int | None = None
    """The part of the time that it runs."""
    cost_basis: Basis | None = None
    """The weakest basis of what `cost_micro` was reckoned from."""
    time_basis: Basis | None = None
    """The weakest basis of what `time_ms` was reckoned from."""
    imputed: tuple[str, ...] = ()
    """Names of the figures taken from other candidates because this one does not declare them."""
    bases: Mapping[str, Basis] = field(default_factory=dict)
    """Basis of each figure that went in, by name: `prices`, `speed`, `queue_seconds`, `runtime_seconds`, `resources`,
    `sizes`, `transfers`."""
    queue_interval_ms: tuple[int, int] | None = None
    """Where the wait lies in 80 of 100 cases, ms."""
    run_interval_ms: tuple[int, int] | None = None
    """Where the run time lies in 80 of 100 cases, ms."""
    replicas: tuple[int, ...] = ()
    """Per input, in their order, the index of its replica in its `DataObject`; -1 where there is none to choose."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bases", immutable(self.bases))

    @property
    def basis(self) -> Basis | None:
        """The weakest basis of cost and time."""
        if self.cost_basis is None or self.time_basis is None:
            return self.cost_basis or self.time_basis
        return weakest(self.cost_basis, self.time_basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A candidate with its place in the order, and why it has it."""

    candidate_id: str
    score: int | None = None
    """Smaller is better, 0 the ideal; comparable within one distribution only; None where nothing was scored."""
    score_unit: int = 1
    """`score / score_unit` is what people see."""
    estimate: Estimate = Estimate()
    notes: tuple[str, ...] = ()
    """For people: warnings and remarks on how the figures came about."""

    @property
    def cost_micro(self) -> int | None:
        """Estimated cost, micro-units of the base currency."""
        return self.estimate.cost_micro

    @property
    def time_ms(self) -> int | None:
        """Estimated time until the outputs are there, ms."""
        return self.estimate.time_ms

    @property
    def basis(self) -> Basis | None:
        """The weakest basis of the estimate."""
        return self.estimate.basis

    @property
    def shown_score(self) -> Fraction | None:
        """The score as people see it: relative excess over the ideal where the ranker is `cost_runtime`."""
        return None if self.score is None else Fraction(self.score, self.score_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEntry:
    """What one step did, as a whole or to one candidate; the same for the same input, so without times."""

    step: str
    kind: Kind
    outcome: Outcome
    text: str
    candidate_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provides:
    """What rewrites of the chain can mend just before forwarding, so that filters need not insist on it."""

    input_schemes: frozenset[str] = frozenset()
    """URL schemes of inputs that are turned into ones the chosen instance takes."""
    output_schemes: frozenset[str] = frozenset()
    """URL schemes of outputs, likewise."""
    paths: tuple[PathMapping, ...] = ()
    """Bare paths of inputs and outputs that are turned into URLs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A figure learned of finished tasks, with the interval it lies in in 80 of 100 cases."""

    value: float
    low: float
    high: float
    count: float
    """How many observations stand behind it, older ones counting less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRule:
    """Where data may be processed (an operator's rule, or a profile's)."""

    prefix: str
    """Inputs whose URL, or a replica's, starts with this fall under the rule; the longest prefix wins."""
    zones: frozenset[str] = frozenset()
    """Zones where it may be processed, without regard to case."""
    instances: frozenset[str] = frozenset()
    """Ids or base URLs of instances that may process it, whatever their zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What surrounds a task: preference, caller, money, data, what other steps said. There is no clock in it."""

    seed: str
    """Seed of all chance, normally the task's id."""
    preference: Preference = field(default_factory=Preference)
    currency: str = "EUR"
    """Base currency, ISO 4217."""
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    """Base currency per unit of another one, by ISO 4217 code; what is stale is not in it."""
    provides: Provides = Provides()
    """Set by the chain from its rewrites."""
    offers: Mapping[str, Offer] = field(default_factory=dict, repr=False)
    """Offers of earlier rankers by candidate id; set by the chain."""
    network: Network = field(default_factory=Network)
    """What moving data costs and takes, by zones."""
    data: Mapping[str, DataObject] = field(default_factory=dict, repr=False)
    """What is known of the task's inputs, by URL as the task has it; what nothing is known of is not in it."""
    zones: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Zone of each output's destination, by URL as the task has it, where known."""
    runtime: Learned | None = None
    """Run time at reference speed learned of tasks with the same images and programs, seconds."""
    output_bytes: int | None = None
    """Size of all outputs learned of tasks with the same images and programs."""
    owner: str = ""
    """Who the task belongs to (the caller's subject)."""
    groups: frozenset[str] = frozenset()
    """Groups of the caller."""
    token_kinds: frozenset[str] = frozenset()
    """Kinds of tokens that the task needs taken, lower case; empty where it brings none."""
    has_token: bool = False
    """Whether the caller's own token is there to be shown to an instance that needs it."""
    allowed_instances: frozenset[str] | None = None
    """Ids or base URLs that the task's profile allows; None means all."""
    data_rules: tuple[DataRule, ...] = ()
    """Where data may be processed."""
    affinity_url: str | None = None
    """Base URL of the instance where the task's workflow has been so far (`protes.affinity`)."""
    turn: int = 0
    """A number that grows with each choice, for `round_robin`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Routing metadata that outer steps have added."""
    access: AccessPort | None = None
    """For rewrites only."""
    signers: Mapping[str, SignerPort] = field(default_factory=dict, repr=False)
    """By the names that the operator gave them; for rewrites only."""

    def __post_init__(self) -> None:
        for name in ("rates", "offers", "data", "zones", "metadata", "signers"):
            object.__setattr__(self, name, immutable(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionRequest:
    """A task looking for an instance."""

    task: TaskView
    candidates: tuple[Candidate, ...]
    """In the order that earlier steps gave them; by URL before any ranker."""
    context: Context
    attempt: int = 1
    """Which try of the task this is, from 1."""

    @property
    def preference(self) -> Preference:
        """The effective preference, as in the context."""
        return self.context.preference


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """The answer: who may run the task, in which order, who not, and how it came about."""

    task: TaskView
    ranked: tuple[Offer, ...]
    """Best first, one per candidate that remains."""
    rejected: Mapping[str, Reason] = field(default_factory=dict)
    """Why each other candidate is out, by candidate id."""
    trace: tuple[TraceEntry, ...] = ()
    """What the steps did, in the order of the chain."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Routing metadata for people and programs, such as the workflow that a task belongs to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rejected", immutable(self.rejected))
        object.__setattr__(self, "metadata", immutable(self.metadata))

    @property
    def impossible(self) -> bool:
        """Tell whether every candidate is out for a permanent reason; without any candidate, False."""
        return not self.ranked and bool(self.rejected) and all(reason.permanent for reason in self.rejected.values())

    def after(
        self,
        trace: tuple[TraceEntry, ...],
        rejected: Mapping[str, Reason] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> "Distribution":
        """Return this with what an outer step has to add: its trace in front, its rejections, its metadata.

        Where both say something under the same name, what inner steps said stands.
        """
        return replace(
            self,
            trace=trace + self.trace,
            rejected={**rejected, **self.rejected} if rejected else self.rejected,
            metadata={**metadata, **self.metadata} if metadata else self.metadata,
        )


Next = Callable[[DistributionRequest], Distribution]
"""The rest of the chain."""

Middleware = Callable[[DistributionRequest, Next], Distribution]
"""The raw kind: may change the request on its way in and the distribution on its way out."""
