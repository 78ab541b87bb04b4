"""The tokens that callers bring with their tasks, for instances that want those (docs/credentials.md, "Pass-through").

A token is kept for the work that goes on when its request is answered: submitting, looking, settling, cancelling. It is
encrypted (Fernet), bound to its task, and removed when the task has ended and no copy of it is watched for any more, or
when it ends itself. It is in no job, no
task record and no log.
"""

import hmac
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.store.orphans import Orphans
from protes.store.protocols import Conflict, Records, TaskStore
from protes.store.records import TaskRecord
from protes.tes.credentials import CallerCredentials
from protes.tes.token_lifetime import expires_at

logger = logging.getLogger(__name__)

KIND = "caller-token"
_LONGEST = timedelta(days=14)
"""How long a token is kept at most, whether it says when it ends or not."""
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


class CallerTokens:
    """The tokens by task. Safe under threads."""

    def __init__(self, records: Records, clock: Clock, keys: Sequence[SecretStr]) -> None:
        """Keep tokens in `records`; the first of `keys` encrypts, all decrypt. Without keys nothing is kept."""
        self._records = records
        self._clock = clock
        self._cipher = MultiFernet([Fernet(each.get_secret_value()) for each in keys]) if keys else None
        self._key = keys[0].get_secret_value().encode() if keys else None
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
        ends = ends_at(authorization, now)
        if self._cipher is None or ends is None:
            return
        # The task is part of what is encrypted: a record that is put in another one's place is of no use.
        whole = json.dumps({"task": task_id, "authorization": authorization.get_secret_value()})
        value = {"sealed": self._cipher.encrypt(whole.encode()).decode("ascii"), "kept_at": rfc3339(now)}
        try:
            self._records.put(KIND, task_id, value, now, expected_version=0, expires_at=ends)
        except Conflict:
            if not is_stored():
                self._records.put(KIND, task_id, value, now, expires_at=ends)

    def mark(self, authorization: SecretStr) -> str:
        """Return what tells tokens apart and says nothing of them to who lacks the key; "" without keys."""
        if self._key is None:
            return ""
        return hmac.new(self._key, authorization.get_secret_value().encode(), "sha256").hexdigest()

    def credentials(self, task_id: str) -> CallerCredentials:
        """Return what to show an instance for a task; where there is nothing to show, something that says so when used.

        A token that has ended is gone for good. One that cannot be decrypted may be readable to other processes, which
        have other keys while those are rotated: it decides nothing.
        """
        stored = self._records.get(KIND, task_id, self._clock.now())
        if stored is None:
            return CallerCredentials(None, _OVER)
        value = self._opened(task_id, str(stored.value["sealed"]))
        if value is None:
            self._complain(task_id)
            return CallerCredentials(None, _UNREADABLE, sealed=True)
        return CallerCredentials(value)

    def _opened(self, task_id: str, sealed: str) -> SecretStr | None:
        """Return what was sealed for this very task; None where none of the keys opens it."""
        if self._cipher is None:
            return None
        try:
            whole = json.loads(self._cipher.decrypt(sealed.encode("ascii")))
        except (InvalidToken, ValueError):
            return None
        return SecretStr(whole["authorization"]) if whole["task"] == task_id else None

    def _complain(self, task_id: str) -> None:
        """Log that a token cannot be read: for the operator, once in a while, however many tasks are waiting."""
        now = self._clock.monotonic()
        if self._complained_at is None or now - self._complained_at >= _COMPLAINT_EVERY_SECONDS:
            self._complained_at = now
            logger.error("task %s (and perhaps others): %s; its keys are missing here", task_id, _UNREADABLE)

    def over(self, record: TaskRecord) -> None:
        """Remove the token of a task that has ended, unless it still has, or may have, a copy to be cancelled."""
        if record.state.finished and record.live_attempt is None and not self._watched(record.id):
            self._records.delete(KIND, record.id)

    def _watched(self, task_id: str) -> bool:
        """Tell whether a token is still wanted for a copy that may turn up, or that nobody could look at."""
        return self._cipher is not None and Orphans.has(self._records, task_id, self._clock.now())

    def tidy(self, tasks: TaskStore) -> None:
        """Remove the tokens of tasks that have ended in any other way; a bounded number at once, the rest next time."""
        now = self._clock.now()
        page = self._records.scan(KIND, "", now, after=self._tidied, limit=_TIDY_PAGE)
        self._tidied = page[-1].key if len(page) == _TIDY_PAGE else ""
        for stored in page:
            record = tasks.get(stored.key)
            if record is not None:
                self.over(record)
            elif now - parse_rfc3339(stored.value["kept_at"]) > _BEING_STORED:
                self._records.delete(KIND, stored.key)
