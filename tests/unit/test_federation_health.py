"""Passive health: who is left out, for how long, what is learned, and that only changes are written."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from protes.clock import ManualClock
from protes.config.federation import HealthSettings
from protes.federation.health import Health
from protes.federation.known import Ejection, InstanceHealth
from protes.store.memory import MemoryRecords
from protes.store.protocols import Conflict, Stored, StoreUnavailable
from protes.tes.credentials import CallerCredentials
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    NotSent,
    Refused,
    ServerFault,
    TaskMissing,
    Throttled,
    TimedOut,
    Unreachable,
)
from protes.tes.transport import Transport
from tests.support.behaviours import answer_json
from tests.support.scripted_server import ScriptedServer
from tests.support.waiting import at_once

URL = "https://a.example.org/ga4gh/tes/v1"
SETTINGS = HealthSettings()
BASE = SETTINGS.base_ejection_seconds
LONGEST = SETTINGS.max_ejection_seconds


class CountingRecords(MemoryRecords):
    """Records that count how often they are asked, and fail or lose races where the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.puts = 0
        self.down = False
        self.races: list[tuple[str, Mapping[str, Any]]] = []

    def get(self, kind: str, key: str, now: datetime) -> Stored | None:
        """Count, fail where the store is down."""
        self.gets += 1
        if self.down:
            raise StoreUnavailable("the disk is full")
        return super().get(kind, key, now)

    def put(
        self,
        kind: str,
        key: str,
        value: Mapping[str, Any],
        now: datetime,
        *,
        expected_version: int | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        """Count, and let somebody else write first where a race is due."""
        self.puts += 1
        assert expected_version is not None
        assert expires_at is not None
        if self.races:
            super().put(kind, *self.races.pop(), now, expires_at=expires_at)
        return super().put(kind, key, value, now, expected_version=expected_version, expires_at=expires_at)


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="records")
def _records() -> CountingRecords:
    return CountingRecords()


@pytest.fixture(name="health")
def _health(records: CountingRecords, clock: ManualClock) -> Health:
    return Health(SETTINGS, records, clock)


def fail(health: Health, error: DownstreamError, times: int = 1) -> None:
    """Let an instance fail a few times."""
    for _ in range(times):
        health.failed(URL, error)


def ejection(health: Health) -> Ejection:
    """Return the one ejection there is."""
    [found] = health.ejections().values()
    return found


def lasting(health: Health, clock: ManualClock) -> float:
    """Return the seconds that the one ejection lasts from now."""
    return (ejection(health).until - clock.now()).total_seconds()


def test_what_cannot_be_reached_is_left_out_at_once_and_let_in_again(health: Health, clock: ManualClock) -> None:
    fail(health, Unreachable("refused"))
    since = clock.now()
    assert ejection(health) == Ejection(since + timedelta(seconds=BASE), 1, "refused", "unreachable", since)
    clock.advance(BASE)
    assert health.ejections() == {}
    # Nothing has answered since: what a probe finds decides (`protes.federation.viewing`).
    assert health.states() == {URL: InstanceHealth(local_origin_failures=1, out_of_reach_since=since)}
    health.succeeded(URL, reading=True)
    assert health.states() == {}


@pytest.mark.parametrize(
    "error", [ServerFault(500), ConnectionLost("reset"), BadAnswer("not JSON"), TimedOut("no answer in time")]
)
def test_gateway_failures_count_only_in_a_row(health: Health, error: DownstreamError) -> None:
    fail(health, error, 2)
    assert health.states() == {URL: InstanceHealth(gateway_failures=2)}
    health.succeeded(URL)
    assert health.states() == {}
    fail(health, error, 2)
    assert health.ejections() == {}
    fail(health, error)
    assert (ejection(health).kind, ejection(health).times) == ("failing", 1)


def test_the_thresholds_are_settings(records: CountingRecords, clock: ManualClock) -> None:
    settings = HealthSettings(consecutive_local_origin_failures=2, consecutive_gateway_failures=1)
    health = Health(settings, records, clock)
    fail(health, Unreachable("refused"))
    assert health.ejections() == {}
    fail(health, ServerFault(500))
    assert ejection(health).kind == "failing"


def test_a_connection_that_came_about_ends_the_row_of_those_that_did_not(
    records: CountingRecords, clock: ManualClock
) -> None:
    health = Health(HealthSettings(consecutive_local_origin_failures=2), records, clock)
    fail(health, Unreachable("refused"))
    fail(health, ServerFault(500))
    fail(health, Unreachable("refused"))
    assert health.states() == {URL: InstanceHealth(gateway_failures=1, local_origin_failures=1)}


@pytest.mark.parametrize("answer", [Refused(400), Refused(403), TaskMissing()])
def test_an_answer_that_refuses_is_no_failure_of_the_instance(health: Health, answer: DownstreamError) -> None:
    fail(health, ServerFault(500), 2)
    fail(health, answer)
    fail(health, ServerFault(500))
    assert health.ejections() == {}
    assert health.heard(URL) is not None


def test_what_was_never_sent_says_nothing(health: Health, records: CountingRecords) -> None:
    fail(health, NotSent("too late"), 5)
    assert (records.gets, records.puts, health.states()) == (0, 0, {})
    assert health.heard(URL) is None
    assert health.proven(URL)


def test_what_a_caller_s_token_brings_about_is_not_the_instance_s_failure(health: Health) -> None:
    with ScriptedServer() as server:
        server.on("*", "*", answer_json({}, status=500))
        with Transport(server.url) as transport:
            errors = []
            for client in (transport.showing(CallerCredentials(SecretStr("Bearer of-somebody"))), transport):
                with pytest.raises(ServerFault) as failed:
                    client.get("/tasks")
                errors.append(failed.value)
    of_caller, own = errors
    fail(health, of_caller, 20)
    assert health.ejections() == {}
    fail(health, own, 20)
    assert health.ejections().keys() == {URL}


def test_submissions_that_fail_are_not_made_good_by_lists_that_answer(health: Health) -> None:
    for _ in range(2):
        fail(health, ServerFault(500))
        health.succeeded(URL, reading=True)
        assert not health.proven(URL)
    assert health.states() == {URL: InstanceHealth(gateway_failures=2)}
    fail(health, ServerFault(500))
    assert ejection(health).kind == "failing"


def test_lists_that_fail_are_made_good_by_any_answer(health: Health) -> None:
    for answer in ({"reading": True}, {"reading": False}):
        health.failed(URL, ServerFault(500), reading=True)
        health.failed(URL, ServerFault(500), reading=True)
        health.succeeded(URL, **answer)
        assert health.states() == {}


def test_each_ejection_in_a_row_lasts_longer_up_to_a_bound(health: Health, clock: ManualClock) -> None:
    seconds = []
    for _ in range(8):
        fail(health, Unreachable("refused"))
        seconds.append(lasting(health, clock))
        clock.advance(seconds[-1] + 1)
    assert seconds == [2, 4, 8, 16, 32, 60, 60, 60]


def test_each_minute_in_peace_takes_one_off_the_next_ejection(health: Health, clock: ManualClock) -> None:
    for _ in range(4):
        fail(health, Unreachable("refused"))
        clock.advance(lasting(health, clock))
    clock.advance(2 * 60)
    fail(health, Unreachable("refused"))
    assert (ejection(health).times, lasting(health, clock)) == (3, 8)
    clock.advance(3600)
    fail(health, Unreachable("refused"))
    assert (ejection(health).times, lasting(health, clock)) == (1, BASE)


def test_while_it_is_left_out_failures_are_not_counted_and_make_it_no_longer(
    health: Health, clock: ManualClock, records: CountingRecords
) -> None:
    fail(health, ServerFault(500), 3)
    before, puts = health.states(), records.puts
    clock.advance(1)
    fail(health, ServerFault(500), 5)
    assert (health.states(), records.puts) == (before, puts)


def test_after_its_ejection_one_failure_more_is_enough(health: Health, clock: ManualClock) -> None:
    fail(health, ServerFault(500), 3)
    clock.advance(BASE)
    assert not health.proven(URL)
    fail(health, ServerFault(500))
    assert (ejection(health).times, lasting(health, clock)) == (2, 2 * BASE)


def test_a_failing_one_that_nothing_connects_to_any_more_is_unreachable(health: Health, clock: ManualClock) -> None:
    fail(health, ServerFault(500), 3)
    until = ejection(health).until
    clock.advance(1)
    fail(health, Unreachable("refused"))
    assert ejection(health) == Ejection(until, 1, "refused", "unreachable", clock.now())


@pytest.mark.parametrize("error", [Throttled("429", retry_after=17), ServerFault(503, retry_after=17)])
def test_retry_after_is_obeyed_exactly(health: Health, clock: ManualClock, error: DownstreamError) -> None:
    fail(health, error)
    assert (ejection(health).kind, lasting(health, clock)) == ("asked", 17)
    clock.advance(16.9)
    assert list(health.ejections()) == [URL]
    clock.advance(0.2)
    assert health.ejections() == {}


def test_retry_after_is_obeyed_for_an_hour_at_most(health: Health, clock: ManualClock) -> None:
    fail(health, Throttled("429", retry_after=1e12))
    assert lasting(health, clock) == 3600
    clock.advance(3599)
    assert lasting(health, clock) == 1


@pytest.mark.parametrize("retry_after", [None, 0.0])
def test_429_that_asks_for_nothing_is_left_in_peace_longer_each_time(
    health: Health, clock: ManualClock, retry_after: float | None
) -> None:
    for expected in (BASE, 2 * BASE, 4 * BASE):
        fail(health, Throttled("429", retry_after=retry_after))
        assert (ejection(health).kind, lasting(health, clock)) == ("asked", expected)
        clock.advance(expected)


def test_a_pause_that_was_asked_for_is_no_ejection_in_a_row(health: Health, clock: ManualClock) -> None:
    for _ in range(3):
        fail(health, Throttled("429", retry_after=5))
        assert lasting(health, clock) == 5
        clock.advance(5)
    fail(health, Unreachable("refused"))
    assert (ejection(health).times, lasting(health, clock)) == (1, BASE)


@pytest.mark.parametrize(("asked", "lasts"), [(30, 30), (1, 2)])
def test_the_longer_of_a_pause_and_an_ejection_counts_and_it_is_never_let_in_early(
    health: Health, clock: ManualClock, asked: float, lasts: float
) -> None:
    fail(health, ServerFault(500), 3)
    since = ejection(health).since
    fail(health, Throttled("429", retry_after=asked))
    assert (ejection(health).kind, lasting(health, clock), ejection(health).since) == ("asked", lasts, since)
    fail(health, Unreachable("refused"))
    assert (ejection(health).kind, lasting(health, clock)) == ("asked", lasts)


def test_other_workers_see_it_and_count_on(records: CountingRecords, clock: ManualClock) -> None:
    one, other = Health(SETTINGS, records, clock), Health(SETTINGS, records, clock)
    fail(one, ServerFault(500), 2)
    assert (one.proven(URL), other.proven(URL)) == (False, True)
    assert other.states() == {URL: InstanceHealth(gateway_failures=2)}
    assert not other.proven(URL)
    fail(other, ServerFault(500))
    assert list(one.ejections()) == list(other.ejections()) == [URL]
    clock.advance(BASE)
    other.succeeded(URL)
    assert one.states() == {}
    assert (one.proven(URL), other.proven(URL)) == (False, True)


def test_what_one_worker_counted_another_ends(records: CountingRecords, clock: ManualClock) -> None:
    one, other = Health(SETTINGS, records, clock), Health(SETTINGS, records, clock)
    fail(one, ServerFault(500), 2)
    other.states()
    other.succeeded(URL)
    assert other.states() == {}
    fail(one, ServerFault(500), 2)
    assert one.ejections() == {}


def test_a_healthy_instance_costs_the_store_nothing(health: Health, records: CountingRecords) -> None:
    health.states()
    for _ in range(100):
        health.succeeded(URL, in_flight=7)
        health.succeeded(URL, reading=True)
        health.failed(URL, Refused(404))
    assert (records.gets, records.puts) == (0, 0)


def test_one_that_was_ill_costs_the_store_nothing_more_once_it_is_well(
    health: Health, records: CountingRecords, clock: ManualClock
) -> None:
    fail(health, ServerFault(500), 3)
    clock.advance(BASE)
    health.succeeded(URL)
    gets, puts = records.gets, records.puts
    health.states()
    for _ in range(100):
        health.succeeded(URL)
    assert (records.gets, records.puts) == (gets, puts)


def test_a_note_that_meets_another_is_made_after_it(
    health: Health, records: CountingRecords, clock: ManualClock
) -> None:
    other = MemoryRecords()
    fail(Health(SETTINGS, other, clock), ServerFault(500), 2)
    [theirs] = other.scan("health", "", clock.now())
    records.races.append((URL, theirs.value))
    fail(health, ServerFault(500))
    assert ejection(health).kind == "failing"


def test_a_note_that_meets_others_again_and_again_is_given_up(
    health: Health, records: CountingRecords, clock: ManualClock
) -> None:
    other = MemoryRecords()
    fail(Health(SETTINGS, other, clock), ServerFault(500))
    [theirs] = other.scan("health", "", clock.now())
    records.races.extend([(URL, theirs.value)] * 100)
    fail(health, ServerFault(500))
    assert 0 < len(records.races) < 100
    assert health.states() == {URL: InstanceHealth(gateway_failures=1)}


def test_no_failure_of_many_threads_is_lost(clock: ManualClock) -> None:
    records = MemoryRecords()
    settings = HealthSettings(consecutive_gateway_failures=1000)
    health = Health(settings, records, clock)
    assert at_once([lambda: fail(health, ServerFault(500), 5)] * 16) == [None] * 16
    assert health.states() == {URL: InstanceHealth(gateway_failures=80)}


def test_a_store_that_fails_is_said_once_and_harms_no_caller(
    health: Health, records: CountingRecords, caplog: pytest.LogCaptureFixture
) -> None:
    records.down = True
    fail(health, ServerFault(500), 3)
    assert not health.proven(URL)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    records.down = False
    fail(health, ServerFault(500))
    records.down = True
    fail(health, ServerFault(500))
    assert len(caplog.records) == 2


def test_a_conflict_is_no_failure_of_the_store(caplog: pytest.LogCaptureFixture) -> None:
    class AlwaysLate(CountingRecords):
        def put(self, *args: object, **kwargs: object) -> int:
            raise Conflict("late")

    late = Health(SETTINGS, AlwaysLate(), ManualClock())
    fail(late, ServerFault(500))
    assert caplog.records == []


def limits(health: Health) -> Sequence[int | None]:
    """Return the learned limits."""
    return [state.limit for state in health.states().values()]


@pytest.mark.parametrize("error", [Throttled("429"), ServerFault(503, retry_after=3)])
@pytest.mark.parametrize(("in_flight", "limit"), [(0, 1), (1, 1), (2, 1), (10, 9), (101, 90)])
def test_a_limit_is_learned_from_what_was_there_when_more_was_refused(
    health: Health, error: DownstreamError, in_flight: int, limit: int
) -> None:
    health.failed(URL, error, in_flight)
    assert limits(health) == [limit]


@pytest.mark.parametrize("error", [ServerFault(503), ServerFault(500, retry_after=3), Unreachable("refused")])
def test_other_failures_teach_no_limit(health: Health, error: DownstreamError) -> None:
    health.failed(URL, error, 10)
    assert limits(health) == [None]


def test_a_refused_look_teaches_no_limit(health: Health) -> None:
    health.failed(URL, Throttled("429"), reading=True)
    assert limits(health) == [None]


def test_no_limit_is_learned_or_obeyed_where_that_is_off(records: CountingRecords, clock: ManualClock) -> None:
    Health(SETTINGS, records, clock).failed(URL, Throttled("429", retry_after=3), 10)
    health = Health(HealthSettings(learn_limits=False), records, clock)
    assert limits(health) == [None]
    clock.advance(61)
    health.succeeded(URL, in_flight=50)
    assert limits(Health(SETTINGS, records, clock)) == [9]


def test_a_refusal_never_raises_a_limit(health: Health) -> None:
    for in_flight, limit in ((10, 9), (40, 9), (5, 4), (10, 4)):
        health.failed(URL, Throttled("429"), in_flight)
        assert limits(health) == [limit]


def test_a_limit_that_is_used_up_grows_once_a_minute(
    health: Health, clock: ManualClock, records: CountingRecords
) -> None:
    health.failed(URL, Throttled("429", retry_after=3), 20)
    clock.advance(59)
    health.succeeded(URL, in_flight=17)
    assert limits(health) == [18]
    clock.advance(1)
    health.succeeded(URL, in_flight=16)
    assert limits(health) == [18]
    puts = records.puts
    for _ in range(10):
        health.succeeded(URL, in_flight=17)
    assert limits(health) == [19]
    assert records.puts == puts + 1
    clock.advance(60)
    health.succeeded(URL, in_flight=18)
    assert limits(health) == [20]


def test_a_limit_is_forgotten_an_hour_after_the_last_refusal(health: Health, clock: ManualClock) -> None:
    health.failed(URL, Throttled("429"), 20)
    clock.advance(1800)
    health.failed(URL, Throttled("429"), 20)
    clock.advance(3599)
    health.succeeded(URL)
    assert limits(health) == [18]
    clock.advance(1)
    assert health.states() == {}
    health.succeeded(URL, in_flight=18)
    assert health.states() == {}


def test_a_limit_that_has_outgrown_itself_is_forgotten(health: Health, clock: ManualClock) -> None:
    health.failed(URL, Throttled("429"), 1)
    seen = []
    while found := limits(health):
        seen.append(found[0])
        clock.advance(60)
        health.succeeded(URL, in_flight=1000)
    assert seen == list(range(1, 11))
