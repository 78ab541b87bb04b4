"""Bring the states and logs of all unfinished tasks of one instance back, in bulk (DIALECTS.md 2.5)."""

import logging
from collections.abc import Callable, Sequence

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.federation import Federation
from protes.relay.interest import Interest
from protes.relay.leasing import SweepLeases, SweepLost
from protes.relay.looking import Complete, Looker, Wanted
from protes.relay.merging import lost
from protes.relay.passing import InstanceFailing, Pass, check
from protes.relay.silence import Silences
from protes.store.orphans import Orphans
from protes.store.protocols import Records, TaskStore
from protes.store.records import TaskRecord, Transition

logger = logging.getLogger(__name__)

_PAGE = 200


class Sweeper:
    """Looks at the unfinished tasks of an instance."""

    def __init__(
        self,
        settings: RelaySettings,
        tasks: TaskStore,
        records: Records,
        federation: Federation,
        orphans: Orphans,
        clock: Clock,
        finished: Callable[[Sequence[TaskRecord]], None] = lambda _: None,
        stuck_after_seconds: float | None = None,
        complete: Complete | None = None,
        interest: Interest | None = None,
        swept: Callable[[str, float], None] = lambda _url, _seconds: None,
    ) -> None:
        """Sweep with the federation's clients.

        Args:
            settings: the settings.
            tasks: the tasks.
            records: where it is kept who sweeps an instance, and how far the sweeps have come.
            federation: the instances.
            orphans: where attempts go that are over though their task, or their instance, may go on.
            clock: the clock.
            finished: told of tasks that have ended, once they are stored; best effort: where a batch fails midway, or
                the process dies, it never hears of those that were stored before.
            stuck_after_seconds: a task that its instance has not started after so long becomes due, so that dispatch
                may take it back; None: never.
            complete: asked for the logs of tasks that have ended, before they are stored; must be quick, and not raise.
            interest: which tasks somebody reads.
            swept: told of an instance all of whose tasks were looked at, and how many seconds that took.
        """
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._clock = clock
        self._finished = finished
        self._interest = interest
        self._swept = swept
        self._leases = SweepLeases(records, clock)
        self._silences = Silences(records, clock, settings.lost_after_seconds)
        self._looker = Looker(settings, tasks, federation.health, orphans, clock, stuck_after_seconds, complete)

    def sweep(self, base_url: str) -> bool:
        """Look at every unfinished task at the instance once; an outage changes no state.

        Does nothing where another worker sweeps the instance. Returns within a minute, whether or not it is done.

        Returns:
            Whether it had to leave off: the instance should be swept again at once, which goes on there.
        """
        lease = self._leases.take(base_url)
        if lease is None:
            return False
        shown = self._interest.shown().tasks if self._interest is not None else frozenset()
        sweep = Pass(self._settings, self._tasks, self._federation, self._looker, self._clock, lease, shown, self._save)
        began = self._clock.monotonic()
        try:
            more = sweep.run()
            self._swept(base_url, self._clock.monotonic() - began)
            return more
        except SweepLost:
            logger.warning("sweeping %s is left to another worker", base_url)
            return False
        except InstanceFailing as failing:
            logger.info("sweeping %s is left for later: %s", base_url, failing)
            self._give_up_if_lost(base_url)
            return False
        finally:
            lease.give_back()

    def look(self, record: TaskRecord) -> None:
        """Look at one task now, for instance after a cancellation was pushed.

        Raises:
            InstanceFailing: the instance does not answer.
        """
        attempt, followed = record.live_attempt, record.followed
        if attempt is None or followed is None or not followed.instance_task_id:
            return
        client = self._federation.client_for(record.id, attempt.instance_url, attempt.dialect)
        outcome = self._looker.look(client, Wanted(followed), attempt.instance_url)
        self._save(outcome.changes)
        check(outcome.error)

    def _save(self, changes: Sequence[Transition]) -> None:
        if changes:
            changed = self._tasks.transition(changes, self._clock.now())
            ended = [record for record in changed if record.state.finished]
            if ended:
                self._finished(ended)

    def _give_up_if_lost(self, base_url: str) -> None:
        """End the tasks of an instance that has been asked in vain for `relay.lost_after_seconds`."""
        silence = self._silences.failed(base_url, self._federation.last_heard(base_url)).total_seconds()
        if silence < self._settings.lost_after_seconds:
            return
        line = f"the instance has not answered for {int(silence)} s: its tasks are lost"
        after: str | None = None
        while page := self._tasks.active(base_url, after, _PAGE):
            attempts = ((record, record.attempts[-1]) for record in page)
            self._save([self._looker.over(*each, lost(*each, line)) for each in attempts])
            after = page[-1].id
