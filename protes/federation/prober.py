"""Find out where and in which dialect an instance speaks TES, and whether it still does."""

import logging
import random
from dataclasses import replace
from datetime import timedelta

from protes.clock import Clock
from protes.config.federation import HealthSettings
from protes.config.instances import InstanceSettings
from protes.federation.clients import Clients
from protes.federation.found import probed_of
from protes.federation.known import KnownInstance, Probed
from protes.tes.errors import BadAnswer, ConnectionLost, DownstreamError, TimedOut, Unreachable
from protes.tes.probe import probe
from protes.tes.timeouts import Timeouts

logger = logging.getLogger(__name__)

# Short: what does not answer service-info soon is asked again later, and holds a thread meanwhile.
_TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, get_seconds=5)
_FIRST_RETRY_SECONDS = 1.0
_LAST_RETRY_SECONDS = 15.0
"""Of an instance that was there: what waits for it should not wait much longer than the outage lasts."""
_LAST_SEARCH_SECONDS = 600.0
"""Of an address where nothing was ever found: registries list many of those."""
_JITTER = 0.2


class Prober:
    """Probes instances, with GET only."""

    def __init__(
        self, health: HealthSettings, clients: Clients, clock: Clock, jitter: random.Random | None = None
    ) -> None:
        """Probe with the clients' transports; `jitter` keeps many gateways from asking at once."""
        self._health = health
        self._clients = clients
        self._clock = clock
        self._random = jitter or random.Random()  # noqa: S311 (not for secrets)

    def probe(self, instance: KnownInstance) -> tuple[Probed, DownstreamError | None]:
        """Probe an instance; what an earlier probe found is kept where this one finds nothing.

        Returns:
            What is known now, and why nothing was found, if nothing was.
        """
        settings, before = instance.settings, instance.probed
        try:
            transport = self._clients.transport(instance)
            found = probe(transport.at(transport.base_url, _TIMEOUTS))
        except DownstreamError as error:
            return self._failed(settings, before, error), error
        except ValueError as error:
            # Not an address that can be spoken to; registries list such.
            return self._failed(settings, before, BadAnswer(str(error))), None
        now = self._clock.now()
        if before is None or not before.ok:
            logger.info("instance %s answers at %s, dialect %s", settings.id, found.base_url, found.dialect)
        return probed_of(found, settings.id, now, now + self._varied(self._health.probe_seconds)), None

    def _failed(self, settings: InstanceSettings, before: Probed | None, error: DownstreamError) -> Probed:
        now = self._clock.now()
        failures = (before.failures if before else 0) + 1
        longest = _LAST_RETRY_SECONDS if before is not None and before.base_url else _LAST_SEARCH_SECONDS
        pause = min(longest, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10))
        if failures == 1:
            logger.warning("instance %s does not answer: %s", settings.id, error.text)
        return replace(
            before or Probed(ok=False, at=now, next_at=now),
            ok=False,
            at=now,
            next_at=now + self._varied(pause),
            failures=failures,
            error=error.text,
            silent=isinstance(error, Unreachable | TimedOut | ConnectionLost),
        )

    def _varied(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds * (1 + _JITTER * (2 * self._random.random() - 1)))
