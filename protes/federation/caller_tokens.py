"""The tokens that callers bring with their tasks, for instances that want those (docs/credentials.md, "Pass-through").

A token is kept for the work that goes on when its request is answered: submitting, looking, settling, cancelling. It is
encrypted (Fernet), bound to its task, and removed when the task has ended and no copy of it is watched for any more, or
when it ends itself. It is in no job, no
task record and no log.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.federation.sealing import Sealer
from protes.store.orphans import Orphans
from protes.store.protocols import Conflict, Records, TaskStore
from protes.store.records import TaskRecord
from protes.tes.credentials import CallerCredentials, TokenOver, TokenSealed
from protes.tes.token_lifetime import expires_at

logger = logging.getLogger(__name__)

KIND = "caller-token"
_LONGEST = timedelta(days=14)
"""How long a token is kept at most, whether it says when it ends or not."""
_LONGEST_EXCHANGED = timedelta(days=30)
"""How long where others are got for it, by which its task may go on when it has ended itself."""
_LONGEST_CHARACTERS = 16 * 1024
_TIDY_PAGE = 500
_BEING_STORED = timedelta(minutes=10)
"""A token is stored before its task, which may take so long to appear."""
_OVER = "its caller's token has ended"
_UNREADABLE = "its caller's token cannot be decrypted for now (server.secret_key)"
_COMPLAINT_EVERY_SECONDS = 60.0


def ends_at(authorization: SecretStr, now: datetime) -> datetime | None:
    """Return when a caller's token ends at the latest; None where it cannot be passed on: it is over, or no header.

    Args:
        authorization: value of the header.
        now: the time.
    """
    value = authorization.get_secret_value()
    credential = value.partition(" ")[2].strip()
    if not credential or len(value) > _LONGEST_CHARACTERS or not (value.isascii() and value.isprintable()):
        return None
    latest = now + _LONGEST
    says = expires_at(credential)
    if says is None:
        return latest
    with suppress(ValueError, OverflowError, OSError):
        latest = min(latest, datetime.fromtimestamp(says, UTC))
    return latest if latest > now else None


@dataclass(frozen=True, slots=True)
class Kept:
    """A caller's token as it is kept for a task.

    Attributes:
        authorization: value of the header; secret.
        mark: the same for all tasks that came with it at about the same time.
        lives: whether its own time is not over.
    """

    authorization: SecretStr
    mark: str
    lives: bool


class CallerTokens:
    """The tokens by task. Safe under threads."""

    def __init__(
        self, records: Records, clock: Clock, keys: Sequence[SecretStr] = (), *, exchanged: bool = False
    ) -> None:
        """Keep tokens in `records`.

        Args:
            records: where they are kept.
            clock: the clock.
            keys: the first encrypts, all decrypt; without any nothing is kept.
            exchanged: whether others are got for them, so that they are of use when they have ended themselves.
        """
        self._records = records
        self._clock = clock
        self._exchanged = exchanged
        self.sealer = Sealer(keys)
        self._on_over: Callable[[str], None] = lambda _: None
        self._tidied = ""
        self._complained_at: float | None = None

    def keep(self, task_id: str, authorization: SecretStr, is_stored: Callable[[], bool]) -> None:
        """Keep the token of a task that is about to be stored.

        Where a request before has kept one for it, that is what the task runs with if it has come to be stored, and is
        of no use else: the request that is answered is the one whose token counts.

        Args:
            task_id: the task.
            authorization: value of the header.
            is_stored: tells whether the task is there by now; asked only where there is a token already.

        Raises:
            StoreError: it could not be stored.
        """
        now = self._clock.now()
        ends = self.usable_until(authorization, now)
        if not self.sealer.usable or ends is None:
            return
        sealed = self.sealer.seal(task_id, {"authorization": authorization.get_secret_value()})
        value = {"sealed": sealed, "kept_at": rfc3339(now), "mark": self.mark(authorization)}
        try:
            self._records.put(KIND, task_id, value, now, expected_version=0, expires_at=ends)
        except Conflict:
            if not is_stored():
                self._records.put(KIND, task_id, value, now, expires_at=ends)

    def before_over(self, drop: Callable[[str], None]) -> None:
        """Have `drop` called with each task's id right before its token is removed, to remove what hangs on it."""
        self._on_over = drop

    def mark(self, authorization: SecretStr) -> str:
        """Return what tells tokens apart and says nothing of them to who lacks the key; "" without keys."""
        return self.sealer.mark(authorization)

    def usable_until(self, authorization: SecretStr, now: datetime) -> datetime | None:
        """Return until when a token that has come now is of use to a task; None where it is of none.

        It is longer than the token lives where others are got for it: whether they can be renewed shows later.
        """
        ends = ends_at(authorization, now)
        return now + _LONGEST_EXCHANGED if ends is not None and self._exchanged else ends

    def kept(self, task_id: str) -> Kept:
        """Return the token that is kept for a task.

        Raises:
            TokenOver: there is none any more.
            TokenSealed: it cannot be decrypted here.
        """
        now = self._clock.now()
        stored = self._records.get(KIND, task_id, now)
        if stored is None:
            raise TokenOver(_OVER)
        opened = self.sealer.open(task_id, str(stored.value["sealed"]))
        if opened is None:
            self._complain(task_id)
            raise TokenSealed(_UNREADABLE)
        authorization = SecretStr(opened["authorization"])
        lives = ends_at(authorization, now) is not None
        return Kept(authorization, str(stored.value.get("mark") or self.mark(authorization)), lives)

    def credentials(self, task_id: str) -> CallerCredentials:
        """Return what to show an instance for a task; where there is nothing to show, something that says so when used.

        A token that has ended is gone for good. One that cannot be decrypted may be readable to other processes, which
        have other keys while those are rotated: it decides nothing.
        """
        try:
            kept = self.kept(task_id)
        except (TokenOver, TokenSealed) as problem:
            return CallerCredentials(None, str(problem), sealed=isinstance(problem, TokenSealed))
        return CallerCredentials(kept.authorization) if kept.lives else CallerCredentials(None, _OVER)

    def _complain(self, task_id: str) -> None:
        """Log that a token cannot be read: for the operator, once in a while, however many tasks are waiting."""
        now = self._clock.monotonic()
        if self._complained_at is None or now - self._complained_at >= _COMPLAINT_EVERY_SECONDS:
            self._complained_at = now
            logger.error("task %s (and perhaps others): %s; its keys are missing here", task_id, _UNREADABLE)

    def over(self, record: TaskRecord) -> None:
        """Remove the token of a task that has ended, unless it still has, or may have, a copy to be cancelled."""
        if record.state.finished and record.live_attempt is None and not self._watched(record.id):
            self._on_over(record.id)
            self._records.delete(KIND, record.id)

    def _watched(self, task_id: str) -> bool:
        """Tell whether a token is still wanted for a copy that may turn up, or that nobody could look at."""
        return self.sealer.usable and Orphans.has(self._records, task_id, self._clock.now())

    def tidy(self, tasks: TaskStore, waiting: Callable[[TaskRecord], None] = lambda _: None) -> None:
        """Remove the tokens of tasks that have ended in any other way; a bounded number at once, the rest next time.

        Args:
            tasks: the tasks.
            waiting: called with each task that waits for an instance.
        """
        now = self._clock.now()
        page = self._records.scan(KIND, "", now, after=self._tidied, limit=_TIDY_PAGE)
        self._tidied = page[-1].key if len(page) == _TIDY_PAGE else ""
        for stored in page:
            record = tasks.get(stored.key)
            if record is not None:
                self.over(record)
                if not record.state.finished and record.live_attempt is None:
                    waiting(record)
            elif now - parse_rfc3339(stored.value["kept_at"]) > _BEING_STORED:
                self._records.delete(KIND, stored.key)
