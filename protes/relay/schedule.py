"""When to look at an instance again: adaptive to the age of its youngest task, and to its health. Pure but for memory.

What it remembers is a hint: a process that starts anew looks at every instance at once, which is right.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from protes.config.settings import RelaySettings
from protes.store.records import InstanceLoad


def interval(settings: RelaySettings, youngest_age_seconds: float) -> float:
    """Return the poll interval, in seconds, of an instance whose youngest task has this age."""
    wanted = youngest_age_seconds * settings.growth
    return min(settings.last_poll_seconds, max(settings.first_poll_seconds, wanted))


class Schedule:
    """Remembers when each instance was last looked at. Used by one thread."""

    def __init__(self, settings: RelaySettings) -> None:
        """Start with every instance due."""
        self._settings = settings
        self._last: dict[str, datetime] = {}

    def due(
        self,
        loads: Sequence[InstanceLoad],
        paused: Mapping[str, datetime],
        floors: Mapping[str, float],
        now: datetime,
    ) -> list[str]:
        """Return the instances to look at now, and count them as looked at.

        Args:
            loads: instances with unfinished tasks.
            paused: until when an instance that fails is left in peace.
            floors: seconds that must lie between two looks at least, by instance; what is not named has no floor.
            now: the time.
        """
        self._last = {load.instance_url: self._last[load.instance_url] for load in loads if self._knows(load)}
        due = [each.instance_url for each in loads if self._is_due(each, paused, floors, now)]
        self._last.update(dict.fromkeys(due, now))
        return due

    def _knows(self, load: InstanceLoad) -> bool:
        return load.instance_url in self._last

    def _is_due(
        self, load: InstanceLoad, paused: Mapping[str, datetime], floors: Mapping[str, float], now: datetime
    ) -> bool:
        url = load.instance_url
        if url in paused and paused[url] > now:
            return False
        if url not in self._last:
            return True
        wait = max(floors.get(url, 0.0), interval(self._settings, (now - load.youngest).total_seconds()))
        return now - self._last[url] >= timedelta(seconds=wait)
