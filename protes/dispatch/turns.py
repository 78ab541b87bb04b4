"""Gives tasks in line their turns: the leader's part of fair share (docs/quotas.md).

At every tick it looks which instances have places free, and submits as many tasks as there are places, in the order of
`FairShare`. What it costs depends on how many owners wait and how many places are free, not on how many tasks wait.

Besides, the oldest task of each owner looks around now and then whether a place is free or not: there may be an
instance that has come back, or that nobody knew when the tasks got in line. Where it finds one, more of them follow.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from protes.clock import Clock
from protes.dispatch.fair_share import FairShare, Weight
from protes.dispatch.waiting_list import Group, Note, WaitingList
from protes.federation.federation import Federation
from protes.federation.known import KnownInstance
from protes.store.protocols import TaskStore

_MOST_TURNS = 200
_MOST_LOOKED_AT = 1000
_PAGE = 32
_LOST_SECONDS = 10.0
_SCOUT_SECONDS = 5.0
_FORGOTTEN_SECONDS = 300.0
_MOST_SCOUTS = 20
_LARGEST_BURST = 64
_TIMES_AS_LONG = 20
_OLDEST_SECONDS = 5.0


@dataclass(slots=True)
class _Given:
    """A turn that was given, until the task has taken it."""

    since: str
    at: float
    url: str | None
    owner: str


@dataclass(slots=True)
class _Queue:
    """The tasks of a group, oldest first, read page by page."""

    group: Group
    notes: list[Note] = field(default_factory=list)
    after: str = ""
    ended: bool = False


@dataclass(slots=True)
class _Scouting:
    next_at: float = -inf
    burst: int = 1
    sent: tuple[str, ...] = ()


class Turns:
    """Gives turns. Used by one thread at a time, that of the leader's tick."""

    def __init__(
        self,
        tasks: TaskStore,
        line: WaitingList,
        federation: Federation,
        clock: Clock,
        weight: Weight,
        submit: Callable[[str], object],
    ) -> None:
        """Share by `weight`; `submit` has the task with a note of this key take its turn."""
        self._tasks = tasks
        self._line = line
        self._federation = federation
        self._clock = clock
        self._weight = weight
        self._submit = submit
        self._shares: dict[str, FairShare] = {}
        self._given: dict[str, _Given] = {}
        self._scouting: dict[str, _Scouting] = {}
        self._groups: Sequence[Group] = ()
        self._groups_until = -inf
        self._last_prefix = ""
        self._are_all = True
        self._next_at = -inf
        self._looked_at = 0

    def give(self) -> int:
        """Give what turns there are, unless that was done a moment ago; return how many.

        Raises:
            StoreError: the store cannot be read; the next time will do.
        """
        began = self._clock.monotonic()
        if began < self._next_at:
            return 0
        given = self._give_all(self._waiting_groups())
        took = self._clock.monotonic() - began
        self._next_at = began + min(took * _TIMES_AS_LONG / 4, _OLDEST_SECONDS)
        return given

    def _give_all(self, groups: Sequence[Group]) -> int:
        if not groups:
            self._given, self._scouting, self._shares = {}, {}, {}
            return 0
        self._looked_at = 0
        queues = {group.prefix: _Queue(group) for group in groups}
        self._settle_given(queues)
        # After what was taken has been found out: a task may be counted twice for a moment, and never not at all.
        instances = self._open_instances(groups)
        in_flight = self._in_flight(instances)
        places = {
            url: _MOST_TURNS if each.max_in_flight is None else each.max_in_flight - in_flight[url].total()
            for url, each in instances.items()
        }
        left = _MOST_TURNS
        for url in sorted(places):
            left -= self._share(url, min(places[url], left), queues, in_flight[url])
        return _MOST_TURNS - left + self._scout(queues)

    def _waiting_groups(self) -> Sequence[Group]:
        """Return the groups, asked for again as often as it takes a twentieth of the time at most."""
        began = self._clock.monotonic()
        if began >= self._groups_until:
            # Where there are more than can be looked at, the others are next: many groups must not hide anybody.
            after = self._last_prefix
            found, self._last_prefix = self._line.groups(after)
            if after and not found:
                after = ""
                found, self._last_prefix = self._line.groups()
            self._are_all = not after and not self._last_prefix
            took = self._clock.monotonic() - began
            self._groups = found
            self._groups_until = began + min(took * _TIMES_AS_LONG, _OLDEST_SECONDS)
        return self._groups

    def _settle_given(self, queues: Mapping[str, _Queue]) -> None:
        """Forget turns that were taken, and those that were lost."""
        lost = self._clock.monotonic() - _LOST_SECONDS
        still = {}
        if not self._are_all:  # of the others nobody knows: their turns count until they are looked at, or lost
            still = {key: each for key, each in self._given.items() if each.at > lost and _prefix_of(key) not in queues}
        last = {}
        for key in sorted(self._given):
            last[_prefix_of(key)] = key
        for prefix, queue in queues.items():
            self._page(queue)
            while not queue.ended and queue.after < last.get(prefix, ""):
                self._page(queue)
            for note in queue.notes:
                given = self._given.get(note.key)
                if given is not None and given.since == note.since and given.at > lost:
                    still[note.key] = given
        self._given = still

    def _open_instances(self, groups: Sequence[Group]) -> dict[str, KnownInstance]:
        """Return the instances that somebody waits for and that take tasks, by base URL."""
        view = self._federation.view()
        wanted = {url: view.at(url) for url in frozenset().union(*(group.urls for group in groups))}
        return {url: each for url, each in wanted.items() if each is not None and _takes(each)}

    def _in_flight(self, urls: Collection[str]) -> dict[str, Counter[str]]:
        """Return what owners have at these instances, or on its way there."""
        owners = self._tasks.live_owners(urls) if urls else {}
        found = {url: Counter(owners.get(url, {})) for url in urls}
        for given in self._given.values():
            if given.url in found:
                found[given.url][given.owner] += 1
        return found

    def _share(self, url: str, places: int, queues: Mapping[str, _Queue], in_flight: Counter[str]) -> int:
        share = self._shares.setdefault(url, FairShare(self._weight))
        wanting = [queue for queue in queues.values() if url in queue.group.urls]
        given = 0
        while given < places:
            oldest: dict[str, tuple[str, _Queue, Note]] = {}
            for queue in wanting:
                note = self._next(queue)
                if note is not None:
                    mine = (note.task_id, queue, note)
                    oldest[queue.group.owner] = min(mine, oldest.get(queue.group.owner, mine), key=lambda each: each[0])
            if not oldest:
                break
            owner = share.first({each: found[0] for each, found in oldest.items()}, in_flight)
            _, queue, note = oldest[owner]
            queue.notes.remove(note)
            if self._gone(note):
                continue
            share.serve(owner)
            in_flight[owner] += 1
            self._give(note, owner, url)
            given += 1
        return given

    def _scout(self, queues: Mapping[str, _Queue]) -> int:
        """Let the oldest of each group look around; where that was of use, twice as many the next time."""
        now, sent = self._clock.monotonic(), 0
        scouts = {prefix: self._scouting.get(prefix, _Scouting(now + _SCOUT_SECONDS)) for prefix in queues}
        oldest = now - _FORGOTTEN_SECONDS
        others = {} if self._are_all else {name: one for name, one in self._scouting.items() if one.next_at > oldest}
        self._scouting = {**others, **scouts}
        # Who has not looked for longest goes first: there may be more of them than may look at once.
        for prefix, scouting in sorted(scouts.items(), key=lambda each: each[1].next_at):
            queue = queues[prefix]
            if sent >= _MOST_SCOUTS or any(key in self._given for key in scouting.sent):
                continue
            there = {note.key for note in queue.notes}
            found = bool(scouting.sent) and there.isdisjoint(scouting.sent)
            if not found and now < scouting.next_at:
                continue
            scouting.burst = min(2 * scouting.burst, _LARGEST_BURST) if found else 1
            scouting.next_at = now + _SCOUT_SECONDS
            notes = [note for _ in range(scouting.burst) if (note := self._take(queue)) is not None]
            for note in notes:
                self._give(note, queue.group.owner, None)
            scouting.sent = tuple(note.key for note in notes)
            sent += len(notes)
        return sent

    def _give(self, note: Note, owner: str, url: str | None) -> None:
        self._given[note.key] = _Given(note.since, self._clock.monotonic(), url, owner)
        self._submit(note.key)

    def _take(self, queue: _Queue) -> Note | None:
        while (note := self._next(queue)) is not None:
            queue.notes.remove(note)
            if not self._gone(note):
                return note
        return None

    def _next(self, queue: _Queue) -> Note | None:
        """Return the oldest that has not been given a turn."""
        while True:
            found = next((note for note in queue.notes if note.key not in self._given), None)
            if found is not None or queue.ended:
                return found
            self._page(queue)

    def _page(self, queue: _Queue) -> None:
        page = self._line.notes(queue.group, queue.after, _PAGE)
        queue.ended = len(page) < _PAGE
        queue.after = page[-1].key if page else queue.after
        queue.notes += page

    def _gone(self, note: Note) -> bool:
        """Tell whether a task does not wait any more, such as one that was cancelled; then its note goes, too."""
        self._looked_at += 1
        if self._looked_at > _MOST_LOOKED_AT:
            return False
        head = self._tasks.get(note.task_id, head=True)
        if head is None or head.state.finished or head.cancel_requested_at is not None:
            self._line.leave(note.task_id, note.key)
            return True
        return False


def _prefix_of(key: str) -> str:
    return f"{key.rpartition('.')[0]}."


def _takes(instance: KnownInstance) -> bool:
    return instance.is_member and instance.status == "ok"
