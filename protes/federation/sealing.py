"""Encrypts what must not lie open in the store (Fernet), and says whose it is."""

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr


class Sealer:
    """Seals with the first of its keys, opens with any of them. Safe under threads.

    Attributes:
        usable: whether there is a key.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Take keys, the newest first; without any nothing is sealed, and nothing opens."""
        self.usable = bool(keys)
        self._cipher = MultiFernet([Fernet(each.get_secret_value()) for each in keys]) if keys else None
        self._key = keys[0].get_secret_value().encode() if keys else b""

    def seal(self, owner: str, value: Mapping[str, Any]) -> str:
        """Encrypt a value together with whose it is: in another one's place it is of no use.

        Raises:
            ValueError: there is no key.
        """
        if self._cipher is None:
            raise ValueError("there is no key to encrypt with")
        whole = json.dumps({**value, "task": owner})
        return self._cipher.encrypt(whole.encode()).decode("ascii")

    def open(self, owner: str, sealed: str) -> dict[str, Any] | None:
        """Return what was sealed for this very owner; None where none of the keys opens it."""
        if self._cipher is None:
            return None
        try:
            whole = json.loads(self._cipher.decrypt(sealed.encode("ascii")))
        except (InvalidToken, ValueError):
            return None
        return whole if isinstance(whole, dict) and whole.get("task") == owner else None

    def mark(self, text: SecretStr) -> str:
        """Return what tells texts apart and says nothing of them to who lacks the key; "" without keys."""
        if not self.usable:
            return ""
        return hmac.new(self._key, text.get_secret_value().encode(), "sha256").hexdigest()
