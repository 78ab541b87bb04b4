"""Records on every backend."""

from functools import partial

import pytest

from protes.store.protocols import Conflict, Records, Stored
from tests.contract.conftest import Backend
from tests.support.task_records import START, at
from tests.support.waiting import at_once


def keys(found: object) -> list[str]:
    """Return the keys of what a scan found."""
    return [stored.key for stored in found]  # type: ignore[attr-defined]


def test_a_value_comes_back_with_its_version(records: Records) -> None:
    value = {"a": [1, 2.5, None, True], "b.c": {"ü": "\x00"}}
    assert records.get("kind", "key", START) is None
    assert records.put("kind", "key", value, START, expires_at=at(10)) == 1
    assert records.get("kind", "key", START) == Stored("key", value, 1, at(10))
    assert records.put("kind", "key", {}, START) == 2
    assert records.get("kind", "key", START) == Stored("key", {}, 2, None)


def test_kinds_are_apart(records: Records) -> None:
    records.put("one", "key", {"n": 1}, START)
    records.put("two", "key", {"n": 2}, START)
    assert records.delete("one", "key")
    assert records.get("one", "key", START) is None
    assert keys(records.scan("two", "", START)) == ["key"]


def test_values_are_copies(records: Records) -> None:
    value = {"list": [1]}
    records.put("kind", "key", value, START)
    value["list"].append(2)
    stored = records.get("kind", "key", START)
    assert stored is not None
    stored.value["list"].append(3)
    assert records.get("kind", "key", START) == Stored("key", {"list": [1]}, 1, None)


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": object()}])
def test_what_is_no_json_is_refused(records: Records, value: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        records.put("kind", "key", value, START)
    assert records.get("kind", "key", START) is None


def test_expected_versions(records: Records) -> None:
    with pytest.raises(Conflict):
        records.put("kind", "key", {}, START, expected_version=1)
    assert records.put("kind", "key", {"n": 1}, START, expected_version=0) == 1
    for wrong in (0, 2):
        with pytest.raises(Conflict):
            records.put("kind", "key", {"n": 2}, START, expected_version=wrong)
    assert records.put("kind", "key", {"n": 3}, START, expected_version=1) == 2
    assert records.get("kind", "key", START) == Stored("key", {"n": 3}, 2, None)


def test_expired_is_as_good_as_absent(records: Records) -> None:
    records.put("kind", "key", {"n": 1}, START, expires_at=at(10))
    records.put("kind", "key", {"n": 2}, START, expires_at=at(10))
    assert records.get("kind", "key", at(9.999999)) is not None
    assert records.get("kind", "key", at(10)) is None
    assert keys(records.scan("kind", "", at(10))) == []
    with pytest.raises(Conflict):
        records.put("kind", "key", {}, at(10), expected_version=2)
    assert records.put("kind", "key", {}, at(10), expected_version=0) == 1


def test_expire_removes_what_has_expired(records: Records) -> None:
    for n in range(5):
        records.put("kind", f"key{n}", {}, START, expires_at=at(n))
    records.put("kind", "forever", {}, START)
    assert records.expire(at(3), limit=3) == 3
    assert records.expire(at(3), limit=3) == 1
    assert records.expire(at(3)) == 0
    assert keys(records.scan("kind", "", START)) == ["forever", "key4"]


def test_delete_says_whether_it_was_there(records: Records) -> None:
    records.put("kind", "key", {}, START)
    assert records.delete("kind", "key")
    assert not records.delete("kind", "key")
    assert records.put("kind", "key", {}, START) == 1


def test_scan_pages_in_order_of_keys(records: Records) -> None:
    for key in ("b/2", "a", "b/10", "b", "c", "b%", "B", "bé", "b\U0010ffff"):
        records.put("kind", key, {}, START)
    assert keys(records.scan("kind", "b", START)) == ["b", "b%", "b/10", "b/2", "bé", "b\U0010ffff"]
    assert keys(records.scan("kind", "b/", START)) == ["b/10", "b/2"]
    assert keys(records.scan("kind", "b", START, limit=2)) == ["b", "b%"]
    assert keys(records.scan("kind", "b", START, after="b%", limit=2)) == ["b/10", "b/2"]
    assert keys(records.scan("kind", "b", START, after="c")) == []
    assert keys(records.scan("kind", "b", START, after="a", limit=1)) == ["b"]
    assert keys(records.scan("kind", "", START, limit=3)) == ["B", "a", "b"]


def test_creating_has_one_winner(records: Records) -> None:
    puts = [partial(records.put, "leader", "tick", {"holder": n}, START, expected_version=0) for n in range(8)]
    outcomes = at_once(puts)
    assert sorted(isinstance(outcome, Conflict) for outcome in outcomes) == [False] + [True] * 7
    stored = records.get("leader", "tick", START)
    assert stored == Stored("tick", {"holder": outcomes.index(1)}, 1, None)


def test_counting_by_compare_and_set_loses_nothing(records: Records) -> None:
    records.put("kind", "count", {"n": 0}, START)

    def count() -> None:
        for _ in range(10):
            done = False
            while not done:
                stored = records.get("kind", "count", START)
                assert stored is not None
                try:
                    records.put("kind", "count", {"n": stored.value["n"] + 1}, START, expected_version=stored.version)
                    done = True
                except Conflict:
                    done = False

    at_once([count] * 4)
    assert records.get("kind", "count", START) == Stored("count", {"n": 40}, 41, None)


def test_what_was_put_is_there_after_reopening(backend: Backend) -> None:
    if backend.reopen is None:
        pytest.skip("nothing is on disk")
    backend.stores.records.put("kind", "key", {"n": 1}, START)
    backend.stores.close()
    assert backend.reopen().records.get("kind", "key", START) == Stored("key", {"n": 1}, 1, None)


def test_many_are_deleted_of_one_kind(records: Records) -> None:
    for kind in ("one", "two"):
        for key in ("a", "b", "c"):
            records.put(kind, key, {}, START)
    assert records.delete_many("one", []) == 0
    assert records.delete_many("one", ["a", "c", "absent"]) == 2
    assert records.delete_many("one", ["a", "c"]) == 0
    assert [stored.key for stored in records.scan("one", "", START)] == ["b"]
    assert [stored.key for stored in records.scan("two", "", START)] == ["a", "b", "c"]
