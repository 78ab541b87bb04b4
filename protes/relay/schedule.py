"""When to look at an instance again: adaptive to its tasks, their readers, and its health. Pure but for memory.

What it remembers is a hint: a process that starts anew looks at every instance at once, which is right.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from protes.config.settings import RelaySettings
from protes.store.records import InstanceLoad


def interval(settings: RelaySettings, youngest_age_seconds: float, active: int = 1, *, read: bool = False) -> float:
    """Return the poll interval of an instance, in seconds.

    Args:
        settings: the settings.
        youngest_age_seconds: age of its youngest task; what has just begun may soon end.
        active: its unfinished tasks, which a look lists all.
        read: somebody reads tasks there.
    """
    longest = min(settings.last_poll_seconds, settings.read_poll_seconds) if read else settings.last_poll_seconds
    wanted = min(longest, max(settings.first_poll_seconds, youngest_age_seconds * settings.growth))
    return max(wanted, active / settings.tasks_per_second)


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
        read: Collection[str] = (),
    ) -> list[str]:
        """Return the instances to look at now, and count them as looked at.

        Args:
            loads: instances with unfinished tasks.
            paused: until when an instance that fails is left in peace.
            floors: seconds that must lie between two looks at least, by instance; what is not named has no floor.
            now: the time.
            read: instances where somebody reads tasks.
        """
        self._last = {load.instance_url: self._last[load.instance_url] for load in loads if self._knows(load)}
        due = [
            load.instance_url
            for load in loads
            if self._is_due(load, paused, floors, now, read=load.instance_url in read)
        ]
        self._last.update(dict.fromkeys(due, now))
        return due

    def _knows(self, load: InstanceLoad) -> bool:
        return load.instance_url in self._last

    def _is_due(
        self,
        load: InstanceLoad,
        paused: Mapping[str, datetime],
        floors: Mapping[str, float],
        now: datetime,
        *,
        read: bool,
    ) -> bool:
        url = load.instance_url
        if url in paused and paused[url] > now:
            return False
        if url not in self._last:
            return True
        wanted = interval(self._settings, (now - load.youngest).total_seconds(), load.active, read=read)
        # A clock that was put back must not keep the instance waiting.
        return abs(now - self._last[url]) >= timedelta(seconds=max(floors.get(url, 0.0), wanted))
