"""Offer sets as they are kept: one record holds the set and its sessions, so that one compare-and-set decides.

Accepting a session and rejecting its siblings is a single change. The uuid of a session is the set's with the session's
number in its last eight bits; the other 114 random bits make both unguessable.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from protes.clock import parse_rfc3339, rfc3339
from protes.offers.messages import Message
from protes.store.audiences import of_user
from protes.store.protocols import Records
from protes.store.records import TaskRecord

KIND = "offer_set"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBERS = 0xFF
_KEPT_EXPIRED = timedelta(hours=24)
_KEPT_ACCEPTED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Offered:
    """One session.

    Attributes:
        instance: id of the instance that makes the offer.
        url: its base URL.
        figures: the parts of the session's document that never change, but for the URL.
    """

    instance: str
    url: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfferSet:
    """Offers for one task; at most one of them becomes it.

    Attributes:
        id: the uuid.
        created_at: when the offers were made.
        expires_at: until when one can be accepted.
        executable: what is to run, as the client described it; without the task where it is one.
        task: the task that the accepted offer becomes, under the id that it will have; its owner is the set's.
        latest_start: when the task is to start at the latest, or None.
        messages: what the client is told.
        offers: best first.
        accepted: the number, from 1, of the accepted one.
        submitted: the accepted one is a task.
        rejected: numbers of those that the client does not want.
        version: of the record.
    """

    id: str
    created_at: datetime
    expires_at: datetime
    executable: Mapping[str, Any]
    task: TaskRecord
    latest_start: datetime | None
    messages: tuple[Message, ...]
    offers: tuple[Offered, ...]
    accepted: int | None = None
    submitted: bool = False
    rejected: frozenset[int] = field(default_factory=frozenset)
    version: int = 0

    @property
    def owner(self) -> str:
        """Subject of the caller who asked."""
        return self.task.owner

    def session_id(self, number: int) -> str:
        """Return the uuid of a session."""
        return str(UUID(int=UUID(self.id).int | number))

    def expired(self, now: datetime) -> bool:
        """Tell whether it is too late to accept."""
        return now >= self.expires_at


def new_set_id() -> str:
    """Return the uuid (version 4) of a new offer set."""
    return str(UUID(int=UUID(bytes=secrets.token_bytes(16), version=4).int & ~_NUMBERS))


def split(uuid: str) -> tuple[str, int] | None:
    """Return the offer set and the number that a uuid says, 0 for the set itself; None where it is none of ours."""
    if not _UUID.fullmatch(uuid):
        return None
    whole = UUID(uuid).int
    return str(UUID(int=whole & ~_NUMBERS)), whole & _NUMBERS


def load(records: Records, set_id: str, now: datetime) -> OfferSet | None:
    """Read an offer set. Raises StoreError."""
    stored = records.get(KIND, set_id, now)
    return None if stored is None else replace(_from_json(stored.value, set_id), version=stored.version)


def save(records: Records, offer_set: OfferSet, now: datetime) -> OfferSet:
    """Write an offer set over the version that it was read as; expired ones are kept a day, accepted ones thirty.

    Raises:
        Conflict: somebody else changed it meanwhile.
        StoreError: the store cannot be written.
    """
    until = offer_set.expires_at + (_KEPT_EXPIRED if offer_set.accepted is None else _KEPT_ACCEPTED)
    version = records.put(
        KIND, offer_set.id, _to_json(offer_set), now, expected_version=offer_set.version, expires_at=until
    )
    return replace(offer_set, version=version)


def _to_json(offer_set: OfferSet) -> dict[str, Any]:
    task = offer_set.task
    return {
        "created_at": rfc3339(offer_set.created_at),
        "expires_at": rfc3339(offer_set.expires_at),
        # As one text: the client chose its keys, which are none of a stored document's (DESIGN.md section 5).
        "executable": json.dumps(dict(offer_set.executable)),
        "task": {
            "id": task.id,
            "owner": task.owner,
            "audience": task.audience,
            "document": task.document,
            "name": task.name,
            "tags": list(task.tags),
            "preference": dict(task.preference),
            "via": list(task.via),
        },
        "latest_start": rfc3339(offer_set.latest_start) if offer_set.latest_start else None,
        "messages": list(offer_set.messages),
        "offers": [{"instance": each.instance, "url": each.url, "figures": each.figures} for each in offer_set.offers],
        "accepted": offer_set.accepted,
        "submitted": offer_set.submitted,
        "rejected": sorted(offer_set.rejected),
    }


def _from_json(value: Mapping[str, Any], set_id: str) -> OfferSet:
    task, latest = value["task"], value["latest_start"]
    created = parse_rfc3339(value["created_at"])
    return OfferSet(
        id=set_id,
        created_at=created,
        expires_at=parse_rfc3339(value["expires_at"]),
        executable=json.loads(value["executable"]),
        task=TaskRecord(
            id=task["id"],
            owner=task["owner"],
            audience=task.get("audience", of_user(task["owner"])),
            created_at=created,
            document=task["document"],
            name=task["name"],
            tags=tuple(task["tags"]),
            preference=task["preference"],
            via=tuple(task["via"]),
        ),
        latest_start=parse_rfc3339(latest) if latest else None,
        messages=tuple(value["messages"]),
        offers=tuple(Offered(**each) for each in value["offers"]),
        accepted=value["accepted"],
        submitted=value["submitted"],
        rejected=frozenset(value["rejected"]),
    )
