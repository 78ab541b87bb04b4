"""Find out where and in which dialect an instance speaks TES, and whether it still does."""

import logging
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from protes.clock import Clock
from protes.config.instances import Declared, InstanceSettings
from protes.federation.clients import Clients
from protes.federation.known import Probed
from protes.tes.errors import DownstreamError
from protes.tes.probe import Probe, probe
from protes.tes.timeouts import Timeouts

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 300.0
# Short: what does not answer service-info soon is asked again later, and holds a thread meanwhile.
_TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, get_seconds=5)
_FIRST_RETRY_SECONDS = 1.0
_LAST_RETRY_SECONDS = 60.0
_JITTER = 0.2


class Prober:
    """Probes instances, with GET only."""

    def __init__(self, clients: Clients, clock: Clock, jitter: random.Random | None = None) -> None:
        """Probe with the clients' transports; `jitter` keeps many gateways from asking at once."""
        self._clients = clients
        self._clock = clock
        self._random = jitter or random.Random()  # noqa: S311 (not for secrets)

    def probe(self, settings: InstanceSettings, before: Probed | None) -> Probed:
        """Probe an instance; what an earlier probe found is kept where this one finds nothing."""
        try:
            transport = self._clients.transport(settings.url, settings)
            found = probe(transport.at(transport.base_url, _TIMEOUTS))
        except (DownstreamError, ValueError) as error:
            return self._failed(settings, before, error)
        now = self._clock.now()
        if before is None or not before.ok:
            logger.info("instance %s answers at %s, dialect %s", settings.id, found.base_url, found.dialect)
        return Probed(
            ok=True,
            at=now,
            next_at=now + self._varied(_AGAIN_SECONDS),
            heard_at=now,
            base_url=found.base_url,
            dialect=found.dialect,
            version=_version(found),
            storage=_strings(found, "storage"),
            backend_parameters=_strings(found, "tesResources_backend_parameters"),
            gateway_id=found.gateway_id,
            declared=_declared(settings, found),
            error="it wants other credentials" if found.auth_required else None,
        )

    def _failed(self, settings: InstanceSettings, before: Probed | None, error: Exception) -> Probed:
        now = self._clock.now()
        failures = (before.failures if before else 0) + 1
        pause = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10))
        text = error.text if isinstance(error, DownstreamError) else str(error)
        if failures == 1:
            logger.warning("instance %s does not answer: %s", settings.id, text)
        return Probed(
            ok=False,
            at=now,
            next_at=now + self._varied(pause),
            heard_at=before.heard_at if before else None,
            failures=failures,
            base_url=before.base_url if before else None,
            dialect=before.dialect if before else None,
            version=before.version if before else None,
            storage=before.storage if before else (),
            backend_parameters=before.backend_parameters if before else (),
            gateway_id=before.gateway_id if before else None,
            declared=before.declared if before else {},
            error=text,
        )

    def _varied(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds * (1 + _JITTER * (2 * self._random.random() - 1)))


def _declared(settings: InstanceSettings, found: Probe) -> Mapping[str, Any]:
    """Read the extension field `protes` of service-info; one that does not fit is ignored, never the instance."""
    said = found.service_info.get("protes")
    if said is None:
        return {}
    try:
        return Declared.model_validate(said).model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    except ValidationError as problem:
        logger.warning("%s: protes in its service-info is ignored: %d errors", settings.id, problem.error_count())
        return {}


def _version(found: Probe) -> str | None:
    version = found.service_info.get("version")
    return str(version)[:60] if isinstance(version, (str, int, float)) else None


def _strings(found: Probe, field: str) -> tuple[str, ...]:
    values: Any = found.service_info.get(field)
    return tuple(each for each in values if isinstance(each, str) and each) if isinstance(values, list) else ()
