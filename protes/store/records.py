"""What is stored of a task (DESIGN.md section 5, "Task record"), as frozen values.

A record never changes: `changes.py` has the pure functions that make the next version, stores only
apply them inside a compare-and-set on `version`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from protes.tes.states import State

JsonObject = dict[str, Any]


class Phase(StrEnum):
    """How far the forwarding of one attempt got (DESIGN.md section 4, "Forward once")."""

    INTENDED = "INTENDED"
    """Written before the POST: from now on the instance may have the task."""
    SENT = "SENT"
    """The POST went out and its answer is not known yet."""
    ACCEPTED = "ACCEPTED"
    """The instance gave an id."""
    REJECTED = "REJECTED"
    """Certain that the instance has no task: it refused, could not be reached, or two searches found nothing."""
    UNKNOWN = "UNKNOWN"
    """The POST's outcome could not be seen; being settled by searching for the marker."""
    FINISHED = "FINISHED"
    """The instance reported a final state and its logs are here, or the attempt was given up."""


FURTHEST_AHEAD = timedelta(minutes=15)
"""No lease, no stamp and no pause of a task lasts longer; what lies further ahead has passed (`clock.lies_ahead`)."""


UNSETTLED = frozenset({Phase.INTENDED, Phase.SENT, Phase.UNKNOWN})
"""An attempt found in one of these by somebody else than its sender is treated as UNKNOWN."""

LIVE = UNSETTLED | {Phase.ACCEPTED}
"""In these the instance has, or may have, an unfinished copy of the task."""


NOT_STARTED = frozenset({State.UNKNOWN, State.QUEUED})
"""An attempt whose last state is one of these still waits at its instance, as far as anybody has seen."""

STARTED = frozenset({State.INITIALIZING, State.RUNNING, State.PAUSED})
"""An attempt that was seen in one of these has left the queue of its instance, even if it is QUEUED there again."""


def tag_entry(key: str, value: str) -> str:
    """Write a tag as one `key=value` entry; a `=` in the key is escaped, so that entries read in one way only."""
    return f"{tag_entry_key(key)}={value}"


def tag_entry_key(key: str) -> str:
    """Return a tag's key as it stands before the first `=` of its entry."""
    return key.replace("%", "%25").replace("=", "%3D")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One forwarding of the task to one instance.

    Attributes:
        n: number of the attempt, from 1.
        instance_url: canonical base URL of the instance.
        instance_id: the instance's id in the federation, for people.
        dialect: name of the dialect it was sent in.
        phase: how far it got.
        intended_at: when INTENDED was stored.
        deadline: the sender must not send after this, nor later by the monotonic clock; nobody else relies on it.
        instance_task_id: the id the instance gave.
        state: the last state seen at the instance.
        log: the instance's own `tesTaskLog` (the deciding one), as read, or None.
        looks: searches for the marker so far that found nothing.
        closed_at: when our connection of an ambiguous POST closed, the start of `late_commit_seconds`.
        message: one line for people: why it was rejected, what is unknown.
        refused: the instance refused the task itself; it is not asked again.
        missing_since: since when every read of the task found it missing at the instance.
        started: the task was seen to have left the queue there.
        ended_at: when FINISHED was stored for what was seen at the instance.
        retried: it failed there and the task went on to look for another instance; counts against `protes.retries`.
        withdrawn_at: when the gateway wished to take the task back, since it did not start there. Stored before the
            cancellation is pushed; it stays though the task has started in the meantime, so that a cancellation that
            takes effect late is known for the gateway's own.
        identity: whom the instance took the gateway for (`InstanceClient.identity`); None where that was not noted.
        metadata: what the views add to `logs[].metadata`: flat strings under `protes.`, fixed at dispatch.
    """

    n: int
    instance_url: str
    instance_id: str
    dialect: str
    phase: Phase
    intended_at: datetime
    deadline: datetime
    instance_task_id: str | None = None
    state: State = State.UNKNOWN
    log: JsonObject | None = None
    looks: int = 0
    closed_at: datetime | None = None
    message: str | None = None
    refused: bool = False
    missing_since: datetime | None = None
    started: bool = False
    ended_at: datetime | None = None
    retried: bool = False
    withdrawn_at: datetime | None = None
    identity: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def withdrawn(self) -> bool:
        """Whether the task was taken back from the instance: it ended there as the gateway wished."""
        return self.phase is Phase.FINISHED and self.state is State.CANCELED and self.withdrawn_at is not None


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's timed claim on a task.

    Attributes:
        holder: who holds it, for people.
        token: unguessable; changes need it while the lease lasts.
        until: when it ends by itself.
        cancel_known: the task was cancelled already when the lease was taken (`changes.claim` sets it), so that its
            holder knows; a cancellation that comes later must not be put off when the lease is given back.
    """

    holder: str
    token: str
    until: datetime
    cancel_known: bool = False


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task as the gateway knows it.

    Attributes:
        id: `[A-Za-z0-9_-]+`, time-sortable, unguessable.
        owner: subject of the caller; "" is the anonymous one.
        audience: the one key under which it is shown (see protes.store.audiences); "" is everybody. Fixed at creation.
        created_at: when POST stored it.
        document: the client's task, normalised, as one JSON string; "" in a head (see `TaskStore.get`).
        name: `tesTask.name`, extracted for `name_prefix`.
        tags: entries extracted from `tesTask.tags` by `tag_entry`, sorted, for `tag_key`/`tag_value`.
        preference: the effective preference with its carrier, JSON (see protes.api.preference).
        via: ids of the gateways the task has passed, oldest first.
        state: TES 1.1 state; DESIGN.md section 4 decides what the outside is shown.
        last_steady: the last of QUEUED, INITIALIZING, RUNNING, shown in the place of PAUSED and CANCELING.
        version: 1 at creation, one more with each change.
        cancel_requested_at: when the caller cancelled first.
        attempts: oldest first; () in a head.
        system_logs: the gateway's own lines about the task, oldest first; () in a head.
        due_at: when somebody must look at the task again; None: nothing to do but relay.
        enqueued_until: a job for it is on its way until then, so that it is not enqueued twice.
        lease: who works on it.
        finished_at: when it reached a final state.
        moves: how many states it has been in, its first one included: one more with each change of `state`.
        news: the newest of these moves as long as the event log does not have it; None where it has (docs/events.md).
        state_at: since when it is in its state; None: since its creation, or it is not known.
    """

    id: str
    owner: str
    created_at: datetime
    document: str
    name: str = ""
    tags: tuple[str, ...] = ()
    preference: Mapping[str, Any] = field(default_factory=dict)
    via: tuple[str, ...] = ()
    state: State = State.QUEUED
    last_steady: State = State.QUEUED
    version: int = 1
    cancel_requested_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    system_logs: tuple[str, ...] = ()
    due_at: datetime | None = None
    enqueued_until: datetime | None = None
    lease: Lease | None = None
    finished_at: datetime | None = None
    audience: str = ""
    moves: int = 1
    news: int | None = field(default=1, compare=False)
    state_at: datetime | None = None

    @property
    def live_attempt(self) -> Attempt | None:
        """The attempt whose copy runs, or may run, at an instance; there is never more than one."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and last.phase in LIVE else None

    @property
    def followed(self) -> "Followed | None":
        """What a sweep needs to know of the task; None where no instance has accepted it, or it has ended there."""
        live = self.live_attempt
        if live is None or live.phase is not Phase.ACCEPTED:
            return None
        return Followed(
            self.id,
            live.n,
            live.instance_task_id or "",
            live.dialect,
            live.state,
            live.intended_at,
            missing=live.missing_since is not None,
            due=self.due_at is not None,
        )

    @property
    def shown_attempt(self) -> Attempt | None:
        """The attempt that the outside sees: that under way, and in the end that which decided how the task ended.

        None before the first attempt, and while the task waits for another instance after its last one was in vain.
        """
        if not self.attempts:
            return None
        last = self.attempts[-1]
        if not self.state.finished:
            return None if last.phase is Phase.FINISHED else last
        decisive = (each for each in reversed(self.attempts) if each.phase is not Phase.REJECTED and not each.withdrawn)
        return next(decisive, last)

    @property
    def retries_left(self) -> int:
        """How many more failures at an instance are not the end of the task."""
        return int(self.preference.get("retries", 0)) - sum(attempt.retried for attempt in self.attempts)

    @property
    def waiting_since(self) -> datetime:
        """Since when it has been looking for an instance: its creation, or the end of the last attempt in vain."""
        ended = (attempt.ended_at for attempt in self.attempts if attempt.ended_at is not None)
        return max(ended, default=self.created_at)


@dataclass(frozen=True, slots=True)
class Transition:
    """What the relay saw of one task at its instance; applied by `TaskStore.transition`.

    Attributes:
        task_id: the task.
        attempt_n: the attempt it was seen on; ignored unless that attempt is still ACCEPTED.
        state: the state seen there.
        log: the instance's log, or None to keep the one stored.
        system_logs: lines to append to the task's own.
        finished: the attempt has ended and `log` is its last: the attempt becomes FINISHED.
        missing_since: the attempt's new value of the same name.
        again: this end need not be the task's: nothing is left at the instance, and the task may look for another one
            if it has retries left, or if the gateway has withdrawn it. Obeyed only for a state stored before, by an
            earlier look.
        due: somebody must look at the task beyond relaying it: it becomes due, unless it is already.
    """

    task_id: str
    attempt_n: int
    state: State
    log: JsonObject | None = None
    system_logs: tuple[str, ...] = ()
    finished: bool = False
    missing_since: datetime | None = None
    again: bool = False
    due: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """What a sweep needs to know of a task that an instance has accepted; thousands of them fit into memory.

    Attributes:
        task_id: the task.
        n: its live attempt.
        instance_task_id: the id the instance gave.
        dialect: name of the dialect it was sent in.
        state: the last state seen at the instance.
        intended_at: when the attempt was intended.
        missing: every read of the task since some time found it missing at the instance.
        due: the task has a `due_at`: somebody looks after it beyond relaying it.
    """

    task_id: str
    n: int
    instance_task_id: str
    dialect: str
    state: State
    intended_at: datetime
    missing: bool = False
    due: bool = False


MOST_AUDIENCES = 32
"""A page is merged from that many indexes at most."""


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """A page of tasks, newest first.

    Attributes:
        owner: only tasks of this owner; None: all.
        state: only tasks in this state.
        shown: `state` is compared to what TES 1.0 clients are shown instead of the TES 1.1 state.
        name_prefix: literal prefix of the name.
        tags: each `(key, value)` must be there; value None matches any value.
        before: continue after the task with this id (page tokens carry it).
        limit: tasks at most.
        heads: leave out documents, attempts and system logs.
        audiences: only tasks shown under one of these keys, each given once, `MOST_AUDIENCES` at most; None: all.

    Raises:
        ValueError: there are too many audiences, or one of them twice.
    """

    owner: str | None = None
    state: State | None = None
    shown: bool = True
    name_prefix: str = ""
    tags: tuple[tuple[str, str | None], ...] = ()
    before: str | None = None
    limit: int = 256
    heads: bool = False
    audiences: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what would list a task twice, or take too long."""
        asked = self.audiences or ()
        if len(asked) > MOST_AUDIENCES or len(set(asked)) < len(asked):
            raise ValueError(f"a query is for {MOST_AUDIENCES} audiences at most, each of them once")


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """What is unfinished at one instance.

    Attributes:
        instance_url: canonical base URL.
        active: tasks whose live attempt is there.
        youngest: when the youngest of these attempts was intended.
        queued: those of them that have not been seen to start (`NOT_STARTED`).
    """

    instance_url: str
    active: int
    youngest: datetime
    queued: int = 0
