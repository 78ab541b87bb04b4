"""One pooled client per instance, made when first needed and closed with the federation."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from protes.clock import Clock
from protes.config.credentials import OF_CALLERS
from protes.config.credentials import Credentials as CredentialSettings
from protes.config.instances import InstanceSettings
from protes.config.loading import ConfigError, read_secret
from protes.config.settings import Settings
from protes.federation.exchange_asking import ExchangeGrant
from protes.federation.guards import brought_guard, listed_guard
from protes.federation.known import KnownInstance
from protes.federation.merge import key_of
from protes.federation.secrets import credentials_of, exchange_of
from protes.outbound.guard import Guard
from protes.outbound.tls import BadTls, Tls, tls_of
from protes.secrets import Secrets
from protes.tes.client import InstanceClient
from protes.tes.credentials import Credentials, NoCredentials
from protes.tes.dialects.table import dialect_named
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport

_MOST_ANSWER_BYTES = 64 * 1024 * 1024
_IDENTITY_CHARACTERS = 16
_GuardName = Literal["none", "listed", "brought", "brought_private"]
NO_CREDENTIALS = CredentialSettings()


@dataclass(frozen=True, slots=True)
class _Way:
    """How an instance is spoken to: where two of these are equal, connections can be shared."""

    credentials: CredentialSettings
    tls: Tls
    guard: _GuardName = "none"


class Clients:
    """The clients by base URL."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], clock: Clock, previous: "Clients | None" = None
    ) -> None:
        """Read all credentials, so that a missing secret stops the start.

        Args:
            settings: the settings.
            environ: the environment that secrets are named in.
            clock: the clock.
            previous: the clients of the settings before: how instances that have left since are spoken to.

        Raises:
            ConfigError: a secret cannot be read.
        """
        self._settings = settings
        self._clock = clock
        tasks, outbound = settings.task_instances, settings.outbound
        self._guards: Mapping[_GuardName, Guard] = {
            "listed": listed_guard(outbound),
            "brought": brought_guard(tasks, outbound, allow_private=False),
            "brought_private": brought_guard(tasks, outbound, allow_private=True),
        }
        self._credentials: dict[CredentialSettings, Credentials] = {}
        self._exchanges: dict[CredentialSettings, ExchangeGrant] = {}
        self._read(settings, environ, clock)
        self._left = previous.configured() if previous is not None else {}
        self._left_exchanges = previous.exchanges() if previous is not None else {}
        self._configured = {
            key_of(each.url): (
                _Way(each.credentials, self._tls(each)),
                self._credentials[each.credentials],
            )
            for each in settings.instances
        }
        self._ways: dict[str, tuple[_Way, Credentials]] = {}
        self._clients: dict[tuple[str, str], InstanceClient] = {}
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def get(self, base_url: str, dialect: str, instance: KnownInstance) -> InstanceClient:
        """Return the client for a base URL of an instance."""
        with self._lock:
            transport = self._transport(base_url, instance)
            client = self._clients.get((base_url, dialect))
            if client is None:
                made_of = dialect_named(dialect)
                client = InstanceClient(
                    transport.at(base_url, self._timeouts(made_of.timeouts)),
                    made_of,
                    self._clock,
                    tail_bytes=self._settings.relay.log_tail_bytes,
                    identity=_identity(self._ways[base_url][0].credentials),
                )
                self._clients[base_url, dialect] = client
            return client

    def passes_tokens(self, instance: KnownInstance) -> bool:
        """Tell whether an instance is shown the token of each task's caller, or what it was exchanged for."""
        return self._way(instance)[0].credentials.type in OF_CALLERS

    def exchange(self, instance: KnownInstance) -> ExchangeGrant | None:
        """Return how callers' tokens are exchanged for an instance; None where they are not."""
        credentials = self._way(instance)[0].credentials
        return self._exchanges.get(credentials) or self._left_exchanges.get(credentials)

    def exchanges(self) -> dict[CredentialSettings, ExchangeGrant]:
        """Return all ways to exchange callers' tokens, those of earlier configurations too, secrets included."""
        return {**self._left_exchanges, **self._exchanges}

    def transport(self, instance: KnownInstance) -> Transport:
        """Return the transport to an instance's URL, for probing."""
        with self._lock:
            return self._transport(instance.settings.url, instance)

    def configured(self) -> dict[str, tuple[_Way, Credentials]]:
        """Return how instances of this configuration and of earlier ones are spoken to, by key, secrets included."""
        return {**self._left, **self._configured}

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
            self._clients.clear()

    def _read(self, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        try:
            tls_of(settings.outbound).check()
        except BadTls as problem:
            raise ConfigError(f"custom.outbound.ca_file: {problem}") from None
        secrets = Secrets(environ)
        places = [(each.credentials, f"custom.instances: {each.id}: credentials") for each in settings.instances]
        places += [(named, f"custom.credentials: {name}") for name, named in settings.credentials.items()]
        for each, where in places:
            made = credentials_of(each, environ, where, clock, settings.outbound, secrets)
            self._credentials[each] = made
            if each.type == "token_exchange":
                found = exchange_of(each, read_secret(each, environ, where, secrets), where, settings.outbound)
                self._exchanges[each] = found
        self._credentials[NO_CREDENTIALS] = NoCredentials()

    def _tls(self, settings: InstanceSettings) -> Tls:
        """Return how an instance is checked.

        Raises:
            ConfigError: a file that its settings name cannot be used.
        """
        try:
            return tls_of(self._settings.outbound, settings.tls).check()
        except BadTls as problem:
            raise ConfigError(f"custom.instances: {settings.id}: {problem}") from None

    def _timeouts(self, wanted: Timeouts) -> Timeouts:
        """A lease outlasts a POST, whatever its dialect would allow (DispatchSettings checks that it does)."""
        return replace(
            wanted,
            connect_seconds=min(wanted.connect_seconds, self._settings.health.connect_seconds),
            post_seconds=min(wanted.post_seconds, self._settings.dispatch.create_seconds),
        )

    def _transport(self, base_url: str, instance: KnownInstance) -> Transport:
        """Return the transport to a URL; another one where the instance is spoken to in another way than before."""
        way, credentials = self._way(instance)
        if base_url not in self._transports or self._ways[base_url][0] != way:
            self._ways[base_url] = way, credentials
            self._clients = {key: client for key, client in self._clients.items() if key[0] != base_url}
            guard = self._guards.get(way.guard)
            self._transports[base_url] = Transport(
                base_url,
                credentials,
                max_body_bytes=_MOST_ANSWER_BYTES,
                tls=way.tls,
                clock=self._clock,
                allow_address=guard.rules.allows if guard is not None else None,
            )
        return self._transports[base_url]

    def _way(self, instance: KnownInstance) -> tuple[_Way, Credentials]:
        """Return how to speak to an instance; one that left with the settings before, as it was spoken to then."""
        settings = instance.settings
        if instance.source == "retired" and instance.key in self._left:
            return self._left[instance.key]
        way = _Way(settings.credentials, self._tls(settings), _guard_of(instance))
        return way, self._credentials[settings.credentials]


def _guard_of(instance: KnownInstance) -> _GuardName:
    """Name the guard before an instance; one that the operator has named needs none."""
    if instance.source == "client":
        return "brought" if instance.guarded else "brought_private"
    return "listed" if instance.guarded else "none"


def _identity(credentials: CredentialSettings) -> str:
    """Name whom an instance takes the gateway for, as far as settings tell, without telling who that is.

    What is renewed under the same name, such as the content of a file, leaves the identity as it is.
    """
    if credentials.type in OF_CALLERS or credentials.type == "none":
        return "caller" if credentials.type in OF_CALLERS else "none"
    by_name = {
        "basic": (credentials.username,),
        "bearer": (credentials.secret_env or credentials.secret, credentials.secret_file),
        "oauth2": (credentials.tenant, credentials.token_url, credentials.client_id),
    }
    text = json.dumps([credentials.type, *by_name[credentials.type]])
    return hashlib.sha256(text.encode()).hexdigest()[:_IDENTITY_CHARACTERS]
