"""One pooled client per instance, made when first needed and closed with the federation."""

import threading
from collections.abc import Mapping
from dataclasses import replace

from protes.clock import Clock
from protes.config.instances import InstanceSettings
from protes.config.settings import Settings
from protes.federation.secrets import credentials_of
from protes.tes.client import InstanceClient
from protes.tes.credentials import NoCredentials
from protes.tes.dialects.table import dialect_named
from protes.tes.transport import Transport

_MOST_ANSWER_BYTES = 64 * 1024 * 1024


class Clients:
    """The clients by base URL."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        """Read the credentials of all configured instances, so that a missing secret stops the start.

        Raises:
            ConfigError: a secret cannot be read.
        """
        self._relay = settings.relay
        self._dispatch = settings.dispatch
        self._clock = clock
        self._credentials = {each.id: credentials_of(each, environ) for each in settings.instances}
        self._clients: dict[tuple[str, str], InstanceClient] = {}
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def get(self, base_url: str, dialect: str, settings: InstanceSettings | None) -> InstanceClient:
        """Return the client for a base URL; `settings` is None for an instance that has left the federation."""
        with self._lock:
            client = self._clients.get((base_url, dialect))
            if client is None:
                made_of = dialect_named(dialect)
                transport = self._transport(base_url, settings)
                timeouts = replace(made_of.timeouts, post_seconds=self._post_seconds(made_of.timeouts.post_seconds))
                client = InstanceClient(
                    transport.at(base_url, timeouts), made_of, self._clock, tail_bytes=self._relay.log_tail_bytes
                )
                self._clients[base_url, dialect] = client
            return client

    def transport(self, base_url: str, settings: InstanceSettings | None) -> Transport:
        """Return the transport to a URL, for probing."""
        with self._lock:
            return self._transport(base_url, settings)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
            self._clients.clear()

    def _post_seconds(self, wanted: float) -> float:
        """A lease outlasts a POST, whatever its dialect would allow (DispatchSettings checks that it does)."""
        return min(wanted, self._dispatch.create_seconds)

    def _transport(self, base_url: str, settings: InstanceSettings | None) -> Transport:
        if base_url not in self._transports:
            credentials = self._credentials.get(settings.id) if settings else None
            self._transports[base_url] = Transport(
                base_url,
                credentials or NoCredentials(),
                max_body_bytes=_MOST_ANSWER_BYTES,
                verify=settings.verify_tls if settings else True,
                clock=self._clock,
            )
        return self._transports[base_url]
