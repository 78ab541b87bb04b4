"""Small worlds of tasks, data and instances for property tests: few values, so that ties and extremes are common."""

from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import strategies as st

from middleware import (
    Candidate,
    Context,
    DataObject,
    DistributionRequest,
    InputView,
    Network,
    OutputView,
    Preference,
    Prices,
    Replica,
    Resources,
    Route,
    TaskView,
)
from tests.support.middleware_samples import task

ZONES = ("a:1", "a:2", "b:1")
WEIGHTS = st.integers(0, 1_000_000) | st.sampled_from([0, 1, 499_999, 500_000, 500_001, 999_999, 1_000_000])
MONEY = st.sampled_from([Decimal(text) for text in ("0", "0.01", "0.05", "1", "2.5")]) | st.decimals(0, 3, places=4)
BANDWIDTHS = st.sampled_from([1e6, 5e6, 1e7, 3e7, 1e8])
SIZES = st.sampled_from([0, 1, 10**6, 10**9, 3 * 10**9, 10**10]) | st.integers(0, 10**11)
ZONE = st.sampled_from([*ZONES, None])


@dataclass(frozen=True)
class World:
    """What a choice is made of."""

    task: TaskView
    candidates: tuple[Candidate, ...]
    context: Context

    def request(self, **preference: object) -> DistributionRequest:
        """Ask with this preference."""
        wanted = replace(self.context.preference, **preference)  # type: ignore[arg-type]
        context = replace(self.context, preference=wanted)
        return DistributionRequest(task=self.task, candidates=self.candidates, context=context)


def routes() -> st.SearchStrategy[Route]:
    patterns = st.sampled_from([*ZONES, "a:*", "*", "A:1"])
    return st.builds(
        Route,
        source=patterns,
        target=patterns | st.just("="),
        egress_gb=st.none() | MONEY,
        request=st.none() | st.just(Decimal("0.0001")),
        bytes_per_second=st.none() | BANDWIDTHS,
        latency_seconds=st.none() | st.sampled_from([0.0, 0.5, 30.0]),
    )


def replicas() -> st.SearchStrategy[Replica]:
    return st.builds(
        Replica,
        url=st.sampled_from([f"s3://bucket/{number}" for number in range(9)]),
        zone=ZONE,
        instance=st.none() | st.just("https://i0.example"),
        available=st.sampled_from([True, True, True, False]),
    )


def candidates(most: int, staging: str | None = None) -> st.SearchStrategy[tuple[Candidate, ...]]:
    one = st.builds(
        Candidate,
        id=st.just(""),
        url=st.just(""),
        prices=st.builds(
            Prices,
            currency=st.just("EUR"),
            cpu_core_hour=MONEY,
            ram_gb_hour=MONEY,
            disk_gb_hour=MONEY,
            gpu_hour=MONEY,
            per_task=MONEY,
            ingress_gb=st.none() | MONEY,
            billing_quantum_seconds=st.none() | st.sampled_from([0, 60, 3600]),
            billing_minimum_seconds=st.none() | st.sampled_from([0, 600, 7200]),
            preemptible_factor=st.none() | st.just(Decimal("0.3")),
        ),
        speed=st.sampled_from([0.5, 1.0, 2.0, 1.5]),
        queue_seconds=st.sampled_from([0, 60, 3600]) | st.integers(0, 10**5),
        zone=ZONE,
        staging=st.sampled_from(["parallel", "sequential"]) if staging is None else st.just(staging),
        bills_staging=st.booleans(),
        ingress_bytes_per_second=st.none() | BANDWIDTHS,
        rework=st.none() | st.just(0.25),
    )
    return st.lists(one, min_size=1, max_size=most).map(
        lambda each: tuple(
            replace(one, id=f"i{number}", url=f"https://i{number}.example") for number, one in enumerate(each)
        )
    )


@st.composite
def worlds(draw: st.DrawFn, most_candidates: int = 3, most_inputs: int = 3, staging: str | None = None) -> World:
    """Draw a world in which all figures are known."""
    count = draw(st.integers(0, most_inputs))
    urls = [f"drs://data/{number}" for number in range(count)]
    objects = st.builds(DataObject, size_bytes=SIZES, replicas=st.lists(replicas(), max_size=3).map(tuple))
    data = {url: draw(objects) for url in urls}
    outputs = tuple(OutputView(path="/o", url=f"s3://out/{number}") for number in range(draw(st.integers(0, 2))))
    of = task(
        inputs=(
            *(InputView(path=f"/{number}", url=url) for number, url in enumerate(urls)),
            InputView(path="/c", content="words"),
            InputView(path="/f", url="file:///there"),
        ),
        outputs=outputs,
        resources=Resources(
            cpu_cores=draw(st.sampled_from([1.0, 2.5, 0.0])),
            ram_gb=draw(st.sampled_from([0.5, 4.0])),
            disk_gb=draw(st.sampled_from([0.0, 10.0])),
            preemptible=draw(st.booleans()),
            backend_parameters=draw(st.sampled_from([{}, {"gpu": "2"}])),
        ),
    )
    network = Network(
        routes=tuple(draw(st.lists(routes(), max_size=4))), latency_seconds=draw(st.sampled_from([0.0, 0.25]))
    )
    context = Context(
        seed="s",
        network=network,
        data=data,
        zones={each.url: zone for each in outputs if (zone := draw(ZONE)) is not None},
        output_bytes=draw(st.none() | SIZES),
        preference=Preference(runtime_seconds=draw(st.integers(1, 10**5))),
    )
    return World(of, draw(candidates(most_candidates, staging)), context)
