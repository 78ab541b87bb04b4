"""What token exchanges gave, as it lies in the store: encrypted, shared by the tasks of one caller's token.

A session is what was got for one token of a caller from one token server. The processes of a gateway share it. Whoever
renews it claims it first (compare-and-set), so that a refresh token that may be used once is used once; a claim that is
not redeemed in time is anybody's. A session is removed with the last task that used it.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from protes.clock import Clock
from protes.federation.sealing import Sealer
from protes.store.protocols import Conflict, Records
from protes.tes.credentials import TokenSealed
from protes.tes.token_server import Granted

KIND, USE_KIND = "exchanged-token", "exchanged-token-use"

_CLAIM = timedelta(seconds=30)
"""Longer than any request to a token server may take."""
_LONGEST = timedelta(days=30)
_MARGIN_SECONDS = 300.0
_LAST_SECONDS = 60.0
_MOST_NOTED = 50_000
_PAGE = 500
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = "what its caller's token was exchanged for cannot be decrypted for now (server.secret_key)"


@dataclass(frozen=True, slots=True)
class Session:
    """What is stored of one session.

    Attributes:
        key: its key.
        version: of the record, for compare-and-set; 0 where there is none.
        access: the token that instances are shown; None before the first.
        ends: when that ends.
        lifetime_seconds: how long it lived when it was new.
        refresh: what the next one is got for; None where there is nothing.
        claimed_until: until when somebody is renewing it, or None.
    """

    key: str
    version: int = 0
    access: SecretStr | None = None
    ends: datetime = _NEVER
    lifetime_seconds: float = 0.0
    refresh: SecretStr | None = None
    claimed_until: datetime | None = None

    def is_usable(self, now: datetime) -> bool:
        """Whether its token may be sent."""
        return self.access is not None and self._left(now) > min(_LAST_SECONDS, self.lifetime_seconds / 4)

    def is_due(self, now: datetime) -> bool:
        """Whether its token should be renewed."""
        return self.access is None or self._left(now) <= min(_MARGIN_SECONDS, self.lifetime_seconds / 2)

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody is renewing it; a claim that reaches further than claims do is of a clock that was wrong."""
        return self.claimed_until is not None and now < self.claimed_until <= now + _CLAIM

    def _left(self, now: datetime) -> float:
        return (self.ends - now).total_seconds()


class Sessions:
    """The sessions of all tasks. Safe under threads."""

    def __init__(self, records: Records, clock: Clock, sealer: Sealer) -> None:
        """Keep them in `records`, encrypted by `sealer`."""
        self._records = records
        self._clock = clock
        self._sealer = sealer
        self._noted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def read(self, key: str) -> Session:
        """Return a session as it is stored; an empty one where there is none.

        Raises:
            TokenSealed: this process lacks the key that it is encrypted with.
        """
        stored = self._records.get(KIND, key, self._clock.now())
        if stored is None:
            return Session(key)
        claimed = _time(stored.value.get("claimed_until"))
        if stored.value.get("sealed") is None:
            return Session(key, stored.version, claimed_until=claimed)
        opened = self._sealer.open(key, stored.value["sealed"])
        if opened is None:
            raise TokenSealed(_UNREADABLE)
        refresh = opened.get("refresh")
        return Session(
            key,
            stored.version,
            SecretStr(opened["access"]),
            datetime.fromtimestamp(opened["ends"], UTC),
            opened["lifetime"],
            SecretStr(refresh) if refresh is not None else None,
            claimed,
        )

    def claim(self, session: Session) -> Session | None:
        """Say that we renew a session; None where somebody else has changed it since it was read."""
        claimed = replace(session, claimed_until=self._clock.now() + _CLAIM)
        return self._written(claimed, _LONGEST if session.refresh is not None else _CLAIM + self._rest(session))

    def redeem(self, session: Session, granted: Granted) -> Session | None:
        """Store what a claimed session was renewed to; None where the claim was lost meanwhile, and it with it."""
        refresh = granted.refresh_token or session.refresh
        renewed = replace(
            session,
            access=granted.bearer.token,
            ends=datetime.fromtimestamp(granted.asked_timestamp, UTC) + timedelta(seconds=granted.lifetime_seconds),
            lifetime_seconds=granted.lifetime_seconds,
            refresh=refresh,
            claimed_until=None,
        )
        kept = timedelta(seconds=granted.lifetime_seconds)
        if refresh is not None:
            kept = max(kept, min(_LONGEST, timedelta(seconds=granted.refresh_seconds or _LONGEST.total_seconds())))
        return self._written(renewed, kept)

    def release(self, session: Session, *, without_refresh: bool = False) -> Session | None:
        """Give a claim back; `without_refresh` drops a refresh token that is of no use any more."""
        refresh = None if without_refresh else session.refresh
        after = replace(session, claimed_until=None, refresh=refresh)
        return self._written(after, _LONGEST if refresh is not None else _CLAIM + self._rest(session))

    def note_use(self, key: str, task_id: str) -> None:
        """Note that a task uses a session, so that it is there as long as the task is; once per process."""
        if (key, task_id) in self._noted:
            return
        now = self._clock.now()
        self._records.put(USE_KIND, f"{key}/{task_id}", {"task": task_id}, now, expires_at=now + _LONGEST)
        self._noted[key, task_id] = None
        while len(self._noted) > _MOST_NOTED:
            self._noted.popitem(last=False)

    def drop_use(self, key: str, task_id: str) -> bool:
        """Note that a task uses a session no more; return whether the session was removed with it.

        Whoever begins to use it at this very moment has to exchange the caller's token again, and can: it just came.
        """
        self._noted.pop((key, task_id), None)
        self._records.delete(USE_KIND, f"{key}/{task_id}")
        if self._records.scan(USE_KIND, f"{key}/", self._clock.now(), limit=1):
            return False
        self._records.delete(KIND, key)
        return True

    def uses(self, after: str) -> tuple[list[tuple[str, str, str]], str]:
        """Return a page of uses, as name, session's key and task's id, and after which name the next begins."""
        page = self._records.scan(USE_KIND, "", self._clock.now(), after=after, limit=_PAGE)
        found = [(each.key, *_parts(each.key)) for each in page]
        return found, page[-1].key if len(page) == _PAGE else ""

    def _rest(self, session: Session) -> timedelta:
        return max(timedelta(), session.ends - self._clock.now()) if session.access is not None else timedelta()

    def _written(self, session: Session, kept: timedelta) -> Session | None:
        now = self._clock.now()
        sealed = None
        if session.access is not None:
            refresh = session.refresh.get_secret_value() if session.refresh is not None else None
            whole = {
                "access": session.access.get_secret_value(),
                "ends": session.ends.timestamp(),
                "lifetime": session.lifetime_seconds,
                "refresh": refresh,
            }
            sealed = self._sealer.seal(session.key, whole)
        claimed = session.claimed_until.timestamp() if session.claimed_until is not None else None
        value = {"sealed": sealed, "claimed_until": claimed}
        try:
            version = self._records.put(
                KIND, session.key, value, now, expected_version=session.version, expires_at=now + kept
            )
        except Conflict:
            return None
        return replace(session, version=version)


def _parts(name: str) -> tuple[str, str]:
    key, _, task_id = name.partition("/")
    return key, task_id


def _time(timestamp: float | None) -> datetime | None:
    return datetime.fromtimestamp(timestamp, UTC) if timestamp is not None else None
