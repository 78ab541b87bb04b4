"""When instances are looked at: adaptive, with floors, and left in peace when they fail."""

from datetime import UTC, datetime, timedelta

import pytest

from protes.config.settings import RelaySettings
from protes.relay.schedule import Schedule, interval
from protes.store.records import InstanceLoad

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SETTINGS = RelaySettings(first_poll_seconds=0.5, last_poll_seconds=30, growth=0.1)


@pytest.mark.parametrize(("age", "expected"), [(0, 0.5), (5, 0.5), (20, 2.0), (299, 29.9), (3600, 30.0)])
def test_the_interval_grows_with_the_youngest_task_within_bounds(age: float, expected: float) -> None:
    assert interval(SETTINGS, age) == pytest.approx(expected)


def _load(url: str, age_seconds: float = 0) -> InstanceLoad:
    return InstanceLoad(url, 1, NOW - timedelta(seconds=age_seconds))


def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_new_instance_is_due_at_once_and_again_after_its_interval() -> None:
    schedule = Schedule(SETTINGS)
    loads = [_load("a"), _load("b", age_seconds=100)]
    assert schedule.due(loads, {}, {}, NOW) == ["a", "b"]
    assert schedule.due(loads, {}, {}, _at(0.4)) == []
    assert schedule.due(loads, {}, {}, _at(0.6)) == ["a"]
    assert schedule.due(loads, {}, {}, _at(12)) == ["a", "b"]


def test_a_floor_holds_back_even_young_tasks() -> None:
    schedule = Schedule(SETTINGS)
    assert schedule.due([_load("a")], {}, {"a": 5.0}, NOW) == ["a"]
    assert schedule.due([_load("a")], {}, {"a": 5.0}, _at(4.9)) == []
    assert schedule.due([_load("a")], {}, {"a": 5.0}, _at(5.0)) == ["a"]


def test_an_instance_that_fails_is_left_in_peace_until_its_ejection_ends() -> None:
    schedule = Schedule(SETTINGS)
    paused = {"a": _at(10)}
    assert schedule.due([_load("a"), _load("b")], paused, {}, NOW) == ["b"]
    assert schedule.due([_load("a")], paused, {}, _at(11)) == ["a"]


def test_what_has_no_tasks_any_more_is_forgotten() -> None:
    schedule = Schedule(SETTINGS)
    schedule.due([_load("a")], {}, {}, NOW)
    schedule.due([], {}, {}, _at(0.1))
    assert schedule.due([_load("a")], {}, {}, _at(0.2)) == ["a"]


def test_many_tasks_are_listed_less_often() -> None:
    assert interval(SETTINGS, 0, 2_000) == pytest.approx(0.5)
    assert interval(SETTINGS, 0, 10_000) == pytest.approx(2.0)
    assert interval(SETTINGS, 1e6, 1_000_000) == pytest.approx(200.0)


def test_an_instance_is_looked_at_sooner_while_somebody_reads_there() -> None:
    assert interval(SETTINGS, 1e6, read=True) == pytest.approx(SETTINGS.read_poll_seconds)
    assert interval(SETTINGS, 0, read=True) == pytest.approx(0.5)
    schedule, old = Schedule(SETTINGS), [_load("a", 1e6), _load("b", 1e6)]
    schedule.due(old, {}, {}, NOW)
    assert schedule.due(old, {}, {}, _at(6), {"b"}) == ["b"]
