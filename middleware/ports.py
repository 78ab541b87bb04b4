"""Ports: the only ways to the outside that a middleware has. Implemented by the gateway, faked in tests.

A port answers from its cache or within a deadline of its own; what it cannot find out is None, never an exception, so
that a silent source degrades an estimate and not a task.
"""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["DrsObject", "DrsPort", "Replica", "SignerPort", "SizePort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One place where an object can be read."""

    url: str
    zone: str | None = None
    """`cloud:region` where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrsObject:
    """What a DRS server says of an object (GA4GH DRS `DrsObject`)."""

    size_bytes: int | None
    replicas: tuple[Replica, ...]


class DrsPort(Protocol):
    """Resolves `drs://` URIs."""

    def resolve(self, uri: str) -> DrsObject | None:
        """Return the object, or None where it cannot be resolved now."""


class SizePort(Protocol):
    """Finds sizes of inputs."""

    def size_bytes(self, url: str) -> int | None:
        """Return the size in bytes, or None where it cannot be found now."""


class SignerPort(Protocol):
    """Makes URLs that an instance can use without credentials of its own."""

    def sign(self, url: str, seconds: int) -> str | None:
        """Return a URL valid for so many seconds, or None where it cannot be signed."""
