"""One task for one wish: keys, and submissions that py-tes sends again."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from protes.api.idempotency import Reposts, fingerprint, id_for_key
from protes.api.problems import Problem
from protes.clock import ManualClock
from protes.store.memory import MemoryRecords
from protes.store.protocols import StoreUnavailable

KEY = "a-key-of-16-char"
FIRST, LATER = "/ga4gh/tes/v1", "/v1"
DAY = 24 * 3600


def test_fingerprints_tell_parts_apart() -> None:
    parts = [("a", "b"), ("ab", ""), ("", "ab"), ("ab",), ("a", "b", ""), ("1:a", "b")]
    assert len({fingerprint(*each) for each in parts}) == len(parts)
    assert fingerprint("a", "b") == fingerprint("a", "b")


# Idempotency-Key


def choose(records: MemoryRecords, clock: ManualClock, new_id: str, **changed: str) -> str:
    values = {"subject": "alice", "key": KEY, "body": "hash", **changed}
    return id_for_key(records, clock, values["subject"], values["key"], values["body"], new_id)


def test_a_key_keeps_its_id_for_a_day() -> None:
    records, clock = MemoryRecords(), ManualClock()
    assert choose(records, clock, "first") == "first"
    assert choose(records, clock, "second") == "first"
    clock.advance(DAY - 1)
    assert choose(records, clock, "third") == "first"
    clock.advance(1)
    assert choose(records, clock, "fourth") == "fourth"


def test_keys_of_different_callers_never_meet() -> None:
    records, clock = MemoryRecords(), ManualClock()
    assert choose(records, clock, "of-alice") == "of-alice"
    assert choose(records, clock, "of-bob", subject="bob") == "of-bob"
    assert choose(records, clock, "of-nobody", subject="", body="other") == "of-nobody"


def test_a_key_with_another_body_is_refused_and_stays_what_it_was() -> None:
    records, clock = MemoryRecords(), ManualClock()
    choose(records, clock, "first")
    with pytest.raises(Problem, match="header Idempotency-Key: was used before with another body") as caught:
        choose(records, clock, "second", body="other")
    assert caught.value.status == 422
    assert choose(records, clock, "third") == "first"


@pytest.mark.parametrize("length", [16, 255])
def test_keys_of_a_reasonable_length_are_taken(length: int) -> None:
    assert choose(MemoryRecords(), ManualClock(), "new", key="k" * length) == "new"


@pytest.mark.parametrize("length", [0, 1, 15, 256, 10_000])
def test_other_keys_are_refused(length: int) -> None:
    with pytest.raises(Problem, match="header Idempotency-Key: must have 16 to 255 characters") as caught:
        choose(MemoryRecords(), ManualClock(), "new", key="k" * length)
    assert caught.value.status == 400


def test_the_key_itself_is_not_stored() -> None:
    records, clock = MemoryRecords(), ManualClock()
    choose(records, clock, "first")
    [stored] = records.scan("idempotency", "", clock.now())
    assert KEY not in stored.key
    assert KEY not in str(stored.value)
    assert stored.value == {"task_ids": ["first"], "body": "hash"}


# What py-tes sends again


class Poster:
    """A py-tes that sends the same body."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.clock = ManualClock()
        self.reposts = Reposts(records or MemoryRecords(), self.clock)

    def post(self, new_id: str, base: str, seconds: float = 0.0, **changed: str) -> str:
        values = {"subject": "", "body": "hash", "prefix": "", **changed}
        with self.reposts.watch(values["subject"], values["body"], values["prefix"], base, new_id) as task_id:
            self.clock.advance(seconds)
        return task_id


def test_a_slow_post_is_known_on_a_later_base_path_for_a_minute() -> None:
    poster = Poster()
    assert poster.post("first", FIRST, seconds=8.5) == "first"
    poster.clock.advance(59.9)
    assert poster.post("second", LATER) == "first"
    poster.clock.advance(0.1)
    assert poster.post("third", LATER) == "third"


@pytest.mark.parametrize("seconds", [0.0, 1.0, 8.0])
def test_a_post_that_was_answered_in_time_is_not_remembered(seconds: float) -> None:
    poster = Poster()
    assert poster.post("first", FIRST, seconds=seconds) == "first"
    assert poster.post("second", LATER) == "second"


@pytest.mark.parametrize("base", [FIRST, LATER])
def test_on_the_same_base_path_it_is_a_task_of_its_own(base: str) -> None:
    poster = Poster()
    assert poster.post("first", base, seconds=9) == "first"
    assert poster.post("second", base) == "second"


def test_on_an_earlier_base_path_it_is_a_task_of_its_own() -> None:
    poster = Poster()
    assert poster.post("first", LATER, seconds=9) == "first"
    assert poster.post("second", FIRST) == "second"


@pytest.mark.parametrize("changed", [{"subject": "bob"}, {"body": "other"}, {"prefix": "/w/0.3"}])
def test_another_caller_body_or_root_is_another_submission(changed: dict[str, Any]) -> None:
    poster = Poster()
    poster.post("first", FIRST, seconds=9)
    assert poster.post("second", LATER, **changed) == "second"


def test_a_post_in_progress_is_known_on_a_later_base_path_alone() -> None:
    poster = Poster()
    with poster.reposts.watch("", "hash", "", FIRST, "first") as first:
        assert first == "first"
        assert poster.post("second", LATER) == "first"
        assert poster.post("third", FIRST) == "third"
        assert poster.post("fourth", LATER, body="other") == "fourth"
    assert poster.post("fifth", LATER) == "fifth"


def test_what_was_sent_again_and_is_slow_as_well_keeps_the_first_id() -> None:
    poster = Poster()
    with poster.reposts.watch("", "hash", "", FIRST, "first"):
        assert poster.post("second", LATER, seconds=20) == "first"
    assert poster.post("third", LATER) == "first"


def test_a_slow_post_that_failed_is_remembered_as_it_may_have_been_stored() -> None:
    poster = Poster()

    def fail() -> None:
        with poster.reposts.watch("", "hash", "", FIRST, "first"):
            poster.clock.advance(9)
            raise StoreUnavailable("locked")

    with pytest.raises(StoreUnavailable):
        fail()
    assert poster.post("second", LATER) == "first"


class NothingCanBeKept(MemoryRecords):
    """Records on a full disk."""

    def put(
        self,
        kind: str,
        key: str,
        value: Mapping[str, Any],
        now: datetime,
        *,
        expected_version: int | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        raise StoreUnavailable("the disk is full")


def test_a_task_is_answered_though_it_cannot_be_remembered(caplog: pytest.LogCaptureFixture) -> None:
    poster = Poster(NothingCanBeKept())
    with caplog.at_level(logging.WARNING, "protes"):
        assert poster.post("first", FIRST, seconds=9) == "first"
    assert "the disk is full" in caplog.text
    assert poster.post("second", LATER) == "second"
