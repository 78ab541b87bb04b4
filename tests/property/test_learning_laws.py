"""Laws of what is learned."""

import json
import math
import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.config.planning import LearningSettings
from protes.learning import Model, Observation
from protes.learning.statistics import student
from tests.support.learning_samples import learned, seen
from tests.support.task_records import START, at

URLS = ("https://one.example", "https://two.example", "https://three.example")
SECONDS = st.one_of(st.none(), st.floats(0, 1e6), st.sampled_from([math.nan, math.inf, -1.0, 1e12, 0.0]))

OBSERVATIONS = st.builds(
    Observation,
    at=st.integers(0, 10**6).map(lambda second: START + timedelta(seconds=second)),
    instance_url=st.sampled_from(URLS),
    signature=st.sampled_from(("a", "b", "c")),
    bucket=st.sampled_from(("c1-r4", "c8-r64")),
    queue_seconds=SECONDS,
    run_seconds=SECONDS,
    output_bytes=st.one_of(st.none(), st.integers(-1, 2**70)),
    outcome=st.sampled_from(("complete", "complete", "executor_error", "system_error", "canceled")),
    predicted_wait=SECONDS,
    queued=st.integers(0, 2),
    id=st.integers(0, 3).map(str),
)
MANY = st.lists(OBSERVATIONS, max_size=60)


@given(MANY, st.randoms(use_true_random=False))
def test_the_order_does_not_matter_and_neither_does_a_repetition(
    all_seen: list[Observation], chance: random.Random
) -> None:
    again = [*all_seen, *chance.sample(all_seen, len(all_seen) // 2)]
    chance.shuffle(again)
    assert learned(*again).dump() == learned(*all_seen).dump()


@given(MANY)
def test_what_is_written_is_what_is_read(all_seen: list[Observation]) -> None:
    model = learned(*all_seen)
    read = Model(LearningSettings())
    read.load(json.loads(json.dumps(model.dump(), allow_nan=False)))
    assert read == model
    now = at(10**6)
    for url in URLS:
        assert read.speed(url, now, 2.0) == model.speed(url, now, 2.0)
        for load in ((3, 0), (3, 2)):
            assert read.queue(url, "c1-r4", now, load, None) == model.queue(url, "c1-r4", now, load, None)
    for signature in "abc":
        assert read.runtime(signature, now) == model.runtime(signature, now)


@given(MANY, st.integers(0, 10**9), st.integers(0, 10**6), st.one_of(st.none(), st.floats(0, 1e6)))
def test_figures_are_finite_ordered_and_not_negative(
    all_seen: list[Observation], seconds: int, in_flight: int, configured: float | None
) -> None:
    model, now = learned(*all_seen), at(seconds)
    for url in URLS:
        found = [
            model.speed(url, now, configured),
            model.failure_rate(url, now),
            model.throughput(url, now),
        ]
        for queued in (0, in_flight // 2, in_flight):
            wait = model.queue(url, "c1-r4", now, (in_flight, queued), configured)
            assert 0 <= wait.seconds < math.inf
            low, high = wait.interval or (0, math.inf)
            assert 0 <= low <= wait.seconds <= high
            assert wait.interval is None or high < math.inf
        for each in found:
            assert each is None or 0 <= each.low <= each.value <= each.high < math.inf
    for signature in "abc":
        runtime = model.runtime(signature, now)
        assert runtime is None or 0 < runtime.low <= runtime.value <= runtime.high < math.inf
        size = model.output_bytes(signature, now)
        assert size is None or size >= 0


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=48), st.floats(0, 1e5), st.floats(0, 100))
def test_a_shrunk_wait_lies_between_the_configured_and_the_seen(
    waits: list[float], configured: float, prior: float
) -> None:
    all_seen = [seen(n, queue_seconds=wait, run_seconds=None) for n, wait in enumerate(waits)]
    now = at(len(waits))
    model = learned(*all_seen, prior_observations=prior)
    shrunk = model.queue(URLS[0] + "/ga4gh/tes/v1", "c1-r4", now, (0, 0), configured).seconds
    low, high = min(configured, *waits), max(configured, *waits)
    assert low - 1e-6 * (low + 1) - 1e-3 <= shrunk <= high + 1e-6 * (high + 1) + 1e-3


@given(MANY, st.lists(st.integers(10**6, 10**8), min_size=2, max_size=6))
def test_observations_weigh_less_and_less(all_seen: list[Observation], moments: list[int]) -> None:
    model = learned(*all_seen)
    for url in URLS:
        counts = [model.queue(url, "c1-r4", at(second), (0, 0), 1.0).count for second in sorted(moments)]
        assert counts == sorted(counts, reverse=True)
        known = [model.throughput(url, at(second)) for second in sorted(moments)]
        rates = [found.value for found in known if found is not None]
        assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(rates))


@pytest.mark.parametrize("number", [4, 8, 16, 48])
@pytest.mark.parametrize("spread", [0.3, 0.6, 1.0])
def test_eighty_of_a_hundred_runs_lie_in_the_interval(number: int, spread: float) -> None:
    """Log-normal run times of kinds that differ, each predicted from `number` others of its kind."""
    chance = random.Random(7)
    all_seen, nexts = [], []
    for kind in range(400):
        length = chance.gauss(5, 1)
        for n in range(number):
            run = math.exp(chance.gauss(length, spread))
            all_seen.append(seen(kind * number + n, signature=f"k{kind}", run_seconds=run))
        nexts.append((f"k{kind}", math.exp(chance.gauss(length, spread))))
    model, now = learned(*all_seen), at(400 * number)
    found = [(model.runtime(kind, now), run) for kind, run in nexts]
    inside = [runtime.low <= run <= runtime.high for runtime, run in found if runtime is not None]
    assert len(inside) == 400
    assert sum(inside) / 400 == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("number", [20, 48, 300])
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_eighty_of_a_hundred_waits_lie_in_the_interval(number: int, spread: float) -> None:
    """Log-normal errors of predictions; with the wide spread many do not wait at all. The next one is like those."""
    chance = random.Random(number)

    def wait() -> float:
        return max(0.0, (250 + 30) * math.exp(chance.gauss(0.2, spread)) - 30)

    inside = 0
    for _ in range(400):
        model = learned(
            *(seen(n, predicted_wait=250.0, queued=1, queue_seconds=wait(), run_seconds=500.0) for n in range(number))
        )
        found = model.queue("https://other.example", "c1-r4", at(number), (5, 1), None)
        assert found.seconds == pytest.approx(250)
        assert found.interval is not None
        inside += found.interval[0] <= wait() <= found.interval[1]
    assert inside / 400 == pytest.approx(0.8, abs=0.05)


@given(MANY, st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))
def test_a_wait_grows_with_tasks_that_wait_and_never_with_those_that_run(
    all_seen: list[Observation], running: int, queued: int, more: int
) -> None:
    model, now = learned(*all_seen), at(10**6)
    for url in URLS:
        wait, crowded, wider = (
            model.queue(url, "c1-r4", now, load, None).seconds
            for load in (
                (running + queued, queued),
                (running + queued + more, queued + more),
                (running + queued + more, queued),
            )
        )
        assert wider <= wait <= crowded


@pytest.mark.parametrize(("freedom", "quantile"), [(2, 1.8856), (3, 1.6377), (5, 1.4759), (10, 1.3722), (30, 1.3104)])
def test_students_quantile(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, rel=0.005)
