"""Offers that are remembered for a while, so that a task can be run as offered (tag `protes.offer`, DESIGN.md 6).

The offers of one dry run are one record: a federation of a thousand instances costs one write.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from protes.store.ids import new_token
from protes.store.protocols import Records

KIND = "offer"


class StoredOffers:
    """See the module's text."""

    def __init__(self, records: Records, valid_seconds: float) -> None:
        """Keep offers in `records` for `valid_seconds`."""
        self._records = records
        self._valid = timedelta(seconds=valid_seconds)

    def save(self, owner: str, instances: Sequence[str], now: datetime) -> tuple[list[str], datetime]:
        """Remember what was offered.

        Args:
            owner: subject of the caller who asked.
            instances: ids of the instances that made offers; where there are none nothing is stored.
            now: the time.

        Returns:
            An id for each offer, in the order of `instances`, and when they expire.

        Raises:
            StoreError: the store cannot be written.
        """
        expires = now + self._valid
        if not instances:
            return [], expires
        key = new_token()
        value = {"owner": owner, "instances": list(instances)}
        self._records.put(KIND, key, value, now, expected_version=0, expires_at=expires)
        return [f"{key}-{number}" for number in range(1, len(instances) + 1)], expires

    def instance_for(self, offer: str, owner: str, now: datetime) -> str:
        """Return the id of the instance that made an offer.

        Raises:
            ValueError: there is no such offer, it is somebody else's, or it has expired: one answer for all three.
            StoreError: the store cannot be read.
        """
        key, _, number = offer.rpartition("-")
        stored = self._records.get(KIND, key, now)
        if stored is None or stored.value["owner"] != owner:
            raise ValueError("there is no such offer, or it has expired; ask for offers again")
        instances: Sequence[str] = stored.value["instances"]
        # Only what `save` wrote: no signs, no leading zeros, no other digits.
        place = next((index for index in range(len(instances)) if number == str(index + 1)), None)
        if place is None:
            raise ValueError("there is no such offer, or it has expired; ask for offers again")
        return instances[place]
