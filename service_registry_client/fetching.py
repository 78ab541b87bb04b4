"""What a cache fetches of a registry: all of its services, or those that it vouches for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service_registry_client.client import RegistryClient
from service_registry_client.filters import verified_services
from service_registry_client.models import Listing
from service_registry_client.parsing import limit_warnings


@dataclass(frozen=True)
class Fetched:
    """An answer to be kept.

    Attributes:
        listing: What is kept.
        empty: Whether the registry listed nothing at all, which is different from nothing that is wanted.
    """

    listing: Listing
    empty: bool


class Fetcher:
    """Fetches one registry; by one thread at a time.

    Args:
        client: The registry.
        verified_only: Whether only services are kept that the registry's verifications vouch for. Then a fetch is two
            calls, and fails if either does.
    """

    def __init__(self, client: RegistryClient, verified_only: bool) -> None:
        self._client = client
        self._verified_only = verified_only
        self._unfiltered: Listing | None = None

    def fetch(self, previous: Listing | None) -> Fetched:
        """Ask the registry; `previous` is what was kept of the last answer.

        Raises:
            RegistryError: Any of its kinds.
        """
        if not self._verified_only:
            listing = self._client.services(previous)
            return Fetched(listing, empty=not listing.services)
        # What was kept is not the list that an ETag of the registry speaks of, so that is remembered here.
        listing = self._unfiltered = self._client.services(self._unfiltered)
        verified = verified_services(listing, self._client.verifications())
        left_out = len(listing) - len(verified)
        warnings = [f"left out as the registry has not verified them: {left_out}"] if left_out else []
        warnings = [*warnings, *listing.warnings]
        kept = replace(listing, services=verified, warnings=limit_warnings(warnings))
        return Fetched(kept, empty=not listing.services)
