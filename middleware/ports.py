"""What is known of a task's data, and the ports through which a rewrite reaches the outside.

The gateway gathers what can be known of inputs (DRS, sizes, storage locations, outputs of earlier tasks) in parallel
and within a deadline *before* the chain runs, so that middleware stays pure; a silent source leaves something out and
never raises. Making a URL that an instance can fetch happens as late as possible, by a rewrite, through `AccessPort`
and `SignerPort`.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from middleware.candidate import Basis, Coordinates

__all__ = ["AccessPort", "DataObject", "Permission", "Replica", "SignerPort"]

Permission = Literal["read", "create", "write", "list"]
"""What a signed URL lets whoever has it do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One place where an input can be read."""

    url: str = field(repr=False)
    """Its URL; for a DRS access method without one, the `drs://` URI itself."""
    zone: str | None = None
    """`cloud:region` or an ISO 3166 country code where known."""
    coordinates: Coordinates | None = None
    """Where it is on earth, where known."""
    instance: str | None = None
    """Base URL of the instance that made it and has it beside it: nothing is transferred there."""
    available: bool = True
    """False where it lies in cold storage and has to be thawed first (DRS 1.5 `available`)."""
    access_id: str | None = None
    """The DRS access method that gives its URL at the time of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataObject:
    """What is known of an input before it is fetched."""

    size_bytes: int | None = None
    """Size; None is missing."""
    size_basis: Basis = "reported"
    replicas: tuple[Replica, ...] = ()
    """Where it can be read; empty means only at the task's own URL, in an unknown zone."""


class AccessPort(Protocol):
    """Makes URLs that an instance can use."""

    def access(self, url: str, replica: Replica | None, schemes: frozenset[str] | None) -> str | None:
        """Return a URL for a `drs://` input that needs no credentials of ours, or None where there is none now.

        Args:
            url: The input's URL as the client gave it.
            replica: The replica chosen for it, None for any.
            schemes: The URL schemes that the instance takes; None means that it does not say.
        """


class SignerPort(Protocol):
    """Makes URLs of private objects that whoever has them can use for a while."""

    def signed(
        self, url: str, permissions: frozenset[Permission], seconds: float | None = None, *, below: bool = False
    ) -> str | None:
        """Return the URL with a signature, or None where the signer is not for it.

        Args:
            url: An object's URL without query, percent-encoded.
            permissions: What the URL is to allow.
            seconds: How long it is to be good; None for as long as the operator says.
            below: The URL stands for a directory: what lies below it is to be usable too.
        """
