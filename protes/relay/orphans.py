"""Cancel copies that turn up, or are taken up again, after their attempt was over (DESIGN.md section 4)."""

import logging

from protes.clock import Clock
from protes.federation.federation import Federation
from protes.store.orphans import Orphan, Orphans
from protes.store.protocols import TaskStore
from protes.store.records import LIVE, Attempt
from protes.tes.build import marker
from protes.tes.client import InstanceClient
from protes.tes.errors import DownstreamError, TaskMissing, TokenEnded, TokenUnreadable
from protes.tes.finding import Found
from protes.tes.states import State

logger = logging.getLogger(__name__)

_MOST_SECONDS = 20.0
_ERRORS = frozenset({State.EXECUTOR_ERROR, State.SYSTEM_ERROR})


class OrphanWatch:
    """Looks for orphans at their instances."""

    def __init__(self, orphans: Orphans, tasks: TaskStore, federation: Federation, clock: Clock) -> None:
        """Watch the list `orphans`."""
        self._orphans = orphans
        self._tasks = tasks
        self._federation = federation
        self._clock = clock
        # Where the last look ran out of time; a hint, like all that a process remembers by itself.
        self._left_off = ""

    def look(self) -> int:
        """Look for every orphan once and cancel what still works; return how many such copies there were.

        What fails at an instance is tried again the next time, and keeps no other instance's orphans waiting. What does
        not fit into the time of a look comes first in the next one.
        """
        until = self._clock.monotonic() + _MOST_SECONDS
        working = 0
        failing: set[str] = set()
        after, self._left_off = self._left_off, ""
        for orphan in self._orphans.all(self._clock.now(), after):
            if self._clock.monotonic() > until:
                self._left_off = after
                break
            after = orphan.key
            if orphan.instance_url in failing:
                continue
            try:
                working += self._look_for(orphan)
            except (TokenEnded, TokenUnreadable):
                continue  # nothing can be asked about it, or not here and now, and nothing is wrong with its instance
            except DownstreamError as error:
                failing.add(orphan.instance_url)
                logger.info("looking for orphan %s failed: %s", orphan.key, error.text)
        return working

    def _look_for(self, orphan: Orphan) -> int:
        """Look for the copies of an attempt; the one that the task runs as, if it does, is none of them."""
        record = self._tasks.get(orphan.task_id)
        attempt = next((each for each in record.attempts if each.n == orphan.n), None) if record is not None else None
        wanted = None
        if record is not None and attempt is not None and attempt.phase in LIVE and not record.state.finished:
            wanted = attempt.instance_task_id
            if wanted is None or wanted == orphan.instance_task_id:
                return 0  # its attempt is not over: it was put on the list by somebody who did not get any further
        client = self._federation.client_for(orphan.task_id, orphan.instance_url, orphan.dialect)
        copies = self._copies(client, orphan)
        over = [self._is_over(client, orphan, attempt, copy) for copy in copies if copy != wanted]
        if copies and all(over):
            self._orphans.remove(orphan)
        return sum(each is None for each in over)

    def _copies(self, client: InstanceClient, orphan: Orphan) -> tuple[str, ...]:
        if orphan.instance_task_id is not None:
            return (orphan.instance_task_id,)
        seen = client.find(marker(orphan.task_id, orphan.n))
        return seen.ids if isinstance(seen, Found) else ()

    def _is_over(self, client: InstanceClient, orphan: Orphan, attempt: Attempt | None, copy: str) -> bool | None:
        """Tell whether nothing more is to be feared of a copy; None: it works, and its cancellation was asked for."""
        try:
            state = client.get(copy, "MINIMAL").state
            if state.finished:
                return client.dialect.final_error or state not in _ERRORS
            logger.warning("task %s: a late copy %s at %s is cancelled", orphan.task_id, copy, orphan.instance_url)
            client.cancel(copy)
        except TaskMissing:
            # Many instances forget what has ended; what was never seen to end may come back.
            # It may also be hidden from who asks under other credentials.
            return attempt is not None and attempt.state.finished and not client.is_another(attempt.identity)
        return None
