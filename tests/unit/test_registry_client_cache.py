"""Services at hand: fresh, stale, in trouble, across restarts. Time is moved by hand; the registry is a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_registry_client import CachedRegistry, Limits, RegistryClient, Snapshot
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.scripted_server import (
    Answer,
    Behaviour,
    Delayed,
    Exchange,
    HangUp,
    Stall,
    answer_html,
    answer_json,
    problem,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600.0
DAY = 24 * HOUR


class Time:
    """A monotonic clock and a calendar, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.calendar = START

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
        self.calendar += timedelta(seconds=seconds)


class Caches:
    """Caches of one fake registry that share a clock; closed at the test's end."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.time = Time()
        self._made: list[CachedRegistry] = []

    def make(self, url: str | None = None, **options: Any) -> CachedRegistry:
        options = {"jitter": 0.0, **options}
        cached = CachedRegistry(
            RegistryClient(url or self.registry.url, limits=Limits(read_seconds=5.0)),
            clock=lambda: self.time.seconds,
            now=lambda: self.time.calendar,
            **options,
        )
        self._made.append(cached)
        return cached

    def fail(self, answer: Answer | HangUp) -> None:
        """From now on the registry answers so."""
        self.registry.server.on("GET", self.registry.path("/services"), answer)

    def close(self) -> None:
        for cached in self._made:
            cached.close()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry([service_entry("https://a.example")]) as fake:
        yield fake


@pytest.fixture
def caches(registry: FakeRegistry) -> Iterator[Caches]:
    made = Caches(registry)
    yield made
    made.close()


class Counting(Behaviour):
    """Counts how many requests are answered at once."""

    def __init__(self, answer: Answer) -> None:
        self.most_at_once = 0
        self._answer = answer
        self._now = 0
        self._lock = threading.Lock()

    def play(self, exchange: Exchange) -> None:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        exchange.wait(0.02)
        with self._lock:
            self._now -= 1
        self._answer.play(exchange)


def urls(snapshot: Snapshot) -> list[str]:
    return [service.url for service in snapshot.services]


def settled(cached: CachedRegistry) -> Snapshot:
    """What is known once a refresh that was started in the background has ended."""
    return cached.refresh()


def test_a_fresh_answer_is_given_without_asking_again(caches: Caches) -> None:
    cached = caches.make()
    first = cached.services()
    assert first == Snapshot(first.services, (), START, stale=False, error=None)
    assert urls(first) == ["https://a.example"]
    caches.time.pass_(299.9)
    assert cached.services() == first
    assert caches.registry.fetches == 1


def test_a_stale_answer_is_given_at_once_while_one_refresh_runs(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    cached.services()
    registry.services = [service_entry("https://b.example")]
    stall = Stall(then=answer_json(registry.services))
    registry.server.inject("GET", registry.path("/services"), stall)
    caches.time.pass_(300.0)
    for _ in range(5):
        snapshot = cached.services()
        assert (urls(snapshot), snapshot.stale) == (["https://a.example"], True)
    stall.wait_entered()
    assert cached.services().stale
    stall.release()
    snapshot = settled(cached)
    assert (urls(snapshot), snapshot.stale) == (["https://b.example"], False)
    assert snapshot.fetched_at == START + timedelta(seconds=300)
    assert registry.fetches == 2


def in_threads(count: int, call: Callable[[], Snapshot]) -> list[Snapshot]:
    seen: list[Snapshot] = []
    callers = [threading.Thread(target=lambda: seen.append(call())) for _ in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    return seen


def test_many_callers_share_the_first_fetch(caches: Caches, registry: FakeRegistry) -> None:
    registry.server.inject("GET", registry.path("/services"), Delayed(0.1))
    cached = caches.make()
    seen = in_threads(16, cached.services)
    assert [urls(snapshot) for snapshot in seen] == [["https://a.example"]] * 16
    assert registry.fetches == 1


def test_forced_refreshes_never_run_side_by_side(caches: Caches, registry: FakeRegistry) -> None:
    counting = Counting(answer_json(registry.services))
    registry.server.on("GET", registry.path("/services"), counting)
    cached = caches.make()
    assert len(in_threads(16, lambda: cached.refresh(force=True))) == 16
    assert counting.most_at_once == 1


def test_who_cannot_wait_need_not(caches: Caches, registry: FakeRegistry) -> None:
    registry.server.on("GET", registry.path("/services"), Stall())
    cached = caches.make()
    assert cached.services(wait_seconds=0) == Snapshot()
    assert cached.services(wait_seconds=0.01) == Snapshot()
    registry.server.wait_for("GET", registry.path("/services"))
    assert registry.fetches == 1


@pytest.mark.parametrize("fault", [problem(500), answer_html(), answer_json({}), HangUp()], ids=repr)
def test_a_registry_in_trouble_leaves_what_is_known(caches: Caches, fault: Answer | HangUp) -> None:
    cached = caches.make()
    cached.services()
    caches.fail(fault)
    caches.time.pass_(HOUR)
    snapshot = cached.refresh()
    assert (urls(snapshot), snapshot.stale, snapshot.fetched_at) == (["https://a.example"], True, START)
    assert snapshot.error is not None
    assert caches.registry.url in snapshot.error


def test_a_failure_is_remembered_for_a_while(caches: Caches) -> None:
    caches.fail(problem(500))
    cached = caches.make()
    snapshot = cached.services()
    assert (snapshot.services, snapshot.fetched_at, snapshot.stale) == ((), None, True)
    assert "HTTP 500" in (snapshot.error or "")
    caches.time.pass_(29.9)
    assert cached.services() == snapshot
    assert caches.registry.fetches == 1
    caches.fail(answer_json([service_entry("https://b.example")]))
    caches.time.pass_(0.2)
    snapshot = cached.services()
    assert (urls(snapshot), snapshot.error) == (["https://b.example"], None)


@pytest.mark.parametrize(("asked", "waited"), [("120", 120.0), ("5", 30.0), ("999999", HOUR)])
def test_a_registry_that_asks_for_time_gets_it(caches: Caches, asked: str, waited: float) -> None:
    caches.fail(problem(503, Retry_After=asked))
    cached = caches.make()
    cached.services()
    caches.time.pass_(waited - 0.1)
    cached.services()
    assert caches.registry.fetches == 1
    caches.time.pass_(0.2)
    cached.services()
    assert caches.registry.fetches == 2


def test_what_is_too_old_is_not_given(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    cached.services()
    route = registry.server.on("GET", registry.path("/services"), problem(500))
    caches.time.pass_(DAY - 1)
    assert urls(cached.refresh()) == ["https://a.example"]
    caches.time.pass_(2)
    snapshot = cached.services()
    assert (snapshot.services, snapshot.fetched_at, snapshot.stale) == ((), None, True)
    assert snapshot.error is not None
    # Once too old it is waited for again.
    registry.server.off(route)
    caches.time.pass_(31)
    assert urls(cached.services()) == ["https://a.example"]


def test_a_forced_refresh_asks_in_any_case(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    cached.services()
    registry.services = [service_entry("https://b.example")]
    assert urls(cached.refresh()) == ["https://a.example"]
    assert urls(cached.refresh(force=True)) == ["https://b.example"]
    caches.fail(problem(500))
    cached.refresh(force=True)
    cached.refresh(force=True)
    assert registry.fetches == 4


def test_an_unchanged_list_is_confirmed(caches: Caches, registry: FakeRegistry) -> None:
    registry.etags = True
    cached = caches.make()
    first = cached.services()
    caches.time.pass_(301)
    again = cached.refresh()
    assert again.services is first.services
    assert (again.stale, again.fetched_at) == (False, START + timedelta(seconds=301))
    assert registry.server.requests()[-1].headers["If-None-Match"]


def test_warnings_are_told(caches: Caches, registry: FakeRegistry) -> None:
    registry.services = [{}, service_entry("https://a.example")]
    snapshot = caches.make().services()
    assert urls(snapshot) == ["https://a.example"]
    assert len(snapshot.warnings) == 1


def test_a_list_that_is_suddenly_empty_is_not_believed_at_once(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    cached.services()
    services, registry.services = registry.services, []
    caches.time.pass_(300)
    snapshot = cached.refresh()
    assert (urls(snapshot), snapshot.stale, snapshot.error) == (["https://a.example"], True, None)
    assert "suddenly" in snapshot.warnings[0]
    caches.time.pass_(899)
    assert urls(cached.refresh()) == ["https://a.example"]
    caches.time.pass_(300)
    snapshot = cached.refresh()
    assert (snapshot.services, snapshot.stale, snapshot.error) == ((), False, None)
    registry.services = services
    assert urls(cached.refresh(force=True)) == ["https://a.example"]


def test_a_list_that_is_back_is_believed_and_doubt_starts_anew(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    cached.services()
    services = registry.services
    for _ in range(3):
        registry.services = []
        caches.time.pass_(600)
        assert urls(cached.refresh()) == ["https://a.example"]
        registry.services = services
        assert cached.refresh(force=True).warnings == ()


def test_a_list_that_was_always_empty_is_believed(caches: Caches, registry: FakeRegistry) -> None:
    registry.services = []
    cached = caches.make()
    assert cached.services() == Snapshot((), (), START, stale=False)
    caches.time.pass_(301)
    assert cached.refresh().fetched_at == START + timedelta(seconds=301)


@pytest.mark.parametrize(
    ("cache_control", "fresh_seconds"),
    [
        ("max-age=600", 600.0),
        ("max-age=5", 60.0),
        ("max-age=86400", HOUR),
        ("no-store, max-age=600", 60.0),
        ("", 300.0),
    ],
)
def test_the_registry_moves_the_time_to_live(
    caches: Caches, registry: FakeRegistry, cache_control: str, fresh_seconds: float
) -> None:
    registry.headers = {"Cache-Control": cache_control}
    cached = caches.make()
    cached.services()
    caches.time.pass_(fresh_seconds - 0.1)
    assert not cached.services().stale
    caches.time.pass_(0.2)
    assert cached.services().stale


@pytest.mark.parametrize(("fraction", "fresh_seconds"), [(0.0, 240.0), (0.5, 300.0), (0.999999, 360.0)])
def test_the_time_to_live_varies(caches: Caches, fraction: float, fresh_seconds: float) -> None:
    cached = caches.make(jitter=0.2, random_fraction=lambda: fraction)
    cached.services()
    caches.time.pass_(fresh_seconds - 0.1)
    assert not cached.services().stale
    caches.time.pass_(0.2)
    assert cached.services().stale


# Across restarts


def test_what_is_known_survives_a_restart(caches: Caches, registry: FakeRegistry) -> None:
    registry.etags = True
    registry.services = [service_entry(" https://a.example//", curiePrefix="x", createdAt="2026"), {}]
    before = caches.make()
    known = before.services()
    text = before.dump()
    caches.time.pass_(100)
    after = caches.make()
    assert after.load(text)
    assert after.services() == known
    assert registry.fetches == 1
    caches.time.pass_(201)
    assert after.services() == Snapshot(known.services, known.warnings, known.fetched_at, stale=True)
    settled(after)
    assert registry.server.requests()[-1].headers["If-None-Match"]


def test_a_dead_registry_is_survived_across_restarts_for_as_long_as_without(caches: Caches) -> None:
    before = caches.make()
    before.services()
    text = before.dump()
    caches.fail(problem(500))
    caches.time.pass_(DAY - 1)
    after = caches.make()
    assert after.load(text)
    assert urls(after.refresh()) == ["https://a.example"]
    caches.time.pass_(2)
    assert urls(after.services()) == []
    assert not caches.make().load(text)


def test_an_older_answer_replaces_no_newer_one(caches: Caches, registry: FakeRegistry) -> None:
    old = caches.make()
    old.services()
    text = old.dump()
    caches.time.pass_(10)
    registry.services = [service_entry("https://b.example")]
    new = caches.make()
    new.services()
    assert not new.load(text)
    assert old.load(new.dump())
    assert urls(old.services()) == ["https://b.example"]


def test_a_calendar_set_back_does_no_harm(caches: Caches) -> None:
    before = caches.make()
    before.services()
    caches.time.calendar -= timedelta(days=400)
    after = caches.make()
    assert after.load(before.dump())
    assert not after.services().stale


def test_nothing_is_kept_of_what_must_not_be(caches: Caches, registry: FakeRegistry) -> None:
    registry.headers = {"Cache-Control": "no-store"}
    cached = caches.make()
    empty = cached.dump()
    cached.services()
    assert cached.dump() == empty
    assert not caches.make().load(empty)


def test_another_registrys_answer_is_not_taken_over(caches: Caches) -> None:
    cached = caches.make()
    cached.services()
    assert not caches.make("https://elsewhere.example").load(cached.dump())


TEXTS = st.one_of(
    st.text(max_size=20),
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        json.dumps
    ),
    st.fixed_dictionaries(
        {"format": st.just(1), "registry": st.just("https://r.example")},
        optional={
            "fetched_at": st.sampled_from([None, 1, "x", "2026-01-01T00:00:00+00:00", "0001-01-01T00:00:00+23:59"]),
            "services": st.sampled_from([[], None, [1], [{}], [{"service": {}}]]),
            "warnings": st.sampled_from([[], None, [1]]),
            "etag": st.sampled_from([None, 1, '"x"']),
            "max_age_seconds": st.sampled_from([None, 1, "1"]),
        },
    ).map(json.dumps),
)


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_loaded_or_refused(text: str) -> None:
    with CachedRegistry(RegistryClient("https://r.example"), now=lambda: START) as cached:
        try:
            cached.load(text)
        except ValueError:
            return
        assert cached.services(wait_seconds=0).services == ()


# The end


def test_closing_breaks_off_a_refresh_and_keeps_what_is_known(caches: Caches, registry: FakeRegistry) -> None:
    cached = caches.make()
    known = cached.services()
    stall = Stall()
    registry.server.on("GET", registry.path("/services"), stall)
    caches.time.pass_(301)
    cached.services()
    stall.wait_entered()
    threads = threading.active_count()
    cached.close()
    assert threading.active_count() < threads
    assert cached.services() == Snapshot(known.services, (), START, stale=True)
    assert cached.refresh(force=True).error is None
    assert registry.fetches == 2
