"""What answers and failures make of an instance's health: pure, in the terms of Envoy's outlier detection.

- Failures count in a row and by kind. *Local origin*: no connection came about (`Unreachable`, which a time-out while
  connecting is too). *Gateway*: a connection, but no answer of use (5xx, broken, lost, too late). `NotSent` is the
  gateway's own haste and says nothing of the instance; a refusal (4xx) is an answer.
- Submissions count apart from other calls: a server whose POST /tasks fails while its lists answer is ejected
  nevertheless. What was submitted well ends both counts, any other answer ends only that of the other calls.
- An ejection lasts `base_ejection_seconds`, twice as long each time in a row up to `max_ejection_seconds`. Envoy takes
  one off that number for each interval without an ejection; here an interval is `HEALTHY_INTERVAL` after its end.
- The counts go on after an ejection, so that the first failure afterwards ejects again: the instance is on probation
  until it answers well.
- While an ejection lasts nothing lengthens it but a longer pause that the instance asks for. One that turns out to be
  out of reach as well becomes `unreachable`, and `since` the moment when that was seen last.
- A pause that the instance asks for is obeyed exactly, up to `LONGEST_PAUSE`, and does not count as an ejection in a
  row. 429 without `Retry-After` (or with 0, which asks for nothing) does, since nothing else would slow us down.
- Limits are learned as TCP learns them: a tenth less than what was there when the instance refused more (429, or 503
  with `Retry-After`), and up to a tenth more for each minute in which that much is there and nothing is refused.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protes.config.federation import HealthSettings
from protes.federation.known import Ejection, EjectionKind
from protes.tes.errors import DownstreamError, NotSent, ServerFault, Throttled, Unreachable

HEALTHY_INTERVAL = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(hours=1)
CLOCKS_DIFFER = timedelta(seconds=60)
"""Clocks of several machines are not further apart than that."""
COUNTED = timedelta(minutes=10)
"""How long counts are kept at least after the last failure."""
GROWS_EVERY = timedelta(seconds=60)
LIMIT_KEPT = timedelta(hours=1)
"""How long a limit is kept after the last refusal."""
OUTGROWN = 10
"""A limit that has grown to more than so many times its first value says nothing any more."""


@dataclass(frozen=True, slots=True)
class LearnedLimit:
    """Tasks at once that an instance takes, as learned.

    Attributes:
        tasks: the limit.
        first: what it was at the last refusal that lowered it.
        refused_at: when more was refused last.
        changed_at: when it was lowered, confirmed or raised last.
    """

    tasks: int
    first: int
    refused_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """All that the store holds of an instance's health.

    Attributes:
        submission_failures: gateway failures of POST /tasks, in a row.
        other_failures: gateway failures of other calls, in a row.
        local_origin_failures: connections that did not come about, in a row.
        ejection: the last one, kept for a while after its end.
        limit: what was learned, or None.
    """

    submission_failures: int = 0
    other_failures: int = 0
    local_origin_failures: int = 0
    ejection: Ejection | None = None
    limit: LearnedLimit | None = None

    @property
    def gateway_failures(self) -> int:
        """Gateway failures of all calls."""
        return self.submission_failures + self.other_failures

    @property
    def failing(self) -> bool:
        """Whether it has failed since it answered last."""
        return bool(self.gateway_failures or self.local_origin_failures)

    @property
    def out_of_reach_since(self) -> datetime | None:
        """When a connection failed that led to an ejection, where nothing has answered since."""
        known = self.ejection is not None and self.ejection.kind == "unreachable" and self.local_origin_failures
        return self.ejection.since if known and self.ejection is not None else None

    def ejected(self, now: datetime) -> Ejection | None:
        """Return the ejection where it lasts still; one that begins in the future is a mistake of a clock."""
        if self.ejection is None or self.ejection.until <= now:
            return None
        since = self.ejection.since
        return self.ejection if since is None or since <= now + CLOCKS_DIFFER else None

    def limited(self, now: datetime) -> LearnedLimit | None:
        """Return the limit where it is not to be forgotten."""
        return self.limit if self.limit is not None and now < self.limit.refused_at + LIMIT_KEPT else None

    def expires_at(self, now: datetime) -> datetime:
        """Return when nothing of it matters any more."""
        ends = [now + COUNTED]
        if self.ejection is not None:
            ends.append(self.ejection.until + self.ejection.times * HEALTHY_INTERVAL)
        if self.limit is not None:
            ends.append(self.limit.refused_at + LIMIT_KEPT)
        return max(ends)


def after_answer(
    before: Condition, now: datetime, settings: HealthSettings, *, reading: bool, in_flight: int | None
) -> Condition:
    """Return the condition after an answer that was no failure.

    Args:
        before: the condition so far.
        now: the time of the answer.
        settings: whether limits are learned.
        reading: it answers anything but POST /tasks.
        in_flight: our unfinished tasks there beside the one that was just submitted; None where none was.
    """
    return replace(
        before,
        submission_failures=before.submission_failures if reading else 0,
        other_failures=0,
        local_origin_failures=0,
        limit=_grown(before, now, in_flight) if settings.learn_limits else before.limit,
    )


def after_failure(
    before: Condition,
    error: DownstreamError,
    now: datetime,
    settings: HealthSettings,
    *,
    reading: bool,
    in_flight: int | None,
) -> Condition:
    """Return the condition after a failure.

    Args:
        before: the condition so far.
        error: the failure; neither `Refused` nor `TaskMissing`, which are answers.
        now: the time of the failure.
        settings: the thresholds and times.
        reading: it befell anything but POST /tasks.
        in_flight: our unfinished tasks there beside the one that was refused; None where none was submitted.
    """
    if isinstance(error, NotSent):
        return before
    asked = pause_asked(error)
    if asked is None and isinstance(error, Unreachable) and before.ejected(now) is not None:
        return replace(before, ejection=_out_of_reach(before, error, now))
    after = before if before.ejected(now) is not None else _counted(before, error, reading)
    if asked is not None:
        after = replace(after, ejection=_obeyed(before, error, now, asked))
    elif before.ejected(now) is None and (kind := _verdict(after, error, settings)) is not None:
        after = replace(after, ejection=_ejected(before, kind, error, now, settings))
    if settings.learn_limits and in_flight is not None and is_too_much(error):
        after = replace(after, limit=_lowered(before, now, in_flight))
    return after


def pause_asked(error: DownstreamError) -> timedelta | None:
    """Return the pause that an instance asks for, `LONGEST_PAUSE` at most; None where it asks for none."""
    if not isinstance(error, Throttled | ServerFault) or error.retry_after is None:
        return None
    seconds = min(max(0.0, error.retry_after), LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=seconds) or None


def is_too_much(error: DownstreamError) -> bool:
    """Tell whether an instance refuses because it has too much to do."""
    return isinstance(error, Throttled) or (
        isinstance(error, ServerFault) and error.status == 503 and pause_asked(error) is not None
    )


def _counted(before: Condition, error: DownstreamError, reading: bool) -> Condition:
    """Count a failure; whatever came over a connection ends the row of those that did not come about."""
    if isinstance(error, Unreachable):
        return replace(before, local_origin_failures=before.local_origin_failures + 1)
    if isinstance(error, Throttled):
        return replace(before, local_origin_failures=0)
    return replace(
        before,
        submission_failures=before.submission_failures + (not reading),
        other_failures=before.other_failures + reading,
        local_origin_failures=0,
    )


def _verdict(counted: Condition, error: DownstreamError, settings: HealthSettings) -> EjectionKind | None:
    if isinstance(error, Throttled):
        return "asked"
    if isinstance(error, Unreachable):
        enough = counted.local_origin_failures >= settings.consecutive_local_origin_failures
        return "unreachable" if enough else None
    return "failing" if counted.gateway_failures >= settings.consecutive_gateway_failures else None


def _ejected(
    before: Condition, kind: EjectionKind, error: DownstreamError, now: datetime, settings: HealthSettings
) -> Ejection:
    base, most = settings.base_ejection_seconds, settings.max_ejection_seconds
    times, seconds = 1, base
    for _ in range(_times_remembered(before, now)):
        if seconds >= most:
            break  # more would only be remembered for longer
        times, seconds = times + 1, seconds * 2
    return Ejection(now + timedelta(seconds=min(seconds, most)), times, error.text, kind, now)


def _times_remembered(before: Condition, now: datetime) -> int:
    if before.ejection is None:
        return 0
    return max(0, before.ejection.times - max(0, (now - before.ejection.until) // HEALTHY_INTERVAL))


def _obeyed(before: Condition, error: DownstreamError, now: datetime, asked: timedelta) -> Ejection:
    """Obey, after whatever longer ejection lasts already."""
    lasting = before.ejected(now)
    until = now + asked
    if lasting is None:
        return Ejection(until, _times_remembered(before, now), error.text, "asked", now)
    if lasting.until >= until:
        return replace(lasting, kind="asked")
    return replace(lasting, kind="asked", until=until, reason=error.text)


def _out_of_reach(before: Condition, error: DownstreamError, now: datetime) -> Ejection | None:
    """That nothing connects is a fact beside which the judgement of its answers means nothing."""
    if before.ejection is None or before.ejection.kind == "asked":
        return before.ejection
    return replace(before.ejection, kind="unreachable", reason=error.text, since=now)


def _lowered(before: Condition, now: datetime, in_flight: int) -> LearnedLimit:
    """A tenth below what is there; a refusal never raises a limit."""
    limit = before.limited(now)
    tasks = max(1, in_flight * 9 // 10)
    if limit is None or tasks < limit.tasks:
        return LearnedLimit(tasks, tasks, now, now)
    return replace(limit, refused_at=now, changed_at=now)


def _grown(before: Condition, now: datetime, in_flight: int | None) -> LearnedLimit | None:
    """Grow a limit that is used up and was not touched for a minute, until it says nothing any more."""
    limit = before.limited(now)
    if limit is None or in_flight is None or in_flight + 1 < limit.tasks or now < limit.changed_at + GROWS_EVERY:
        return limit
    tasks = limit.tasks + max(1, limit.tasks // 10)
    return None if tasks > OUTGROWN * limit.first else replace(limit, tasks=tasks, changed_at=now)
