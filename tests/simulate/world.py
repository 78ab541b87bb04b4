"""Worlds of the simulation: a federation, its own users' load, and a workload, all from a seed.

Nothing here knows of policies: every policy plays the same world. Units: s, B, GB = 10^9 B, EUR.
"""

import math
from dataclasses import dataclass, replace
from random import Random

from middleware import Coordinates, Staging
from tests.simulate.places import EGRESS_GB, PLACES, same_continent

__all__ = ["Input", "Job", "Kind", "Noise", "Route", "Site", "Task", "World", "make_world"]

GB = 10**9
HOUR = 3600.0
WARM_UP_SECONDS = 6 * HOUR
"""Instances are already at work when the first task comes."""


PROGRAMS = ("align", "sort", "call", "assemble", "count", "impute", "fold", "screen", "render")


@dataclass(frozen=True, slots=True)
class Job:
    """A task of an instance's own users, which no gateway sees."""

    arrival: float
    cores: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Site:
    """An instance as it really is."""

    index: int
    zone: str
    coordinates: Coordinates
    cores: int
    backfill: bool
    """Whether a job may start before an earlier one where that is not delayed; else first in, first out."""
    speed: float
    declared_speed: float
    """What its operator believes its speed to be."""
    cpu_core_hour: float
    ram_gb_hour: float
    disk_gb_hour: float
    per_task: float
    quantum: float
    minimum: float
    staging: Staging
    bills_staging: bool
    ingress: float
    """B/s."""
    jobs: tuple[Job, ...]

    @property
    def id(self) -> str:
        """Its id in the federation."""
        return f"site-{self.index:02d}"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://{self.id}.example.org/ga4gh/tes/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """Data from one zone to another: declared to the gateway, but for the true bandwidth."""

    egress_gb: float
    declared: float
    """B/s."""
    true: float
    """B/s."""
    latency: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A program that tasks run: what a signature stands for."""

    name: str
    cores: int
    ram_gb: float
    disk_gb: float
    median: float
    """Run time at reference speed, s."""
    spread: float
    """Of the logarithm of the run time, what input sizes explain aside."""
    output_share: float
    """Outputs against inputs, in bytes."""
    affinity: tuple[float, ...]
    """By site: how much longer than its speed says it runs there."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input, with the zones of its replicas; the first is the one that the task's URL names."""

    size: int
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """What the given estimates of a task are off by, as factors; the same whoever asks."""

    runtime: float
    waits: tuple[float, ...]
    outputs: float


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the workload."""

    index: int
    arrival: float
    kind: Kind
    seconds: float
    """True run time at reference speed."""
    inputs: tuple[Input, ...]
    output_zone: str
    output_bytes: int
    noise: Noise

    @property
    def id(self) -> str:
        """Its id at the gateway."""
        return f"task-{self.index:05d}"


@dataclass(frozen=True, slots=True)
class World:
    """A federation and its workload."""

    seed: int
    sites: tuple[Site, ...]
    kinds: tuple[Kind, ...]
    routes: dict[tuple[str, str], Route]
    tasks: tuple[Task, ...]
    utilisation: float
    """What the tasks ask for against what the instances' own users leave, in cores at reference speed."""


def make_world(seed: int, count: int) -> World:
    """Make the world of a seed, with `count` tasks."""
    random = Random(f"world {seed}")
    bare = [_site(random, index) for index in range(random.randint(5, 12))]
    kinds = tuple(_kind(random, index, len(bare)) for index in range(random.randint(5, 9)))
    routes = _routes(random)
    utilisation = random.uniform(0.5, 0.95)
    loads = [random.uniform(0.15, 0.6) for _ in bare]
    tasks = _tasks(random, bare, kinds, count, utilisation, loads)
    until = tasks[-1].arrival
    sites = tuple(_with_jobs(random, site, load, until) for site, load in zip(bare, loads, strict=True))
    return World(seed, sites, kinds, routes, tasks, utilisation)


def log_normal(random: Random, spread: float) -> float:
    """Draw a factor whose median is 1."""
    return math.exp(random.gauss(0.0, spread))


def _site(random: Random, index: int) -> Site:
    zone = random.choice(list(PLACES))
    speed = min(3.0, max(0.4, log_normal(random, 0.3)))
    # Faster cores cost more, but not in proportion; a lab charges what power and upkeep come to.
    price = (0.012 if zone.startswith("lab:") else 0.045) * speed**0.7 * log_normal(random, 0.3)
    return Site(
        index=index,
        zone=zone,
        coordinates=PLACES[zone],
        cores=random.choice([16, 24, 32, 48, 64, 96]),
        backfill=random.random() < 0.5,
        speed=speed,
        declared_speed=round(speed * log_normal(random, 0.1), 3),
        cpu_core_hour=round(price, 5),
        ram_gb_hour=round(price * 0.12, 6),
        disk_gb_hour=round(0.00014 * log_normal(random, 0.2), 7),
        per_task=random.choice([0.0, 0.0, 0.001, 0.005]),
        quantum=random.choice([1.0, 1.0, 60.0]),
        minimum=random.choice([0.0, 60.0]),
        staging=random.choice(["parallel", "sequential"]),
        bills_staging=random.random() < 0.5,
        ingress=round(300e6 * log_normal(random, 0.5)),
        jobs=(),
    )


def _kind(random: Random, index: int, sites: int) -> Kind:
    cores = random.choice([1, 1, 2, 4, 4, 8, 16])
    return Kind(
        name=PROGRAMS[index],
        cores=cores,
        ram_gb=float(cores * random.choice([2, 4])),
        disk_gb=float(random.choice([20, 50, 100])),
        median=1200.0 * log_normal(random, 0.6),
        spread=random.uniform(0.3, 0.8),
        output_share=min(2.0, 0.25 * log_normal(random, 0.8)),
        affinity=tuple(log_normal(random, 0.1) for _ in range(sites)),
    )


def _routes(random: Random) -> dict[tuple[str, str], Route]:
    """Make what lies between each two zones; `=` routes are within a zone."""
    routes = {}
    for source in PLACES:
        for target in PLACES:
            if source == target:
                declared, latency = 500e6, 0.05
            elif same_continent(source, target):
                declared, latency = 100e6, 0.3
            else:
                declared, latency = 40e6, 1.0
            routes[source, target] = Route(
                _egress_gb(source, target), declared, declared * log_normal(random, 0.25), latency
            )
    return routes


def _egress_gb(source: str, target: str) -> float:
    cloud = source.partition(":")[0]
    if source == target:
        return 0.0
    if cloud != "lab" and target.startswith(f"{cloud}:") and same_continent(source, target):
        return 0.02
    return EGRESS_GB[cloud]


def _tasks(
    random: Random, sites: list[Site], kinds: tuple[Kind, ...], count: int, utilisation: float, loads: list[float]
) -> tuple[Task, ...]:
    """Make Poisson arrivals at a rate that comes to the utilisation for the tasks as they are drawn."""
    # Most data lies where there are instances, some elsewhere.
    homes = [*(site.zone for site in sites for _ in range(2)), *PLACES]
    shares = [random.paretovariate(1.2) for _ in kinds]
    drawn = [_task(random, index, random.choices(kinds, shares)[0], homes, len(sites)) for index in range(count)]
    work = sum(task.kind.cores * task.seconds for task in drawn)
    left = sum(site.cores * site.speed * (1 - load) for site, load in zip(sites, loads, strict=True))
    gap = work / (left * utilisation) / count
    arrival, tasks = 0.0, []
    for task in drawn:
        arrival += random.expovariate(1 / gap)
        tasks.append(replace(task, arrival=arrival))
    return tuple(tasks)


def _task(random: Random, index: int, kind: Kind, homes: list[str], sites: int) -> Task:
    # A project's data lie together; replicas may lie anywhere.
    home = random.choice(homes)
    inputs = tuple(_input(random, home, homes) for _ in range(random.choice([1, 1, 2, 2, 3])))
    size = sum(each.size for each in inputs)
    grows = (size / (6 * GB)) ** 0.4
    return Task(
        index=index,
        arrival=0.0,
        kind=kind,
        seconds=min(2 * 86400.0, max(10.0, kind.median * grows * log_normal(random, kind.spread))),
        inputs=inputs,
        output_zone=home,
        output_bytes=round(size * kind.output_share * log_normal(random, 0.3)),
        noise=Noise(
            log_normal(random, 0.35), tuple(log_normal(random, 0.5) for _ in range(sites)), log_normal(random, 0.35)
        ),
    )


def _input(random: Random, home: str, homes: list[str]) -> Input:
    size = round(min(500.0, 3.0 * log_normal(random, 1.1)) * GB)
    others = dict.fromkeys(random.choice(homes) for _ in range(random.choice([0, 0, 1, 2])))
    return Input(size, (home, *(zone for zone in others if zone != home)))


def _with_jobs(random: Random, site: Site, load: float, until: float) -> Site:
    """Give a site its own users' jobs, at the load that they put on it."""
    median, spread, widths = 1800.0, 0.9, (1, 2, 4, 8)
    mean_work = sum(widths) / len(widths) * median * math.exp(spread**2 / 2)
    jobs, arrival = [], -WARM_UP_SECONDS
    while (arrival := arrival + random.expovariate(load * site.cores / mean_work)) < until:
        jobs.append(Job(arrival, random.choice(widths), min(86400.0, median * log_normal(random, spread))))
    return replace(site, jobs=tuple(jobs))
