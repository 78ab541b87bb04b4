"""Instances that operators register at run time, kept in the store, so that all processes see them (DESIGN.md 6)."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.config.credentials import Credentials
from protes.config.federation import NamedCredentials
from protes.config.instances import Declared, InstanceSettings
from protes.federation.known import KnownInstance
from protes.federation.lock import Lock
from protes.federation.merge import NOTHING_DECLARED, Registered, key_of
from protes.store.protocols import Conflict, Records, Stored, StoreUnavailable
from protes.tes.dialects.table import DIALECTS
from service_registry_client import normalise_url

logger = logging.getLogger(__name__)

KIND = "registration"
_PAGE = 256


class Taken(Exception):
    """Another registration has the id or the URL.

    Attributes:
        field: which of the two, `id` or `url`.
        holder: id of that registration.
    """

    def __init__(self, field: str, holder: str) -> None:
        """Name the field and the registration."""
        super().__init__(f"the {field} belongs to the registration {holder}")
        self.field = field
        self.holder = holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an operator said of an instance.

    Attributes:
        id: its id, unique among registrations.
        url: its URL, normalised.
        service: the GA4GH `ExternalService` as it was given, custom fields included.
        declared: what else was said of it.
        dialect: the dialect it is pinned to, None to recognise it.
        credentials: name of the credentials to show it (`credentials` of the settings), None for none.
        drain: it takes no new tasks.
        created_at: when it was registered.
        updated_at: when that was changed last.
    """

    id: str
    url: str
    service: Mapping[str, Any] = field(default_factory=dict)
    declared: Declared = NOTHING_DECLARED
    dialect: str | None = None
    credentials: str | None = None
    drain: bool = False
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class _Read:
    """A registration as stored, and what was made of it."""

    value: Mapping[str, Any]
    registration: Registration | None
    registered: Registered | None


class Registrations:
    """The registrations in the store. Changes are made one at a time, whichever process makes them."""

    def __init__(self, records: Records, clock: Clock, credentials: Mapping[str, NamedCredentials]) -> None:
        """Read nothing yet.

        Args:
            records: where registrations are.
            clock: the clock.
            credentials: those that registrations may name.
        """
        self._records = records
        self._clock = clock
        self._credentials = credentials
        self._alone = Lock(records, clock)
        self._read: dict[str, _Read] = {}
        self._registered: tuple[Registered, ...] = ()

    def all(self) -> tuple[Registration, ...]:
        """Return all registrations by id. Raises StoreError where the store cannot answer, as all methods do."""
        return tuple(each.registration for each in self._current() if each.registration is not None)

    def get(self, registration_id: str) -> Registration | None:
        """Return the registration with this id, or None."""
        stored = self._records.get(KIND, registration_id, self._clock.now())
        return _from_stored(stored) if stored is not None else None

    def registered(self) -> tuple[Registered, ...]:
        """Return all registrations for merging; as long as nothing changes, the same object."""
        found = tuple(each.registered for each in self._current() if each.registered is not None)
        if len(found) != len(self._registered) or any(map(_differ, found, self._registered)):
            self._registered = found
        return self._registered

    def shown(self, registration: Registration) -> KnownInstance:
        """Return a registration as the instance that it is where nothing else is said of it."""
        made = self._registered_of(registration)
        name = str(made.service.get("name") or registration.id)
        return KnownInstance(made.settings, key_of(registration.url), name, "registration", service=made.service)

    def create(self, wanted: Registration) -> Registration:
        """Store a new registration durably.

        Raises:
            Taken: the id or the URL belongs to another one.
            StoreUnavailable: other changes take too long.
        """
        with self._alone.held() as still:
            if self.get(wanted.id) is not None:
                raise Taken("id", wanted.id)
            self._refuse_same_url(wanted)
            still()
            return self._put(wanted, expected_version=0)

    def put(self, wanted: Registration) -> tuple[Registration, bool]:
        """Store a registration in the place of the one with its id; return it and whether it is new.

        The time of creation stays that of the first one.

        Raises:
            Taken: the URL belongs to another one.
            StoreUnavailable: other changes take too long.
        """
        with self._alone.held() as still:
            stored = self._records.get(KIND, wanted.id, self._clock.now())
            before = _from_stored(stored) if stored is not None else None
            self._refuse_same_url(wanted)
            kept = wanted if before is None else replace(wanted, created_at=before.created_at)
            still()
            return self._put(kept, expected_version=stored.version if stored is not None else 0), stored is None

    def delete(self, registration_id: str) -> bool:
        """Remove a registration; return whether it was there."""
        with self._alone.held():
            return self._records.delete(KIND, registration_id)

    def _put(self, registration: Registration, expected_version: int) -> Registration:
        try:
            self._records.put(
                KIND, registration.id, _to_json(registration), self._clock.now(), expected_version=expected_version
            )
        except Conflict:
            # Whoever changed it had the lock after us: ours has expired meanwhile.
            raise StoreUnavailable("the registration was changed by somebody else at the same time") from None
        return registration

    def _refuse_same_url(self, wanted: Registration) -> None:
        key = key_of(wanted.url)
        for each in self.all():
            if each.id != wanted.id and key_of(each.url) == key:
                raise Taken("url", each.id)

    def _current(self) -> list[_Read]:
        """Read what is stored, by id, decoding only what has changed."""
        before = self._read
        read: dict[str, _Read] = {}
        for stored in self._scan():
            known = before.get(stored.key)
            # Not by its version, which begins anew where a registration was removed and made again.
            read[stored.key] = known if known is not None and known.value == stored.value else self._take(stored)
        self._read = read
        return list(read.values())

    def _scan(self) -> Iterator[Stored]:
        after, now = "", self._clock.now()
        while page := self._records.scan(KIND, "", now, after=after, limit=_PAGE):
            yield from page
            after = page[-1].key

    def _take(self, stored: Stored) -> _Read:
        registration = _from_stored(stored)
        made = self._registered_of(registration) if registration is not None else None
        return _Read(stored.value, registration, made)

    def _registered_of(self, registration: Registration) -> Registered:
        settings = InstanceSettings(
            **dict(registration.declared),
            id=registration.id,
            url=registration.url,
            dialect=registration.dialect if registration.dialect in DIALECTS else None,
            drain=registration.drain,
            credentials=self._credentials_of(registration),
        )
        times = {"createdAt": rfc3339(registration.created_at), "updatedAt": rfc3339(registration.updated_at)}
        return Registered(settings, {**times, **registration.service, "id": registration.id, "url": registration.url})

    def _credentials_of(self, registration: Registration) -> Credentials:
        """Return the credentials that a registration names, as long as they may still be sent to its host."""
        if registration.credentials is None:
            return Credentials()
        named = self._credentials.get(registration.credentials)
        if named is None or not may_be_sent(named, registration.url):
            logger.warning(
                "registration %s: its credentials %s are not configured for its host any more; it is sent none",
                registration.id,
                registration.credentials,
            )
            return Credentials()
        return named


def normalised(url: str) -> str:
    """Return the one spelling of an instance's URL that registrations keep.

    Raises:
        ValueError: it is none, in words.
    """
    return normalise_url(url)


def may_be_sent(credentials: NamedCredentials, url: str) -> bool:
    """Tell whether credentials may be sent to a normalised URL (`Credentials.check_address`)."""
    try:
        credentials.check_address(url)
    except ValueError:
        return False
    return True


def _differ(one: Registered, other: Registered) -> bool:
    return one is not other


def _to_json(registration: Registration) -> dict[str, Any]:
    return {
        "url": registration.url,
        "service": dict(registration.service),
        "declared": registration.declared.model_dump(mode="json", exclude_none=True),
        "dialect": registration.dialect,
        "credentials": registration.credentials,
        "drain": registration.drain,
        "created_at": rfc3339(registration.created_at),
        "updated_at": rfc3339(registration.updated_at),
    }


def _from_stored(stored: Stored) -> Registration | None:
    """Read a registration; one that another version of the gateway wrote, and that cannot be read, counts as none."""
    value = stored.value
    try:
        return Registration(
            id=stored.key,
            url=normalised(value["url"]),
            service=dict(value["service"]),
            declared=Declared.model_validate(value["declared"]),
            dialect=value["dialect"],
            credentials=value["credentials"],
            drain=value["drain"],
            created_at=parse_rfc3339(value["created_at"]),
            updated_at=parse_rfc3339(value["updated_at"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        logger.warning("the registration %s cannot be read: %s", stored.key, type(problem).__name__)
        return None
