"""Callers by name and password (RFC 7617)."""

import hmac
import secrets
import threading
from base64 import b64decode
from binascii import Error as NotBase64
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import TypeVar

from protes.api.callers import Caller
from protes.auth.passwords import LONGEST_PASSWORD, User, is_password

_AT_ONCE = 2
"""Hashing takes 32 MB and a tenth of a second: a crowd that guesses must not take all of a machine."""
_PATIENCE_SECONDS = 5.0
_MOST_WAITING = 16
_MOST_REMEMBERED = 4096


_NOBODY = Caller()
_T = TypeVar("_T")


class WrongPassword(Exception):
    """There is no such user, or the password is another; which of the two is not said."""


class Busy(Exception):
    """Too many passwords are being checked."""


class Passwords:
    """Tells who a name and a password are. Safe under threads.

    What was found right or wrong is remembered as a keyed digest, with a key that lives as long as this object: an
    engine's requests cost one hash, and so does a client that repeats a wrong password for ever.
    """

    def __init__(self, users: Mapping[str, User], most_waiting: int = _MOST_WAITING) -> None:
        """Know these users.

        Args:
            users: by name.
            most_waiting: credentials that may wait to be checked: who guesses must not hold every thread of the server.
        """
        self._users = users
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._right: OrderedDict[bytes, Caller] = OrderedDict()
        # Apart: whoever guesses must not have others' passwords checked anew.
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._most_waiting = most_waiting
        self._waiting: Counter[bytes] = Counter()

    def caller_of(self, credential: str) -> Caller:
        """Return who shows a credential, as the header has it.

        Raises:
            WrongPassword: nobody.
            Busy: it could not be checked soon.
        """
        digest = hmac.digest(self._key, credential.encode(), "sha256")
        caller = self._known(digest)
        if caller is None:
            caller = self._checked(credential, digest)
        if caller is _NOBODY:
            raise WrongPassword
        return caller

    def _known(self, digest: bytes) -> Caller | None:
        """Return who showed this before, `_NOBODY` where it was wrong; None where nobody has."""
        with self._lock:
            return self._right.get(digest) or (_NOBODY if digest in self._wrong else None)

    def _checked(self, credential: str, digest: bytes) -> Caller:
        try:
            name, colon, password = b64decode(credential, validate=True).decode().partition(":")
        except (NotBase64, ValueError):
            return _NOBODY
        if not colon or len(password.encode()) > LONGEST_PASSWORD:
            return _NOBODY
        if not self._awaits_turn(digest):
            raise Busy
        try:
            # Whoever had the turn before may have shown the same: an engine begins with many requests at once.
            known = self._known(digest)
            return known if known is not None else self._hashed(name, password, digest)
        finally:
            self._turns.release()

    def _awaits_turn(self, digest: bytes) -> bool:
        """Wait for a turn; False where there is none soon, or too many others wait already.

        An engine's many requests wait for one hash, and count as one.
        """
        with self._lock:
            if digest not in self._waiting and len(self._waiting) >= self._most_waiting:
                return False
            self._waiting[digest] += 1
        try:
            return self._turns.acquire(timeout=_PATIENCE_SECONDS)
        finally:
            with self._lock:
                self._waiting[digest] -= 1
                if not self._waiting[digest]:
                    del self._waiting[digest]

    def _hashed(self, name: str, password: str, digest: bytes) -> Caller:
        user = self._users.get(name)
        right = is_password(user, password)
        with self._lock:
            if right and user is not None:
                _remember(self._right, digest, user.caller)
                return user.caller
            _remember(self._wrong, digest, None)
            return _NOBODY


def _remember(known: OrderedDict[bytes, _T], digest: bytes, value: _T) -> None:
    known[digest] = value
    while len(known) > _MOST_REMEMBERED:
        known.popitem(last=False)
