"""Figures of ranking: `python -m tests.bench.ranking`. Everything is made up from a seed; no server is needed.

Time is measured without and memory with `tracemalloc`, in separate runs, since tracing slows everything.
"""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Literal

from middleware import (
    Candidate,
    Chain,
    Context,
    DataObject,
    DistributionRequest,
    ExecutorView,
    InputView,
    Limits,
    Network,
    Preference,
    Prices,
    Replica,
    Resources,
    Route,
    StepSpec,
    TaskView,
    build_chain,
)

ZONES = tuple(f"cloud:region-{number}" for number in range(30))
CHAIN = ("feasible", "client_choice", "access", "cost_runtime")
SIZES = (5, 100, 1000)


def main() -> None:
    """Measure and print."""
    ranker = build_chain([StepSpec("cost_runtime")])
    print(f"{'ranking (instances x inputs x replicas)':<48}{'p50 ms':>9}{'p99 ms':>9}{'peak MB':>9}")
    for label, shape, groups, staging, aim in (
        ("20 x 9 x 3 (aim 2 ms)", (20, 9, 3), 9, "parallel", 100),
        ("20 x 9 x 3, sequential staging", (20, 9, 3), 9, "sequential", 100),
        ("1000 x 100 x 5, few groups (aim 100 ms)", (1000, 100, 5), 4, "parallel", 20),
        ("1000 x 100 x 5, many groups (aim 400 ms)", (1000, 100, 5), 100, "parallel", 10),
        ("1000 x 100 x 5, many groups, sequential", (1000, 100, 5), 100, "sequential", 10),
    ):
        instances, inputs, replicas = shape
        request = ranking_request(
            instances, inputs, replicas, groups, "sequential" if staging == "sequential" else "parallel"
        )
        row(label, ranker, request, aim)
    chain = build_chain([StepSpec(name) for name in CHAIN])
    print(f"\nwhole chain ({', '.join(CHAIN)}), per task with 3 inputs (aim at 1000: p99 20 ms)")
    for size in SIZES:
        row(f"{size} candidates", chain, ranking_request(size, 3, 2, 3, "parallel"), 200)
    print("and of a task without inputs")
    for size in SIZES:
        row(f"{size} candidates", chain, ranking_request(size, 0, 0, 1, "parallel"), 200)


def row(label: str, chain: Chain, request: DistributionRequest, times: int) -> None:
    """Measure one case and print its line."""
    taken = durations(lambda: chain.distribute(request), times)
    p50, p99 = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    print(f"{label:<48}{p50 * 1000:>9.2f}{p99 * 1000:>9.2f}{peak_megabytes(chain, request):>9.2f}", flush=True)


def durations(work: Callable[[], object], times: int) -> list[float]:
    """Return how long each run takes, ascending, after a warm-up."""
    for _ in range(3):
        work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return sorted(taken)


def peak_megabytes(chain: Chain, request: DistributionRequest) -> float:
    """Return the most memory that one run has at once, beyond what was there, MB."""
    tracemalloc.start()
    try:
        chain.distribute(request)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def ranking_request(
    instances: int, inputs: int, replicas: int, groups: int, staging: Literal["parallel", "sequential"]
) -> DistributionRequest:
    """Make up a task and its candidates, in thirty zones, with all figures different."""
    random = Random(20)
    network = Network(routes=tuple(_routes(random)))
    groups_zones = [random.sample(ZONES, replicas) for _ in range(groups)]
    data = {}
    for number in range(inputs):
        zones = groups_zones[number % groups]
        places = tuple(Replica(url=f"s3://bucket-{zone}/{number}", zone=zone) for zone in zones)
        data[f"drs://data.example/{number}"] = DataObject(size_bytes=random.randrange(10**6, 10**11), replicas=places)
    task = TaskView(
        id="task",
        executors=(ExecutorView(image="alpine", command=("true",)),),
        inputs=tuple(InputView(path=f"/in/{number}", url=url) for number, url in enumerate(data)),
        resources=Resources(cpu_cores=4, ram_gb=16, disk_gb=100),
    )
    context = Context(seed="task", network=network, data=data, preference=Preference(weight_millionths=400_000))
    candidates = tuple(replace(_candidate(number, random), staging=staging) for number in range(instances))
    return DistributionRequest(task=task, candidates=candidates, context=context)


def _routes(random: Random) -> list[Route]:
    return [
        Route(
            source=source,
            target=target,
            egress_gb=Decimal(random.randrange(20, 200)) / 1000,
            bytes_per_second=random.randrange(10**6, 10**9),
            latency_seconds=random.randrange(10, 300) / 1000,
        )
        for source in ZONES
        for target in ZONES
        if source != target and random.random() < 0.3
    ]


def _candidate(number: int, random: Random) -> Candidate:
    return Candidate(
        id=f"instance-{number:04d}",
        url=f"https://instance-{number:04d}.example/ga4gh/tes/v1",
        limits=Limits(max_cpu_cores=64, max_ram_gb=512, max_disk_gb=10_000),
        prices=Prices(
            currency="EUR",
            cpu_core_hour=Decimal(random.randrange(10, 90)) / 1000,
            ram_gb_hour=Decimal(random.randrange(1, 12)) / 1000,
            disk_gb_hour=Decimal(random.randrange(1, 50)) / 100_000,
            per_task=Decimal(random.randrange(0, 10)) / 1000,
        ),
        speed=random.randrange(50, 300) / 100,
        queue_seconds=float(random.randrange(0, 3600)),
        zone=random.choice(ZONES),
        ingress_bytes_per_second=float(random.randrange(10**7, 10**9)),
        in_flight=random.randrange(0, 5),
        max_in_flight=100,
    )


if __name__ == "__main__":
    main()
