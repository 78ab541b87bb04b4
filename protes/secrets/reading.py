"""Reads secrets by reference, each from its source."""

import threading
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from protes.secrets.key_vault import KeyVaults
from protes.secrets.references import ENVIRONMENT, FILE, KEY_VAULT, parse
from protes.secrets.source import Environment, Files, SecretSource

Maker = Callable[[], SecretSource]


class Secrets:
    """Reads them, each once: make a new one to have them read again. Safe under threads."""

    def __init__(self, environ: Mapping[str, str], key_vaults: Maker = KeyVaults) -> None:
        """Read nothing yet.

        Args:
            environ: the environment for `env:`.
            key_vaults: makes the source for `azure-key-vault:`, when it is first needed.
        """
        self._makers: dict[str, Maker] = {
            ENVIRONMENT: lambda: Environment(environ),
            FILE: Files,
            KEY_VAULT: key_vaults,
        }
        self._sources: dict[str, SecretSource] = {}
        self._read: dict[str, SecretStr] = {}
        self._lock = threading.Lock()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read."""
        return tuple(name for scheme, name in map(parse, tuple(self._read)) if scheme == FILE)

    def read(self, reference: str) -> SecretStr:
        """Return the secret that a reference names.

        Raises:
            ValueError: it is no reference.
            SecretMissing: the secret cannot be had; the text says where it was looked for.
        """
        scheme, name = parse(reference)
        with self._lock:
            if reference not in self._read:
                source = self._sources.get(scheme)
                if source is None:
                    source = self._sources[scheme] = self._makers[scheme]()
                self._read[reference] = source.read(name)
            return self._read[reference]
