"""Tokens for instances that are got for those of the callers (OAuth 2.0 Token Exchange, RFC 8693; docs/credentials.md).

The caller's token is exchanged when a task first needs to be shown to an instance, or before it ends where the task
still waits. What came is renewed with its refresh token while tasks that came with that caller's token go on, so that
they may outlive it. Who needs a token renews it; processes agree by compare-and-set (`exchange_sessions.py`).
"""

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import SecretStr

from protes.clock import Clock
from protes.federation.caller_tokens import CallerTokens, Kept
from protes.federation.exchange_asking import Declined, ExchangeGrant, Time, TokenServers
from protes.federation.exchange_sessions import Session, Sessions
from protes.store.protocols import Records, StoreError, TaskStore
from protes.tes.credentials import NoToken, OfCaller, TokenOver, TokenSealed
from protes.tes.errors import DownstreamError
from protes.tes.token_server import Granted

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_RENEW_EVERY_SECONDS = 60.0
_MOST_KEPT = 10_000
_SUSTAIN_SECONDS = 10.0
_TURNS = 256
_STORE = "what is kept of its caller's token cannot be read"


@dataclass(frozen=True)
class ExchangedCredentials(OfCaller):
    """Shows an instance, for one task, what its caller's token was exchanged for."""

    exchanges: "Exchanges" = field(repr=False)
    grant: ExchangeGrant = field(repr=False)
    task_id: str

    def authorization(self, until: float | None = None) -> str | None:
        """Return the header's value.

        Raises:
            TokenOver: the token server refuses the caller's token, or there is none any more.
            TokenSealed: it is not to be had for now.
        """
        return f"Bearer {self.exchanges.token(self.task_id, self.grant, until)}"

    def refused(self, authorization: str) -> bool:
        """Note that an instance answered 401; return whether another token may be had, at most once a minute."""
        return self.exchanges.refused(self.task_id, self.grant, authorization)

    def secrets(self) -> tuple[str, ...]:
        """Return all that was shown or got for this task, as far as this process knows."""
        return self.exchanges.secrets(self.task_id, self.grant)


class Exchanges:
    """Gets, keeps and renews tokens. Safe under threads."""

    def __init__(self, tokens: CallerTokens, records: Records, clock: Clock, grants: Iterable[ExchangeGrant]) -> None:
        """Ask nothing yet.

        Args:
            tokens: the callers' own.
            records: where what was got is kept.
            clock: measures.
            grants: all that are configured.
        """
        self._tokens = tokens
        self._clock = clock
        self._grants = {each.id: each for each in grants}
        self._sessions = Sessions(records, clock, tokens.sealer)
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._shown: dict[str, tuple[SecretStr, ...]] = {}
        self._bad: dict[str, tuple[str, float]] = {}
        self._servers = TokenServers(clock)
        self._unsaved: dict[str, tuple[Session, Granted]] = {}
        self._turns = [threading.Lock() for _ in range(_TURNS)]
        self._lock = threading.Lock()
        self._seen = ""
        tokens.before_over(self.over)

    def credentials(self, task_id: str, grant: ExchangeGrant) -> ExchangedCredentials:
        """Return what to show an instance for a task; nothing is asked before it is shown."""
        return ExchangedCredentials(self, grant, task_id)

    def token(self, task_id: str, grant: ExchangeGrant, until: float | None = None) -> str:
        """Return a token that lives, got or renewed where there is none.

        Args:
            task_id: the task.
            grant: how.
            until: monotonic time to be back by.

        Raises:
            TokenOver: there is none and will be none: the caller's token is over, or the token server refuses it.
            TokenSealed: there is none for now.
        """
        try:
            kept = self._tokens.kept(task_id)
            key = f"{kept.mark}-{grant.id}"
            session = self._session(key, kept, grant, Time.from_now(self._clock, until))
            self._sessions.note_use(key, task_id)
        except StoreError as error:
            logger.warning("task %s: %s: %s", task_id, _STORE, error)
            raise TokenSealed(_STORE) from None
        assert session.access is not None  # noqa: S101 (it can be used)
        return session.access.get_secret_value()

    def _session(self, key: str, kept: Kept, grant: ExchangeGrant, time: Time) -> Session:
        """Return a session that can be used; one thread renews it, the others go on with the old token, or wait."""
        known, now = self._known.get(key), self._clock.now()
        usable = known is not None and known.is_usable(now) and not self._is_bad(known)
        if known is not None and usable and not known.is_due(now):
            return known
        turn = self._turns[hash(key) % _TURNS]
        left = max(0.0, time.limit - self._clock.monotonic())
        if not turn.acquire(blocking=not usable, timeout=-1 if usable else left):
            if known is not None and usable:
                return known
            raise TokenSealed("its token is not there in time")
        try:
            return self._renewed(key, kept, grant, time)
        finally:
            turn.release()

    def refused(self, task_id: str, grant: ExchangeGrant, authorization: str) -> bool:
        """Note that an instance answered 401 to a token; return whether another one may be had."""
        try:
            key = f"{self._tokens.kept(task_id).mark}-{grant.id}"
        except NoToken:
            return False
        now, token = self._clock.monotonic(), authorization.removeprefix("Bearer ")
        with self._lock:
            bad, before = self._bad.get(key, ("", -math.inf))
            if token == bad:
                return True  # it was on its way when another one was got
            if now - before < _RENEW_EVERY_SECONDS:
                return False
            self._bad[key] = (token, now)
            self._known.pop(key, None)
            return True

    def secrets(self, task_id: str, grant: ExchangeGrant) -> tuple[str, ...]:
        """Return what must not be shown of a task's tokens, as far as this process knows it."""
        try:
            kept = self._tokens.kept(task_id)
        except NoToken:
            return ()
        key = f"{kept.mark}-{grant.id}"
        session = self._known.get(key)
        refresh = () if session is None or session.refresh is None else (session.refresh,)
        own = kept.authorization.get_secret_value()
        # The one before, too: whoever was shown it, or refused it, may repeat it now.
        mine = (*self._shown.get(key, ()), *refresh)
        return (own, own.partition(" ")[2], *(each.get_secret_value() for each in mine))

    def over(self, task_id: str) -> None:
        """Drop what was got for a task that has ended, unless other tasks of the same token use it too."""
        if not self._grants:
            return
        try:
            mark = self._tokens.kept(task_id).mark
        except NoToken:
            return  # housekeeping finds its uses (`sustain`)
        for grant_id in self._grants:
            key = f"{mark}-{grant_id}"
            if self._sessions.drop_use(key, task_id):
                self._forget(key)

    def sustain(self, tasks: TaskStore) -> None:
        """Renew what tasks will need that ask for nothing themselves at the moment, and drop what none needs.

        A refresh token that is not used for long may end; a caller's token that has not been exchanged before its own
        end cannot be any more. A bounded number of tasks, and a bounded time, at once; the rest next time.
        """
        until = self._clock.monotonic() + _SUSTAIN_SECONDS
        page, self._seen = self._sessions.uses(self._seen)
        for _, key, task_id in page:
            record = tasks.get(task_id, head=True)
            if record is None or (record.state.finished and not self._is_kept(task_id)):
                if self._sessions.drop_use(key, task_id):
                    self._forget(key)
            elif not record.state.finished and self._clock.monotonic() < until:
                self._try(task_id, key.rpartition("-")[2], until)

    def foresee(self, task_id: str, grants: Collection[str]) -> None:
        """Exchange the caller's token of a task that still waits, so that the task may wait longer than it lives.

        Args:
            task_id: the task.
            grants: ids of those by which the instances are spoken to that it may go to: nobody else sees the token.
        """
        until = self._clock.monotonic() + _SUSTAIN_SECONDS
        for grant_id in sorted(grants):
            self._try(task_id, grant_id, until)

    def _try(self, task_id: str, grant_id: str, until: float) -> None:
        grant = self._grants.get(grant_id)
        if grant is not None:
            with suppress(NoToken):  # who needs it will say so
                self.token(task_id, grant, until)

    def _is_kept(self, task_id: str) -> bool:
        try:
            self._tokens.kept(task_id)
        except TokenOver:
            return False
        except TokenSealed:
            return True
        return True

    def _renewed(self, key: str, kept: Kept, grant: ExchangeGrant, time: Time) -> Session:
        """Return a session that can be used, renewed by us or by whoever is at it."""
        self._save(key)
        while True:
            now, session = self._clock.now(), self._sessions.read(key)
            usable = session.is_usable(now) and not self._is_bad(session)
            if usable and (
                not session.is_due(now) or session.is_claimed(now) or self._servers.paused(grant) is not None
            ):
                return self._remembered(session)
            paused = self._servers.paused(grant)
            if paused is not None:
                raise TokenSealed(paused)
            if not session.is_claimed(now):
                claimed = self._sessions.claim(session)
                if claimed is not None:
                    return self._asked(claimed, kept, grant, time, usable=usable)
            elif self._clock.monotonic() >= time.limit:
                raise TokenSealed("another process is getting its token")
            else:
                self._clock.wait(threading.Event(), _POLL_SECONDS)

    def _asked(self, session: Session, kept: Kept, grant: ExchangeGrant, time: Time, *, usable: bool) -> Session:
        """Renew a session that we have claimed, or use it as it is where that fails and it still can be used."""
        try:
            granted = self._servers.get(session, kept, grant, time.limit)
        except Declined as refusal:
            self._sessions.release(session, without_refresh=True)
            if usable:
                return self._remembered(session)
            raise TokenOver(str(refusal)) from None
        except DownstreamError as error:
            released = self._sessions.release(session)
            failure = self._servers.failed(grant, error, time)
            if usable and released is not None:
                return self._remembered(released)
            raise TokenSealed(failure) from None
        # Its refresh token may be spent: what came must not be lost to a store that is away for a moment.
        self._unsaved[session.key] = session, granted
        self._save(session.key)
        return self._known.get(session.key) or self._sessions.read(session.key)

    def _save(self, key: str) -> None:
        """Store what was got and is not stored yet."""
        waiting = self._unsaved.get(key)
        if waiting is None:
            return
        renewed = self._sessions.redeem(*waiting)
        del self._unsaved[key]
        if renewed is not None:  # else the claim was lost to another process, whose token counts
            self._remembered(renewed)

    def _is_bad(self, session: Session) -> bool:
        token, _ = self._bad.get(session.key, ("", 0.0))
        return session.access is not None and session.access.get_secret_value() == token

    def _remembered(self, session: Session) -> Session:
        with self._lock:
            self._known[session.key] = session
            self._known.move_to_end(session.key)
            shown = self._shown.get(session.key, ())
            if session.access is not None and session.access not in shown:
                self._shown[session.key] = (*shown[-1:], session.access)
            while len(self._known) > _MOST_KEPT:
                key, _ = self._known.popitem(last=False)
                self._bad.pop(key, None)
                self._shown.pop(key, None)
        return session

    def _forget(self, key: str) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._bad.pop(key, None)
            self._shown.pop(key, None)
