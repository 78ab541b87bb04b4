"""One pooled client per instance, made when first needed and closed with the federation."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from protes.clock import Clock
from protes.config.instances import Credentials as CredentialSettings
from protes.config.settings import Settings
from protes.federation.known import KnownInstance
from protes.federation.merge import key_of
from protes.federation.secrets import credentials_of
from protes.tes.addresses import is_public
from protes.tes.client import InstanceClient
from protes.tes.credentials import Credentials, NoCredentials
from protes.tes.dialects.table import dialect_named
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport

_MOST_ANSWER_BYTES = 64 * 1024 * 1024
_IDENTITY_CHARACTERS = 16
NO_CREDENTIALS = CredentialSettings()


@dataclass(frozen=True, slots=True)
class _Way:
    """How an instance is spoken to: where two of these are equal, connections can be shared."""

    credentials: CredentialSettings
    verify_tls: bool | str
    guarded: bool


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
        self._credentials: dict[CredentialSettings, Credentials] = {}
        self._read(settings, environ, clock)
        self._left = previous.configured() if previous is not None else {}
        self._configured = {
            key_of(each.url): (
                _Way(each.credentials, each.verify_tls, guarded=False),
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
        """Tell whether an instance is shown the token of each task's caller."""
        return self._way(instance)[0].credentials.type == "pass_through"

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
        for each in settings.instances:
            where = f"custom.instances: {each.id}: credentials"
            self._credentials[each.credentials] = credentials_of(each.credentials, environ, where, clock)
        for name, named in settings.credentials.items():
            self._credentials[named] = credentials_of(named, environ, f"custom.credentials: {name}", clock)
        self._credentials[NO_CREDENTIALS] = NoCredentials()

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
            self._transports[base_url] = Transport(
                base_url,
                credentials,
                max_body_bytes=_MOST_ANSWER_BYTES,
                verify=way.verify_tls,
                clock=self._clock,
                allow_address=is_public if way.guarded else None,
            )
        return self._transports[base_url]

    def _way(self, instance: KnownInstance) -> tuple[_Way, Credentials]:
        """Return how to speak to an instance; one that left with the settings before, as it was spoken to then."""
        settings = instance.settings
        if instance.source == "retired" and instance.key in self._left:
            return self._left[instance.key]
        way = _Way(settings.credentials, settings.verify_tls, instance.guarded)
        return way, self._credentials[settings.credentials]


def _identity(credentials: CredentialSettings) -> str:
    """Name whom an instance takes the gateway for, as far as settings tell, without telling who that is.

    What is renewed under the same name, such as the content of a file, leaves the identity as it is.
    """
    if credentials.type in ("none", "pass_through"):
        return "caller" if credentials.type == "pass_through" else "none"
    by_name = {
        "basic": (credentials.username,),
        "bearer": (credentials.secret_env, credentials.secret_file),
        "oauth2": (credentials.tenant, credentials.token_url, credentials.client_id),
    }
    text = json.dumps([credentials.type, *by_name[credentials.type]])
    return hashlib.sha256(text.encode()).hexdigest()[:_IDENTITY_CHARACTERS]
