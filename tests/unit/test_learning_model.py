"""What finished tasks teach."""

import math
from typing import Any

import pytest

from protes.config.planning import LearningSettings
from protes.learning import Figure, Model, Observation, Wait
from tests.support.learning_samples import learned, seen
from tests.support.task_records import URL, at

OTHER = "https://two.example"
HALF_LIFE = LearningSettings().half_life_seconds


def figure(found: Figure | None) -> Figure:
    """Return a figure that must be there."""
    assert found is not None
    assert found.low <= found.value <= found.high
    return found


def test_nothing_is_known_at_first() -> None:
    model = learned()
    assert model.queue(URL, "c1-r4", at(0), (0, 0), 60.0) == Wait(
        seconds=60.0, interval=None, count=0, basis="configured"
    )
    assert model.queue(URL, "c1-r4", at(0), (0, 0), None) == Wait(seconds=0, interval=None, count=0, basis="default")
    assert model.speed(URL, at(0), 2.0) is None
    assert model.runtime("kind", at(0)) is None
    assert model.output_bytes("kind", at(0)) is None
    assert model.failure_rate(URL, at(0)) is None
    assert model.throughput(URL, at(0)) is None
    assert model.dump() == {}


def test_a_figure_that_is_not_configured_needs_a_few_observations() -> None:
    two, three = ([seen(n) for n in range(number)] for number in (2, 3))
    assert learned(*two).queue(URL, "c1-r4", at(9), (1, 0), None).basis == "default"
    assert learned(*two).runtime("kind", at(9)) is None
    assert learned(*two).output_bytes("kind", at(9)) is None
    wait = learned(*three).queue(URL, "c1-r4", at(9), (1, 0), None)
    assert wait.count == pytest.approx(3, rel=1e-3)
    assert wait.basis == "learned"
    assert 0 < wait.seconds < 10
    runtime = learned(*three).runtime("kind", at(9))
    assert runtime is not None
    assert runtime.value == pytest.approx(100)
    assert learned(*three).output_bytes("kind", at(9)) == 1000


def test_what_is_older_than_two_half_lives_is_not_enough() -> None:
    model = learned(*(seen(n) for n in range(3)))
    assert model.runtime("kind", at(1.9 * HALF_LIFE)) is not None
    assert model.runtime("kind", at(2.1 * HALF_LIFE)) is None
    assert model.queue(URL, "c1-r4", at(1.9 * HALF_LIFE), (1, 0), None).seconds > 0
    assert model.queue(URL, "c1-r4", at(2.1 * HALF_LIFE), (1, 0), None).seconds == 0


def test_a_configured_wait_gives_way_to_what_is_seen() -> None:
    values = [learned(*(seen(n, queue_seconds=999.0, run_seconds=None) for n in range(number))).queue(
        URL, "c1-r4", at(50), (0, 0), 9.0).seconds for number in (1, 5, 40)]  # fmt: skip
    assert 9 < values[0] < values[1] < values[2] < 999
    # Five observations weigh as much as the configured figure: the middle by ratio.
    assert values[1] == pytest.approx(math.sqrt(10 * 1000) - 1, rel=1e-3)


def test_waits_are_those_of_the_same_class_of_resources() -> None:
    model = learned(*(seen(n, bucket=f"c{1 + n % 2}", queue_seconds=10.0 ** (1 + n % 2)) for n in range(20)))
    assert 3 < model.queue(URL, "c1", at(20), (2, 0), None).seconds < 10
    assert 20 < model.queue(URL, "c2", at(20), (2, 0), None).seconds < 100
    assert model.queue(URL, "c4", at(20), (2, 0), None).basis == "default"


def test_what_was_wrong_is_not_taken_for_a_figure() -> None:
    odd = (math.nan, math.inf, -math.inf, -1.0, 1e9)
    model = learned(*(seen(n, queue_seconds=each, run_seconds=each, output_bytes=-1) for n, each in enumerate(odd)))
    assert model.queue(URL, "c1-r4", at(9), (1, 0), 5.0).basis == "configured"
    assert model.runtime("kind", at(9)) is None
    assert model.output_bytes("kind", at(9)) is None
    assert figure(model.failure_rate(URL, at(9))).value == 0


@pytest.mark.parametrize("outcome", ["executor_error", "system_error", "canceled"])
def test_only_complete_runs_count_as_run_times(outcome: Any) -> None:
    model = learned(*(seen(n, outcome=outcome) for n in range(9)))
    assert model.runtime("kind", at(9)) is None
    assert model.speed(URL, at(9), 1.0) is None
    wait = model.queue(URL, "c1-r4", at(9), (1, 0), None)
    assert (wait.basis == "learned") == (outcome == "executor_error")


def test_only_errors_of_the_system_are_the_instances_fault() -> None:
    ends = ["complete", "executor_error", "canceled", "system_error"] * 10
    model = learned(*(seen(n, outcome=each) for n, each in enumerate(ends)))
    assert figure(model.failure_rate(URL, at(40))).value == pytest.approx(10 / (30 + 5), rel=1e-3)
    assert figure(learned(*(seen(n, outcome="system_error") for n in range(99)), prior_observations=0).failure_rate(
        URL, at(99))).value < 1  # fmt: skip


def test_speeds_and_lengths_are_told_apart() -> None:
    """One instance is twice as fast; long tasks went to it, short ones to the other, some to both."""
    runs = [(URL, "long", 500.0), (OTHER, "long", 1000.0), (URL, "short", 5.0), (OTHER, "short", 10.0)]
    all_seen = [
        seen(n, instance_url=runs[n % 4][0], signature=runs[n % 4][1], run_seconds=runs[n % 4][2]) for n in range(200)
    ]
    model = learned(*all_seen, *(seen(300 + n, signature="here only", run_seconds=77.0) for n in range(20)))
    fast, slow = (figure(model.speed(url, at(400), None)).value for url in (URL, OTHER))
    assert fast / slow == pytest.approx(2, rel=0.1)
    assert fast * slow == pytest.approx(1, rel=0.1)
    runtime = model.runtime("long", at(400))
    assert runtime is not None
    assert runtime.value / fast == pytest.approx(500, rel=0.1)


def test_a_kind_seen_at_one_instance_only_says_nothing_of_its_speed() -> None:
    assert learned(*(seen(n) for n in range(50))).speed(URL, at(50), 3.0) is None


def test_configured_speeds_are_what_is_believed_first() -> None:
    model = Model(LearningSettings())
    for n in range(4):
        model.observe(seen(n, instance_url=OTHER, run_seconds=100.0), 1.0)
        model.observe(seen(n, run_seconds=100.0), 4.0)
    speed = figure(model.speed(URL, at(9), 4.0)).value
    assert 1.5 < speed < 4


def test_one_more_task_starts_after_those_of_ours_that_wait() -> None:
    model = learned(*(seen(50.0 * n, queue_seconds=0.0, run_seconds=120.0) for n in range(60)))
    for (in_flight, queued), expected in {(0, 0): 0, (40, 0): 0, (1, 1): 240, (2, 2): 360, (6, 2): 90}.items():
        wait = model.queue(URL, "c1-r4", at(3000), (in_flight, queued), None)
        assert wait.seconds == pytest.approx(expected)
        assert wait.basis == "learned"


def test_what_it_takes_to_start_is_there_even_where_none_of_ours_waits() -> None:
    """Booting a machine takes a minute; what is more was other tasks' doing, which says nothing of now."""
    waits = [60.0 if n % 2 else 3600.0 for n in range(48)]
    model = learned(*(seen(50.0 * n, queue_seconds=wait, run_seconds=100.0) for n, wait in enumerate(waits)))
    assert 30 < model.queue(URL, "c1-r4", at(3000), (5, 0), None).seconds <= 60
    assert 230 < model.queue(URL, "c1-r4", at(3000), (2, 1), None).seconds <= 260


def test_an_instance_never_tried_is_as_good_as_an_idle_one() -> None:
    model = learned(*(seen(n, queue_seconds=3600.0, run_seconds=100.0) for n in range(20)))
    assert model.queue(OTHER, "c1-r4", at(20), (0, 0), None).seconds == 0
    # Until one of ours waits there: then it counts as it would at those that are known.
    waiting = model.queue(OTHER, "c1-r4", at(20), (1, 1), 7.0)
    assert waiting.seconds == pytest.approx(207)
    assert waiting.basis == "learned"
    assert Model(LearningSettings()).queue(OTHER, "c1-r4", at(20), (1, 1), 7.0).basis == "default"


def test_tasks_run_for_as_long_as_they_did_there() -> None:
    """Half as long there as elsewhere: with few tasks seen the wait lies between."""
    waits = []
    for number in (0, 5, 100):
        elsewhere = (seen(n, instance_url=OTHER, run_seconds=1000.0) for n in range(100))
        model = learned(*elsewhere, *(seen(n, queue_seconds=0.0, run_seconds=10.0) for n in range(number)))
        waits.append(model.queue(URL, "c1-r4", at(100), (1, 1), None).seconds)
    assert waits[0] == pytest.approx(2000)
    assert 600 < waits[1] < 1800
    assert 20 < waits[2] < 120


def predicted(number: int, error: float, **values: Any) -> list[Observation]:
    """Make observations whose waits were `error` times as long as predicted, one in ten of them three times that."""
    return [
        seen(
            n,
            predicted_wait=float(100 * n),
            queue_seconds=(100 * n + 30) * error * (3 if n % 10 == 5 else 1) - 30,
            **values,
        )
        for n in range(number)
    ]


def test_an_interval_is_what_predictions_have_been_off_by() -> None:
    model = learned(*predicted(100, 2.0, queued=1, run_seconds=100.0))
    wait = model.queue(OTHER, "c1-r4", at(100), (1, 1), None)
    assert wait.interval is not None
    low, high = wait.interval
    assert low == wait.seconds  # the predicted wait lies in it, though all were longer
    assert 2 * (wait.seconds + 30) <= high + 30 <= 6 * (wait.seconds + 30) + 1e-6


def test_errors_are_apart_where_none_of_ours_waited() -> None:
    model = learned(*predicted(100, 2.0, queued=1))
    assert model.queue(URL, "c1-r4", at(100), (1, 0), None).interval is None
    assert model.queue(URL, "c1-r4", at(100), (1, 1), None).interval is not None


def test_few_predictions_tell_no_interval() -> None:
    for number, enough in ((8, False), (10, True)):
        model = learned(*predicted(number, 1.0))
        assert (model.queue(URL, "c1-r4", at(9), (0, 0), 5.0).interval is not None) == enough


def test_a_wait_that_was_not_predicted_or_not_seen_is_no_error() -> None:
    odd: list[dict[str, Any]] = [{"predicted_wait": each} for each in (None, math.nan, -1.0, math.inf)]
    odd += [{"predicted_wait": 1.0, "queue_seconds": None}, {"predicted_wait": 1.0, "outcome": "canceled"}]
    model = learned(*(seen(n, **odd[n % len(odd)]) for n in range(60)))
    assert "w/errors" not in model.dump()
    assert model.queue(URL, "c1-r4", at(60), (0, 0), None).interval is None


def test_errors_are_forgotten_like_all_else() -> None:
    model = learned(*predicted(20, 1.0))
    model.prune(at(9 * HALF_LIFE))
    assert "w/errors" in model.dump()
    model.prune(at(11 * HALF_LIFE))
    assert model.dump() == {}
    assert dict(model.shards(model.take_changed()))["w/errors"] == {}


def test_throughput() -> None:
    found = figure(learned(*(seen(10.0 * n) for n in range(50))).throughput(URL, at(490)))
    assert found.value == pytest.approx(0.1, rel=0.01)
    assert figure(learned(*(seen(10.0 * n) for n in range(50))).throughput(URL, at(4900))).value < 0.02


def test_windows_are_bounded() -> None:
    model = Model(LearningSettings(keep_signatures=50))
    for n in range(3000):
        model.observe(seen(n, signature=f"k{n % 300}", bucket=f"b{n % 40}", instance_url=f"u{n % 3}"))
    sizes = [len(value["runs"]) for key, value in model.dump().items() if key.startswith("i/")]
    kinds = [name for key, value in model.dump().items() if key.startswith("k/") for name in value]
    assert max(sizes) <= 128
    assert len(kinds) <= 50
    assert "k299" in kinds
    assert all(len(value["waits"]) <= 16 for key, value in model.dump().items() if key.startswith("i/"))


def test_what_is_not_seen_for_ten_half_lives_is_forgotten() -> None:
    model = learned(seen(0), seen(HALF_LIFE, instance_url=OTHER, signature="other"))
    model.prune(at(9.9 * HALF_LIFE))
    assert model.instance(URL) is not None
    model.take_changed()
    model.prune(at(10.1 * HALF_LIFE))
    assert model.instance(URL) is None
    assert model.instance(OTHER) is not None
    gone = dict(model.shards(model.take_changed()))
    assert list(gone.values()) == [{}, {}]
    assert sorted(key[0] for key in model.dump()) == ["i", "k"]
    other = learned(seen(0), seen(HALF_LIFE, instance_url=OTHER, signature="other"))
    other.load(gone)
    assert {**other.dump()}.keys() == model.dump().keys()


def test_tasks_that_end_at_the_same_moment_are_all_counted() -> None:
    model = learned(*(seen(0, id=str(n)) for n in range(50)))
    assert model.queue(URL, "c1-r4", at(0), (0, 0), None).count == pytest.approx(48)
