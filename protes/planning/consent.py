"""What an owner allows: where their tasks may go, said once for all of them and revocable at any time.

It is no step of a chain, since no chain may leave it out: it is judged before the chain is asked, whenever a task is
planned, and once more right before it is sent (docs/quotas.md, "Consent").
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware import Reason
from protes.clock import Clock
from protes.federation.known import KnownInstance
from protes.federation.naming import is_named
from protes.store.protocols import Records

KIND = "consent"
CODE = "consent"


@dataclass(frozen=True, slots=True)
class Consent:
    """Where somebody's tasks may go; without an entry, and not an `allow`, anywhere.

    Attributes:
        allow: only what is named is allowed; else what is named is not.
        instances: ids and URLs.
        organizations: names and URLs of the organizations that run instances, as their registry entries have them.
        zones: zones, as the settings have them.
    """

    allow: bool = False
    instances: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def allows(self, instance: KnownInstance) -> bool:
        """Tell whether tasks may go there."""
        return self._names(instance) is self.allow

    def _names(self, instance: KnownInstance) -> bool:
        if is_named(instance, self.instances):
            return True
        if instance.settings.zone is not None and instance.settings.zone in self.zones:
            return True
        organization = instance.service.get("organization")
        if not isinstance(organization, Mapping):
            return False
        return any(organization.get(field) in self.organizations for field in ("name", "url"))


class Consents:
    """Everybody's consent, kept among the records; read anew each time, so that a change holds at once."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Keep them in `records`."""
        self._records = records
        self._clock = clock

    def of(self, owner: str) -> Consent | None:
        """Return an owner's consent; None where they said nothing, as everybody who is anonymous.

        Raises:
            StoreError: it cannot be read, so nothing may be sent.
        """
        if not owner:
            return None
        stored = self._records.get(KIND, _key(owner), self._clock.now())
        return None if stored is None else _read(stored.value)

    def put(self, owner: str, consent: Consent) -> None:
        """Keep an owner's consent in the place of the one before. Raises StoreError."""
        self._records.put(KIND, _key(owner), to_json(consent), self._clock.now())

    def delete(self, owner: str) -> None:
        """Forget an owner's consent: their tasks may go anywhere. Raises StoreError."""
        self._records.delete(KIND, _key(owner))


def reason(*, arriving: bool) -> Reason:
    """Return why an instance is left out: for good for a task that arrives, until further notice for one that waits."""
    text = "is left out by what the task's owner allows (PUT /protes/v1/me/instances)"
    return Reason(code=CODE, text=text, permanent=arriving)


def to_json(consent: Consent) -> dict[str, Any]:
    """Write a consent as it is kept and shown."""
    return {
        "type": "allow" if consent.allow else "forbid",
        "instances": list(consent.instances),
        "organizations": list(consent.organizations),
        "zones": list(consent.zones),
    }


def _read(value: Mapping[str, Any]) -> Consent:
    lists = (tuple(map(str, value[name])) for name in ("instances", "organizations", "zones"))
    return Consent(value["type"] == "allow", *lists)


def _key(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()
