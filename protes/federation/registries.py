"""The GA4GH Service Registries of the configuration: asked in the background, their last answers kept in the store."""

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from protes.clock import Clock
from protes.config.instances import RegistrySettings
from protes.config.loading import ConfigError
from protes.federation.found import declared_of
from protes.federation.merge import Listed
from protes.store.protocols import Records
from protes.tes.addresses import is_public
from protes.tes.urls import same_server
from service_registry_client import (
    CachedRegistry,
    ExternalService,
    InvalidURL,
    RegistryClient,
    RegistryTree,
    Snapshot,
    filter_services,
)

logger = logging.getLogger(__name__)

_KIND = "registry"
_PRIVATE_NAMES = ("localhost", ".localhost", ".local", ".internal", ".svc")


@dataclass(frozen=True, slots=True)
class _Read:
    """What was made of a registry's services; they are read again only when they have changed."""

    services: tuple[ExternalService, ...]
    listed: tuple[Listed, ...]


class Registries:
    """All registries together."""

    def __init__(
        self, settings: Sequence[RegistrySettings], environ: Mapping[str, str], records: Records, clock: Clock
    ) -> None:
        """Take over what the store kept of each registry; nothing is asked yet.

        Raises:
            ConfigError: a registry's URL is none, or its token is not in the environment.
        """
        self._settings = tuple(settings)
        self._records = records
        self._clock = clock
        self._cached = {each.url: _cached(each, environ, clock) for each in settings}
        self._kept: dict[str, str] = {}
        self._read: dict[str, _Read] = {}
        for url, cached in self._cached.items():
            stored = records.get(_KIND, url, clock.now())
            if stored is not None and _loads(cached, stored.value["answer"]):
                self._kept[url] = stored.value["answer"]

    def listed(self) -> tuple[tuple[tuple[Listed, ...], ...], bool]:
        """Return the TES instances that each registry lists now, and whether all have answered; waits for nothing.

        A registry whose answer has expired is asked again in the background. As long as a registry says the same, its
        tuple is the same object.
        """
        found: list[tuple[Listed, ...]] = []
        complete = True
        for settings in self._settings:
            cached = self._cached[settings.url]
            snapshot = cached.services(wait_seconds=0)
            complete = complete and snapshot.fetched_at is not None and not snapshot.pending
            read = self._read.get(settings.url)
            # Quick although they may be thousands: what has not changed is the same object.
            if read is None or read.services != snapshot.services:
                read = self._read[settings.url] = _Read(
                    snapshot.services, _listed(settings, cached.url, snapshot.services)
                )
            found.append(read.listed)
        return tuple(found), complete

    def keep(self) -> None:
        """Write answers that have changed to the store, for the next start and for other processes."""
        for url, cached in self._cached.items():
            answer = cached.dump()
            if answer != self._kept.get(url) and cached.services(wait_seconds=0).fetched_at is not None:
                self._records.put(_KIND, url, {"answer": answer}, self._clock.now())
                self._kept[url] = answer

    def refresh(self) -> Mapping[str, Snapshot]:
        """Ask every registry now, one after the other, and return what each has."""
        return {url: cached.refresh(force=True) for url, cached in self._cached.items()}

    def close(self) -> None:
        """Stop asking."""
        for cached in self._cached.values():
            cached.close()


def _cached(settings: RegistrySettings, environ: Mapping[str, str], clock: Clock) -> CachedRegistry | RegistryTree:
    token = environ.get(settings.token_env) if settings.token_env else None
    if settings.token_env and not token:
        raise ConfigError(f"custom.registries: the environment variable {settings.token_env} is not set")
    try:
        # The registry itself is the operator's choice; those that it lists are not.
        guarded = settings.nested and not _is_trusted(settings)
        client = RegistryClient(settings.url, token=token, allow_address=is_public if guarded else None)
    except InvalidURL as problem:
        raise ConfigError(f"custom.registries: url: {problem}") from None
    except ValueError as problem:
        raise ConfigError(f"custom.registries: {settings.url}: token_env: {problem}") from None
    registry = CachedRegistry(
        client,
        verified_only=settings.verified,
        ttl_seconds=settings.refresh_seconds,
        max_stale_seconds=settings.max_stale_seconds,
        clock=clock.monotonic,
        now=clock.now,
    )
    return RegistryTree(registry, clock=clock.monotonic) if settings.nested else registry


def _listed(settings: RegistrySettings, root: str, services: tuple[ExternalService, ...]) -> tuple[Listed, ...]:
    trusted = _is_trusted(settings)
    wanted = filter_services(services, group=settings.group, artifact=settings.artifact, version=settings.version)
    return tuple(
        Listed(
            each.url,
            each.name,
            declared_of(each.extra.get("protes"), each.url),
            tuple(dict.fromkeys((each.provenance.registry, root))),
            each.document(),
            trusted,
            _address(each),
        )
        for each in wanted
    )


def _address(service: ExternalService) -> str:
    """Return where to look for the instance first; the entry's word for it counts on the server that it names."""
    preferred = service.preferred_url
    return preferred if same_server(preferred, service.url) else service.url


def _is_trusted(settings: RegistrySettings) -> bool:
    return is_private(settings.url) if settings.allow_private is None else settings.allow_private


def is_private(url: str) -> bool:
    """Tell by its URL whether a registry is in the operator's own network: its host is a private address or name."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES)


def _loads(cached: CachedRegistry | RegistryTree, answer: str) -> bool:
    try:
        return cached.load(answer)
    except ValueError:
        logger.warning("the stored answer of registry %s cannot be read; it is asked anew", cached.url)
        return False
