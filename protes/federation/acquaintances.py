"""What must be known of an instance to relay its tasks after it has left the federation; kept in the store.

Whoever took an instance out of the configuration, or a registry that no longer lists it, has said nothing of the tasks
that still run there (DESIGN.md section 4, "Instances that leave").
"""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from protes.clock import Clock
from protes.config.credentials import Credentials
from protes.config.federation import NamedCredentials
from protes.config.instances import InstanceSettings
from protes.federation.known import KnownInstance
from protes.federation.merge import key_of
from protes.federation.registrations import may_be_sent
from protes.store.protocols import Records

_KIND = "acquaintance"
_LASTING = timedelta(days=30)
_RENEWED = timedelta(days=7)


class Acquaintances:
    """Remembers the instances that were sent tasks."""

    def __init__(
        self, records: Records, clock: Clock, named: Mapping[str, NamedCredentials], strangers_guarded: bool
    ) -> None:
        """Remember in `records`; of credentials only the name is written, and only of those in `named`.

        `strangers_guarded`: whether one that nobody remembers is spoken to at public addresses only.
        """
        self._records = records
        self._clock = clock
        self._named = named
        self._strangers_guarded = strangers_guarded
        self._written: dict[str, tuple[Mapping[str, Any], datetime]] = {}
        self._lock = threading.Lock()

    def remember(self, instance: KnownInstance) -> None:
        """Note an instance that is about to be sent a task; costs the store a write once a week or when it changes."""
        base_url, now = instance.base_url or instance.key, self._clock.now()
        value = {
            "id": instance.id,
            "name": instance.name,
            "client": instance.source == "client",
            "guarded": instance.guarded,
            "tls": instance.settings.tls.model_dump(exclude_none=True),
            "credentials": self._name_of(instance.settings.credentials),
        }
        with self._lock:
            written = self._written.get(base_url)
            if written is not None and written[0] == value and now - written[1] < _RENEWED:
                return
            self._written[base_url] = (value, now)
        self._records.put(_KIND, base_url, value, now, expires_at=now + _LASTING)

    def recall(self, base_url: str) -> KnownInstance:
        """Return an instance that has left; one that nobody remembers is treated as a stranger."""
        stored = self._records.get(_KIND, base_url, self._clock.now())
        value = stored.value if stored is not None else {}
        settings = InstanceSettings(
            id=value.get("id") or urlsplit(base_url).netloc.replace(":", "-").strip("[]"),
            url=base_url,
            credentials=self._named_for(base_url, value.get("credentials")),
            **value.get("tls", {}),
        )
        return KnownInstance(
            settings,
            key_of(base_url),
            value.get("name") or settings.id,
            "client" if value.get("client") else "retired",
            guarded=value.get("guarded", self._strangers_guarded),
        )

    def _named_for(self, base_url: str, name: str | None) -> Credentials:
        """Return the credentials of a name, as long as they may still be sent there."""
        named = self._named.get(name or "")
        return named if named is not None and may_be_sent(named, base_url) else Credentials()

    def _name_of(self, credentials: Credentials) -> str | None:
        return next((name for name, each in self._named.items() if each is credentials), None)
