"""The leader's turns, where more wait than can be looked at in one go."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.config.instances import InstanceSettings
from protes.dispatch import turns as turns_module
from protes.dispatch import waiting_list
from protes.dispatch.turns import Turns
from protes.dispatch.waiting_list import WaitingList, task_of
from protes.federation.known import FederationView, KnownInstance, Probed
from protes.store.factory import Stores, create_stores
from protes.store.records import TaskRecord
from tests.support.task_records import a_task

URL = "https://site.example.org"
OWNERS = [f"owner-{number}" for number in range(7)]


@pytest.fixture(name="stores")
def _stores() -> Iterator[Stores]:
    stores = create_stores("memory:")
    yield stores
    stores.close()


class Line:
    """Tasks in line for one instance, and the leader that gives them turns."""

    def __init__(self, stores: Stores, status: str) -> None:
        self.clock = ManualClock()
        self.stores = stores
        self.line = WaitingList(stores.records, self.clock)
        self.given: list[str] = []
        probed = Probed(ok=True, at=self.clock.now(), next_at=self.clock.now(), base_url=URL)
        settings = InstanceSettings(id="site", url=URL, drain=status != "ok")
        view = FederationView((KnownInstance(settings, URL, "site", "configuration", probed=probed),))
        federation: Any = SimpleNamespace(view=lambda: view)
        self.turns = Turns(stores.tasks, self.line, federation, self.clock, lambda _: 1.0, self._submit)

    def _submit(self, key: str) -> None:
        record = self.stores.tasks.get(task_of(key))
        assert record is not None
        self.given.append(record.owner)

    def park(self, owner: str, *more: str) -> TaskRecord:
        record = self.stores.tasks.create(a_task(owner=owner))
        self.line.park(record, {URL, *more})
        return record

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(1)
            self.turns.give()


def test_of_more_groups_than_are_looked_at_each_has_its_turn(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_list, "_MOST_GROUPS", 2)
    line = Line(stores, "ok")
    for owner in OWNERS:
        line.park(owner)
    line.ticks(4)
    assert sorted(line.given) == OWNERS


def test_turns_of_those_who_are_not_looked_at_now_are_not_given_again_before_they_are_lost(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_list, "_MOST_GROUPS", 2)
    line = Line(stores, "ok")
    for owner in OWNERS:
        line.park(owner)
    line.ticks(9)
    assert sorted(line.given) == OWNERS
    line.ticks(8)
    assert sorted(line.given) == sorted(OWNERS * 2)


def test_many_groups_of_one_owner_keep_nobody_else_from_looking_around(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "_MOST_SCOUTS", 2)
    line = Line(stores, "draining")  # no place is free: who looks around finds out what else there is
    for number in range(30):
        line.park("greedy", f"https://other{number}.example.org")
    for owner in OWNERS:
        line.park(owner)
    line.ticks(30)
    assert set(line.given) == {"greedy", *OWNERS}
