"""The GA4GH Service Registries of the configuration: asked in the background, their last answers kept in the store."""

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from protes.clock import Clock
from protes.config.instances import RegistrySettings
from protes.config.loading import ConfigError, read_token
from protes.config.outbound import OutboundSettings
from protes.federation.found import declared_of
from protes.federation.guards import listed_guard
from protes.federation.merge import Listed
from protes.outbound.tls import BadTls, tls_of
from protes.secrets import Secrets
from protes.store.protocols import Records
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
        self,
        settings: Sequence[RegistrySettings],
        environ: Mapping[str, str],
        records: Records,
        clock: Clock,
        outbound: OutboundSettings | None = None,
    ) -> None:
        """Take over what the store kept of each registry; nothing is asked yet.

        Raises:
            ConfigError: a registry's URL is none, its token is not in the environment, or its CA bundle is none.
        """
        secrets, outbound = Secrets(environ), outbound or OutboundSettings()
        self._settings = tuple(settings)
        self._records = records
        self._clock = clock
        self._cached = {each.url: _cached(each, secrets, clock, outbound) for each in settings}
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

    def snapshots(self) -> Mapping[str, Snapshot]:
        """Return what is known of each registry, by URL; waits for nothing."""
        return {url: cached.services(wait_seconds=0) for url, cached in self._cached.items()}

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


def _cached(
    settings: RegistrySettings, secrets: Secrets, clock: Clock, outbound: OutboundSettings
) -> CachedRegistry | RegistryTree:
    found = read_token(settings.token, settings.token_env, secrets, f"custom.registries: {settings.url}")
    token = found.get_secret_value() if found is not None else None
    try:
        # The registry itself is the operator's choice; those that it lists are not.
        guarded = settings.nested and not _is_trusted(settings)
        client = RegistryClient(
            settings.url,
            token=token,
            allow_address=listed_guard(outbound).rules.allows if guarded else None,
            allow_url=None if _takes_http(settings) else _is_https,
            tls=tls_of(outbound, settings).context(),
        )
    except InvalidURL as problem:
        raise ConfigError(f"custom.registries: url: {problem}") from None
    except BadTls as problem:
        raise ConfigError(f"custom.registries: {settings.url}: {problem}") from None
    except ValueError as problem:
        raise ConfigError(f"custom.registries: {settings.url}: token: {problem}") from None
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
    if not _takes_http(settings):
        found = wanted
        wanted = tuple(each for each in found if _is_https(each.url))
        if len(wanted) < len(found):
            logger.warning(
                "registry %s lists %d instances at plain http, which are not taken (registries[].allow_http)",
                root,
                len(found) - len(wanted),
            )
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


def _takes_http(settings: RegistrySettings) -> bool:
    """Tell whether instances and registries at plain http are taken from a registry."""
    if settings.allow_http is not None:
        return settings.allow_http
    return not _is_https(settings.url) or _is_trusted(settings)


def _is_https(url: str) -> bool:
    return urlsplit(url.strip()).scheme == "https"


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
