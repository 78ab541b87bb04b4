"""The laws of health: of ejections, of learned limits, and of who is let in nevertheless."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from protes.config.federation import HealthSettings
from protes.config.instances import InstanceSettings
from protes.federation.health_codec import condition_from_json, condition_to_json
from protes.federation.health_rules import (
    LIMIT_KEPT,
    LONGEST_PAUSE,
    Condition,
    after_answer,
    after_failure,
    pause_asked,
)
from protes.federation.known import Ejection, KnownInstance, Probed
from protes.federation.outliers import judge, most_ejected
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    NotSent,
    ServerFault,
    Throttled,
    TimedOut,
    Unreachable,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)

retry_afters = st.none() | st.floats(0, 1e5)
errors: st.SearchStrategy[DownstreamError] = st.one_of(
    st.sampled_from(
        [NotSent("late"), Unreachable("refused"), TimedOut("slow"), ConnectionLost("reset"), BadAnswer("HTML")]
    ),
    st.builds(lambda asked: Throttled("429", retry_after=asked), retry_afters),
    st.builds(lambda status, asked: ServerFault(status, retry_after=asked), st.sampled_from([500, 503]), retry_afters),
)
settings_ = st.builds(
    lambda local, gateway, base, factor, learn: HealthSettings(
        consecutive_local_origin_failures=local,
        consecutive_gateway_failures=gateway,
        base_ejection_seconds=base,
        max_ejection_seconds=base * factor,
        learn_limits=learn,
    ),
    st.integers(1, 4),
    st.integers(1, 4),
    st.floats(0.1, 30),
    st.integers(1, 40),
    st.booleans(),
)
in_flights = st.none() | st.integers(0, 30)
# Seconds until something happens, what (None: an answer), of which kind of call, with how many tasks there.
events = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 2.0, 61.0, 700.0, 4000.0]), st.none() | errors, st.booleans(), in_flights),
    max_size=25,
)
Event = tuple[float, DownstreamError | None, bool, int | None]


def step(before: Condition, event: Event, now: datetime, settings: HealthSettings) -> Condition:
    """Let one thing happen."""
    _, error, reading, in_flight = event
    if error is None:
        return after_answer(before, now, settings, reading=reading, in_flight=in_flight)
    return after_failure(before, error, now, settings, reading=reading, in_flight=in_flight)


@given(settings_, events)
def test_ejections(settings: HealthSettings, happening: list[Event]) -> None:
    condition, now = Condition(), NOW
    for event in happening:
        now += timedelta(seconds=event[0])
        before, condition = condition, step(condition, event, now, settings)
        was, ejection, error = before.ejected(now), condition.ejected(now), event[1]
        asked = pause_asked(error) if error is not None else None
        if error is None or isinstance(error, NotSent):
            assert ejection == was
            continue
        if was is not None:
            assert ejection is not None
            assert ejection.until == max(was.until, now + (asked or timedelta()))
            assert ejection.times == was.times
            assert (condition.gateway_failures, condition.local_origin_failures) == (
                before.gateway_failures,
                before.local_origin_failures,
            )
        elif ejection is not None:
            longest = LONGEST_PAUSE if asked else timedelta(seconds=settings.max_ejection_seconds)
            assert now < ejection.until <= now + longest
            assert ejection.since == now
        if asked is not None:
            assert ejection is not None
            assert ejection.kind == "asked"
            assert ejection.until >= now + asked
        assert condition.expires_at(now) > now


@given(settings_, events)
def test_a_submission_that_went_well_ends_every_row(settings: HealthSettings, happening: list[Event]) -> None:
    condition, now = Condition(), NOW
    for event in [*happening, (0.0, None, False, None)]:
        now += timedelta(seconds=event[0])
        condition = step(condition, event, now, settings)
    assert not condition.failing
    assert after_answer(condition, now, settings, reading=True, in_flight=None) == condition


@given(settings_, events)
def test_limits(settings: HealthSettings, happening: list[Event]) -> None:
    condition, now = Condition(), NOW
    for event in happening:
        now += timedelta(seconds=event[0])
        before = condition.limited(now)
        condition = step(condition, event, now, settings)
        limit = condition.limited(now)
        if not settings.learn_limits:
            assert limit is None
        elif limit is not None:
            assert 1 <= limit.tasks <= 10 * limit.first
            assert limit.refused_at <= limit.changed_at <= now < limit.refused_at + LIMIT_KEPT
            if before is not None and limit.tasks > before.tasks:
                assert event[1] is None
                assert now >= before.changed_at + timedelta(seconds=60)
                assert limit.tasks - before.tasks == max(1, before.tasks // 10)


@given(settings_, events)
def test_the_store_gives_back_what_it_was_given(settings: HealthSettings, happening: list[Event]) -> None:
    condition, now = Condition(), NOW
    for event in happening:
        now += timedelta(seconds=event[0])
        condition = step(condition, event, now, settings)
        assert condition_from_json(condition_to_json(condition)) == condition


moments = st.none() | st.integers(0, 3).map(lambda seconds: NOW + timedelta(seconds=seconds))
ejections = st.builds(
    lambda kind, since: Ejection(NOW + timedelta(hours=1), 1, "failed", kind, since),
    st.sampled_from(["failing", "failing", "unreachable", "asked"]),
    moments,
)


@st.composite
def federations(draw: st.DrawFn) -> tuple[KnownInstance, ...]:
    """A few instances of every kind, in any order."""
    made = []
    for number in range(draw(st.integers(0, 9))):
        url = f"https://host-{number}.example.org"
        at = NOW + timedelta(seconds=draw(st.integers(-1, 4)))
        base_url = draw(st.sampled_from([url, url, url, None]))
        made.append(
            KnownInstance(
                settings=InstanceSettings(id=f"i{number}", url=url, drain=draw(st.integers(0, 5)) == 0),
                key=url,
                name=url,
                source=draw(st.sampled_from(["configuration", "registry", "retired"])),
                probed=Probed(ok=draw(st.booleans()), at=at, next_at=at, base_url=base_url),
                ejection=draw(st.none() | ejections),
                let_in=draw(st.sampled_from([None, None, "of an earlier judgement"])),
            )
        )
    return tuple(made)


percents = st.floats(0, 100)
shares = st.builds(lambda cap, panic: HealthSettings(max_ejection_percent=cap, panic_percent=panic), percents, percents)


@given(federations(), shares)
def test_judging(instances: tuple[KnownInstance, ...], settings: HealthSettings) -> None:
    judged, panicking = judge(instances, settings)
    assert [replace(each, let_in=None) for each in judged] == [replace(each, let_in=None) for each in instances]
    counting = [
        each for each in judged if each.source != "retired" and each.base_url is not None and not each.settings.drain
    ]
    failing = [each for each in counting if each.ejection is not None and each.ejection.kind == "failing"]
    out = [each for each in failing if each.let_in is None]
    assert len(out) <= most_ejected(len(counting), settings)
    if not panicking:
        assert len(out) == min(len(failing), most_ejected(len(counting), settings))
        left = sum(each.ejection is None or each.let_in is not None for each in counting)
        assert left * 100 >= settings.panic_percent * len(counting)
    assert {each.id for each in judged if each.let_in is not None} <= {each.id for each in failing}


@given(federations(), shares, st.data())
def test_judging_is_idempotent_and_independent_of_order(
    instances: tuple[KnownInstance, ...], settings: HealthSettings, data: st.DataObject
) -> None:
    judged, panicking = judge(instances, settings)
    assert judge(judged, settings) == (judged, panicking)
    shuffled, panicking_too = judge(data.draw(st.permutations(instances)), settings)
    assert sorted(shuffled, key=lambda each: each.id) == sorted(judged, key=lambda each: each.id)
    assert panicking_too is panicking
