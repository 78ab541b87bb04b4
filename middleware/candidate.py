"""An instance considered for a task, with all that is known of it at this moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from middleware.cromwell import CromwellRule
from middleware.immutable import immutable
from middleware.needs import Feature

__all__ = ["Basis", "Candidate", "Coordinates", "Limits", "Prices", "Reported", "Staging", "weakest"]

Basis = Literal["reported", "configured", "learned", "default", "imputed"]
"""Where a figure comes from: the instance, the operator, finished tasks, a setting, or another instance."""

Staging = Literal["parallel", "sequential"]
"""How an instance brings inputs in: all at once, sharing its ingress, or one after another (ESTIMATES.md)."""

Coordinates = tuple[float, float]
"""Latitude and longitude, degrees."""

_WEAKNESS: dict[Basis, int] = {"reported": 0, "configured": 1, "learned": 2, "default": 3, "imputed": 4}


def weakest(first: Basis, second: Basis) -> Basis:
    """Return the less trustworthy of two bases, in the order in which `Basis` names them."""
    return first if _WEAKNESS[first] >= _WEAKNESS[second] else second


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an instance can take, by its own word, its operator's or its dialect's; None means not declared."""

    max_cpu_cores: float | None = None
    """Cores of one task at most."""
    max_ram_gb: float | None = None
    """Memory of one task at most, GB."""
    max_disk_gb: float | None = None
    """Disk of one task at most, GB."""
    input_schemes: frozenset[str] | None = None
    """URL schemes of inputs it takes, lower case; `file` stands for bare absolute paths too."""
    takes_drs: bool = False
    """Whether it is said to resolve `drs://` inputs itself, even where its schemes are not declared."""
    output_schemes: frozenset[str] | None = None
    """URL schemes of outputs it takes, likewise."""
    zones: frozenset[str] | None = None
    """Values of `resources.zones` it serves."""
    backend_parameters: frozenset[str] | None = None
    """Keys of `resources.backend_parameters` it knows."""
    max_executors: int | None = None
    """Executors of one task at most."""
    token_kinds: frozenset[str] | None = None
    """Kinds of callers' tokens it takes, lower case, such as `basic`, `bearer` or `passport`."""
    needs_token: bool = False
    """Whether it runs only tasks that bring their callers' own token, which it is shown."""
    unsupported: frozenset[Feature] = frozenset()
    """Parts of TES that its dialect rejects, drops or corrupts."""
    max_document_bytes: int | None = None
    """Size of a task as JSON at most, bytes of UTF-8."""
    max_runtime_seconds: float | None = None
    """It gives up a task that runs longer, seconds."""
    path_root: str | None = None
    """Directory of the container that the paths of all inputs and outputs must be below."""
    own_paths: frozenset[str] = frozenset()
    """Absolute paths: URLs that are bare paths below these it maps to storage itself."""
    own_paths_rule: CromwellRule | None = None
    """It does so only in tasks that it takes for Cromwell's by this rule; None means in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an instance charges, in `currency`; None means unknown, which is not zero (ESTIMATES.md)."""

    currency: str
    """ISO 4217 code."""
    cpu_core_hour: Decimal | None = None
    """Per core and hour."""
    ram_gb_hour: Decimal | None = None
    """Per GB of memory and hour."""
    gpu_hour: Decimal | None = None
    """Per GPU and hour; how many a task asks for stands in its `backend_parameters` (option of `cost_runtime`)."""
    disk_gb_hour: Decimal | None = None
    """Per GB of disk and hour."""
    per_task: Decimal | None = None
    """Per task."""
    billing_quantum_seconds: float | None = None
    """Run time is charged in steps of this many seconds; 0 charges it exactly."""
    billing_minimum_seconds: float | None = None
    """Run time charged at least, seconds."""
    ingress_gb: Decimal | None = None
    """Per GB (10^9 bytes) that comes in, whatever its source charges; None is 0, as is usual."""
    preemptible_factor: Decimal | None = None
    """Prices of cores, memory and GPUs are multiplied by this where a task is preemptible; None is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the instance itself estimates for this task (TEStribute's `tasks/task-info`); None is missing."""

    currency: str
    """ISO 4217 code of the amounts."""
    compute: Decimal | None = None
    """Cost of cores and memory for the whole task."""
    storage: Decimal | None = None
    """Cost of disk for the whole task."""
    transfer_gb_1000km: Decimal | None = None
    """Price of bringing in one GB (10^9 bytes) over 1000 km."""
    queue_seconds: float | None = None
    """Expected wait before the task starts, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An instance considered for a task."""

    id: str
    """Its id in the federation, unique among the candidates."""
    url: str
    """Its canonical base URL, without credentials; the last tie-break of rankers."""
    name: str = ""
    """For people."""
    limits: Limits = Limits()
    prices: Prices | None = None
    speed: float | None = None
    """Speed against the reference, 1.0; twice the speed halves the run time."""
    queue_seconds: float | None = None
    """Expected wait before a task starts, seconds."""
    zone: str | None = None
    """Where it is: `cloud:region` or an ISO 3166 country code."""
    coordinates: Coordinates | None = None
    """Where it is on earth."""
    staging: Staging = "parallel"
    """How it brings inputs in."""
    bills_staging: bool = False
    """Whether cores and memory are charged while inputs and outputs are transferred."""
    ingress_bytes_per_second: float | None = None
    """What it can take in altogether, bytes per second; None means that only the routes bound it."""
    rework: float | None = None
    """Expected share of the run that is done again where a task is preemptible, 0.25 for a quarter; None is 0."""
    queue_interval: tuple[float, float] | None = None
    """Where the wait lies in 80 of 100 cases, seconds."""
    failure_rate: float | None = None
    """Learned share of tasks that fail there for reasons of its own, from 0 to below 1."""
    reported: Reported | None = None
    """Its own estimate for this task, which replaces modelled figures."""
    basis: Mapping[str, Basis] = field(default_factory=dict)
    """Basis of `prices`, `speed` and `queue_seconds` by field name; what is not named is `configured`."""
    ejected: str | None = None
    """Why it takes no tasks at the moment, in words; None when it is healthy."""
    in_flight: int = 0
    """Unfinished tasks that the gateway has there."""
    max_in_flight: int | None = None
    """Unfinished tasks at once; None means no bound."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "basis", immutable(self.basis))
