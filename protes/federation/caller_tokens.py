"""The tokens that callers bring with their tasks, for instances that want those (docs/credentials.md, "Pass-through").

A token is kept for the work that goes on when its request is answered: submitting, looking, settling, cancelling. It is
encrypted (Fernet), bound to its task, and removed when the task has ended, or when it ends itself. It is in no job, no
task record and no log.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from protes.clock import Clock, parse_rfc3339, rfc3339
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
_UNREADABLE = "its caller's token cannot be decrypted any more (server.secret_key)"


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
        self._tidied = ""

    def keep(self, task_id: str, authorization: SecretStr) -> None:
        """Keep the token of a task that is about to be stored; one that is there already stays.

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
        with suppress(Conflict):
            self._records.put(KIND, task_id, value, now, expected_version=0, expires_at=ends)

    def credentials(self, task_id: str) -> CallerCredentials:
        """Return what to show an instance for a task; where its token has ended, something that says so when used."""
        stored = self._records.get(KIND, task_id, self._clock.now())
        if stored is None or self._cipher is None:
            return CallerCredentials(None, _OVER)
        try:
            whole = json.loads(self._cipher.decrypt(str(stored.value["sealed"]).encode("ascii")))
        except (InvalidToken, ValueError):
            return CallerCredentials(None, _UNREADABLE)
        if whole["task"] != task_id:
            return CallerCredentials(None, _UNREADABLE)
        return CallerCredentials(SecretStr(whole["authorization"]))

    def over(self, record: TaskRecord) -> None:
        """Remove the token of a task that has ended, unless it still has a copy to be cancelled."""
        if record.state.finished and record.live_attempt is None:
            self._records.delete(KIND, record.id)

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
