"""What tells clients of changes, put together: the event log, and webhooks (docs/events.md)."""

from dataclasses import dataclass

from protes.callbacks.callbacks import Callbacks
from protes.callbacks.slots import Slots
from protes.clock import Clock
from protes.config.loading import callback_keys
from protes.config.settings import Settings
from protes.events.announcing import Announcer
from protes.events.feed import Feed
from protes.events.log import EventLog
from protes.events.removals import Removals
from protes.runner.protocol import Runner
from protes.store.factory import Stores

_SHARE = 4


@dataclass(frozen=True, slots=True)
class LastingTelling:
    """What is made once in the life of a process.

    Attributes:
        log: the event log.
        feed: reads it for those who listen.
        slots: bounds webhooks; a quarter of the threads at most wait for receivers.
    """

    log: EventLog
    feed: Feed
    slots: Slots


@dataclass(frozen=True, slots=True)
class Telling:
    """What follows from the settings."""

    announcer: Announcer
    callbacks: Callbacks
    removals: Removals

    def tell(self) -> None:
        """Write the log, and bring webhooks on their way: a part of the tick. Raises StoreError."""
        self.announcer.announce()
        self.callbacks.rounds.go()


def make_lasting_telling(settings: Settings, stores: Stores, clock: Clock) -> LastingTelling:
    """Make what outlives a change of settings."""
    log = EventLog(stores.records, clock)
    return LastingTelling(log, Feed(log, clock), Slots(clock, max(1, settings.runner.threads // _SHARE)))


def make_telling(settings: Settings, lasting: LastingTelling, stores: Stores, runner: Runner, clock: Clock) -> Telling:
    """Make what follows from the settings.

    Raises:
        ConfigError: the file of keys is not usable.
    """
    events = settings.events
    callbacks = Callbacks(
        events,
        settings.outbound,
        callback_keys(events),
        stores.records,
        lasting.slots,
        runner.submit,
        clock,
        settings.api.states == "all",
    )
    told = callbacks.rounds.told
    announcer = Announcer(stores.tasks, stores.records, lasting.log, clock, events.keep_seconds, told)
    return Telling(announcer, callbacks, Removals(stores.tasks, stores.records, clock, callbacks.keep))
