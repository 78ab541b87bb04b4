"""Passive health: who is left out, for how long, and that only changes are written."""

from datetime import timedelta

import pytest

from protes.clock import ManualClock
from protes.federation.health import BASE_EJECTION, CONSECUTIVE_FAILURES, MAX_EJECTION, Health
from protes.store.memory import MemoryRecords
from protes.tes.errors import ConnectionLost, DownstreamError, Refused, ServerFault, TaskMissing, Throttled, Unreachable

URL = "https://a.example.org/ga4gh/tes/v1"


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="health")
def _health(clock: ManualClock) -> Health:
    return Health(MemoryRecords(), clock)


def test_what_cannot_be_reached_is_left_out_at_once_and_let_in_again(health: Health, clock: ManualClock) -> None:
    health.failed(URL, Unreachable("refused"))
    [ejection] = health.ejections().values()
    assert ejection.until == clock.now() + BASE_EJECTION
    assert ejection.reason == "refused"
    clock.advance(BASE_EJECTION.total_seconds())
    assert health.ejections() == {}


@pytest.mark.parametrize("error", [ServerFault(500), ConnectionLost("reset")])
def test_other_failures_count_only_in_a_row(health: Health, error: DownstreamError) -> None:
    for _ in range(CONSECUTIVE_FAILURES - 1):
        health.failed(URL, error)
    health.succeeded(URL)
    for _ in range(CONSECUTIVE_FAILURES - 1):
        health.failed(URL, error)
    assert health.ejections() == {}
    health.failed(URL, error)
    assert list(health.ejections()) == [URL]


@pytest.mark.parametrize("answer", [Refused(400), Refused(403), TaskMissing()])
def test_an_answer_that_refuses_is_no_failure_of_the_instance(health: Health, answer: DownstreamError) -> None:
    for _ in range(CONSECUTIVE_FAILURES - 1):
        health.failed(URL, ServerFault(500))
    health.failed(URL, answer)
    health.failed(URL, ServerFault(500))
    assert health.ejections() == {}


def test_each_ejection_in_a_row_lasts_longer_up_to_a_bound_and_peace_is_forgiven(
    health: Health, clock: ManualClock
) -> None:
    lasting = []
    for _ in range(8):
        health.failed(URL, Unreachable("refused"))
        [ejection] = health.ejections().values()
        lasting.append(ejection.until - clock.now())
        clock.advance(lasting[-1].total_seconds() + 1)
    assert lasting[:3] == [BASE_EJECTION, BASE_EJECTION * 2, BASE_EJECTION * 4]
    assert lasting[-1] == MAX_EJECTION
    clock.advance(3600)
    health.failed(URL, Unreachable("refused"))
    [ejection] = health.ejections().values()
    assert ejection.until - clock.now() == BASE_EJECTION


@pytest.mark.parametrize(("asked", "given"), [(17, 17), (None, 1), (1e12, 3600)])
def test_retry_after_is_obeyed_within_reason(
    health: Health, clock: ManualClock, asked: float | None, given: float
) -> None:
    health.failed(URL, Throttled("slow down", retry_after=asked))
    [ejection] = health.ejections().values()
    assert ejection.until - clock.now() == timedelta(seconds=given)


def test_other_processes_see_it(clock: ManualClock) -> None:
    records = MemoryRecords()
    Health(records, clock).failed(URL, Unreachable("refused"))
    assert list(Health(records, clock).ejections()) == [URL]
