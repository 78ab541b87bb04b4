"""The GA4GH Service Registries of the configuration: asked in the background, their last answers kept in the store."""

import logging
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from protes.clock import Clock
from protes.config.instances import Declared, RegistrySettings
from protes.config.loading import ConfigError
from protes.federation.merge import Listed
from protes.store.protocols import Records
from service_registry_client import (
    CachedRegistry,
    ExternalService,
    InvalidURL,
    RegistryClient,
    Snapshot,
    filter_services,
)

logger = logging.getLogger(__name__)

_KIND = "registry"


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
        for url, cached in self._cached.items():
            stored = records.get(_KIND, url, clock.now())
            if stored is not None and _loads(cached, stored.value["answer"]):
                self._kept[url] = stored.value["answer"]

    def listed(self) -> tuple[tuple[Listed, ...], bool]:
        """Return the TES instances listed now, and whether every registry has answered; waits for nothing.

        A registry whose answer has expired is asked again in the background.
        """
        found: list[Listed] = []
        complete = True
        for settings in self._settings:
            snapshot = self._cached[settings.url].services(wait_seconds=0)
            complete = complete and snapshot.fetched_at is not None
            services = filter_services(
                snapshot.services, group=settings.group, artifact=settings.artifact, version=settings.version
            )
            found.extend(Listed(each.url, each.name, _declared(each)) for each in services)
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


def _cached(settings: RegistrySettings, environ: Mapping[str, str], clock: Clock) -> CachedRegistry:
    token = environ.get(settings.token_env) if settings.token_env else None
    if settings.token_env and not token:
        raise ConfigError(f"custom.registries: the environment variable {settings.token_env} is not set")
    try:
        client = RegistryClient(settings.url, token=token)
    except InvalidURL as problem:
        raise ConfigError(f"custom.registries: url: {problem}") from None
    return CachedRegistry(
        client,
        ttl_seconds=settings.refresh_seconds,
        max_stale_seconds=settings.max_stale_seconds,
        clock=clock.monotonic,
        now=clock.now,
    )


def _declared(service: ExternalService) -> Declared:
    """Read the extension field `protes` of an entry; one that does not fit is ignored, never the entry."""
    try:
        return Declared.model_validate(service.extra.get("protes", {}))
    except ValidationError as problem:
        logger.warning("registry entry %s: its field protes is ignored: %d errors", service.url, problem.error_count())
        return Declared()


def _loads(cached: CachedRegistry, answer: str) -> bool:
    try:
        return cached.load(answer)
    except ValueError:
        logger.warning("the stored answer of registry %s cannot be read; it is asked anew", cached.url)
        return False
