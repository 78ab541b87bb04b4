"""The port that secrets come through, and its two simplest implementations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


class SecretMissing(Exception):
    """A secret cannot be had; the text says where it was looked for, and shows nothing of it."""


class SecretSource(Protocol):
    """Where secrets are kept. Safe under threads."""

    def read(self, name: str) -> SecretStr:
        """Return the secret of a name as it is now, without white space at its ends; never empty.

        Raises:
            SecretMissing: it cannot be had; the text begins with where.
        """


class Environment:
    """Variables of the process's environment: `env:NAME`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read from `environ`."""
        self._environ = environ

    def read(self, name: str) -> SecretStr:
        """Return the value of a variable."""
        value = self._environ.get(name, "").strip()
        if not value:
            raise SecretMissing(f"the environment variable {name} is not set")
        return SecretStr(value)


class Files:
    """Files, such as those that Docker, Kubernetes and systemd provide: `file:PATH`."""

    def read(self, name: str) -> SecretStr:
        """Return the content of a file."""
        try:
            value = Path(name).read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise SecretMissing(f"the file {name} is no text") from None
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else "its name is none"
            raise SecretMissing(f"the file {name} cannot be read: {why}") from None
        if not value:
            raise SecretMissing(f"the file {name} is empty")
        return SecretStr(value)
