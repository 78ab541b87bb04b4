"""Cancel copies that turn up after their attempt was given up (DESIGN.md section 4, "Forward once")."""

import logging

from protes.clock import Clock
from protes.federation.federation import Federation
from protes.store.orphans import Orphan, Orphans
from protes.tes.build import marker
from protes.tes.client import Found
from protes.tes.errors import DownstreamError

logger = logging.getLogger(__name__)


class OrphanWatch:
    """Looks for orphans at their instances."""

    def __init__(self, orphans: Orphans, federation: Federation, clock: Clock) -> None:
        """Watch the list `orphans`."""
        self._orphans = orphans
        self._federation = federation
        self._clock = clock

    def look(self) -> int:
        """Look for every orphan once, cancel what is found; return how many copies were found."""
        found = 0
        failing: set[str] = set()
        for orphan in self._orphans.all(self._clock.now()):
            if orphan.instance_url in failing:
                continue
            try:
                found += self._look_for(orphan)
            except DownstreamError as error:
                failing.add(orphan.instance_url)
                logger.info("looking for orphan %s failed: %s", orphan.key, error.text)
        return found

    def _look_for(self, orphan: Orphan) -> int:
        client = self._federation.client(orphan.instance_url, orphan.dialect)
        seen = client.find(marker(orphan.task_id, orphan.n))
        if not isinstance(seen, Found):
            return 0
        ended = 0
        for copy in seen.ids:
            if client.get(copy, "MINIMAL").state.finished:
                ended += 1
                continue
            logger.warning("task %s: a late copy %s at %s is cancelled", orphan.task_id, copy, orphan.instance_url)
            client.cancel(copy)
        if ended == len(seen.ids):
            self._orphans.remove(orphan)
        return len(seen.ids)
