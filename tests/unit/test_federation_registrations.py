"""Instances registered at run time, as the store keeps them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from protes.clock import ManualClock
from protes.config.credentials import Credentials
from protes.config.federation import NamedCredentials
from protes.config.instances import Declared
from protes.federation.lock import Lock
from protes.federation.registrations import KIND, Registration, Registrations, Taken, may_be_sent
from protes.store.factory import create_stores
from protes.store.protocols import Records, StoreUnavailable
from tests.support.waiting import at_once

CREDENTIALS = {
    "site": NamedCredentials(
        type="bearer", secret_env="SITE_TOKEN", hosts=("site.example.org", "other.example.org:8443")
    )
}
URL = "https://site.example.org/ga4gh/tes/v1"


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="records", params=["memory:", "data"])
def _records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    stores = create_stores("memory:" if request.param == "memory:" else str(tmp_path / "data"))
    yield stores.records
    stores.close()


@pytest.fixture(name="registrations")
def _registrations(records: Records, clock: ManualClock) -> Registrations:
    return Registrations(records, clock, CREDENTIALS)


@pytest.fixture(name="make")
def _make(clock: ManualClock) -> Callable[..., Registration]:
    def make(id: str = "a", url: str = URL, **fields: object) -> Registration:
        return Registration(id=id, url=url, created_at=clock.now(), updated_at=clock.now(), **fields)  # type: ignore[arg-type]

    return make


def test_what_is_registered_is_read_by_every_process(
    registrations: Registrations, records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    full = make(
        service={"name": "A", "type": {"group": "g", "artifact": "tes", "version": "1"}, "custom": [1, {"b": None}]},
        declared=Declared.model_validate({"speed": 2, "limits": {"zones": ["x"]}, "prices": {"per_task": "0.10"}}),
        dialect="funnel",
        credentials="site",
        drain=True,
    )
    assert registrations.create(full) == full
    elsewhere = Registrations(records, clock, CREDENTIALS)
    assert elsewhere.get("a") == full
    assert elsewhere.all() == (full,)
    [registered] = elsewhere.registered()
    settings = registered.settings
    assert (settings.id, settings.url, settings.dialect, settings.drain) == ("a", URL, "funnel", True)
    assert (settings.speed, settings.limits.zones) == (2, ("x",))
    assert settings.credentials is CREDENTIALS["site"]
    assert registered.service["custom"] == [1, {"b": None}]
    assert registered.service["createdAt"] == "2030-01-01T00:00:00.000000Z"


def test_no_two_registrations_share_an_id_or_a_url(
    registrations: Registrations, make: Callable[..., Registration]
) -> None:
    registrations.create(make())
    with pytest.raises(Taken, match="the id belongs to the registration a"):
        registrations.create(make(url="https://else.example.org"))
    # The API path does not tell instances apart.
    for url in (URL, "https://site.example.org", "https://site.example.org/v1"):
        for write in (registrations.create, registrations.put):
            with pytest.raises(Taken) as caught:
                write(make("b", url))
            assert (caught.value.field, caught.value.holder) == ("url", "a")
    assert [each.id for each in registrations.all()] == ["a"]


def test_a_put_replaces_and_keeps_the_time_of_creation(
    registrations: Registrations, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    first, new = registrations.put(make(drain=True))
    assert new
    clock.advance(60)
    second, new = registrations.put(make(url="https://moved.example.org"))
    assert not new
    assert (second.created_at, second.updated_at) == (first.created_at, first.created_at + timedelta(seconds=60))
    assert registrations.get("a") == second
    assert not second.drain
    assert registrations.create(make("b", URL)).id == "b"  # the place that it left is free


def test_a_removal_is_seen_and_so_is_another_one_under_the_same_id(
    registrations: Registrations, records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    elsewhere = Registrations(records, clock, CREDENTIALS)
    registrations.create(make())
    before = elsewhere.registered()
    assert elsewhere.registered() is before
    assert registrations.delete("a")
    assert not registrations.delete("a")
    registrations.create(make(declared=Declared(speed=3.0)))
    [after] = elsewhere.registered()
    assert after.settings.speed == 3
    registrations.delete("a")
    assert elsewhere.registered() == ()
    assert elsewhere.get("a") is None


class WaitingClock(ManualClock):
    """Stands still, and has those wait who wait.

    Where nobody waits, and the time runs ahead all the same, a lock is over before its holder has done anything.
    """

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


def test_of_operators_who_register_the_same_at_once_one_succeeds(
    records: Records, make: Callable[..., Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protes.federation.lock.TRIES", 10_000)  # the machine may be busy
    operators = [Registrations(records, WaitingClock(), {}) for _ in range(6)]
    same_url = at_once([lambda n=n, each=each: each.create(make(f"r{n}")) for n, each in enumerate(operators)])  # type: ignore[misc]
    same_id = at_once(
        [lambda n=n, each=each: each.create(make("x", f"https://h{n}.example.org")) for n, each in enumerate(operators)]  # type: ignore[misc]
    )
    for outcomes in (same_url, same_id):
        assert sum(isinstance(each, Registration) for each in outcomes) == 1
        assert sum(isinstance(each, Taken) for each in outcomes) == 5
    assert len(operators[0].all()) == 2


class Interrupted:
    """Records of a process that stands still, once, when it has looked at all registrations."""

    def __init__(self, records: Records, meanwhile: Callable[[], None]) -> None:
        self._records = records
        self._meanwhile: Callable[[], None] | None = meanwhile

    def __getattr__(self, name: str) -> object:
        return getattr(self._records, name)

    def scan(self, *arguments: object, **named: object) -> object:
        found = self._records.scan(*arguments, **named)  # type: ignore[arg-type]
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


@pytest.mark.parametrize("write", ["create", "put"])
def test_who_stood_still_for_longer_than_the_lock_lasts_writes_nothing(
    records: Records, clock: ManualClock, make: Callable[..., Registration], write: str
) -> None:
    def meanwhile() -> None:
        clock.advance(60)
        Registrations(records, clock, {}).create(make("other"))

    late = Registrations(Interrupted(records, meanwhile), clock, {})  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match="too slow"):
        getattr(late, write)(make("late"))
    assert [each.id for each in late.all()] == ["other"]
    with pytest.raises(Taken):
        getattr(late, write)(make("late"))


def test_a_lock_that_was_left_behind_holds_nobody_up_for_long(
    registrations: Registrations, records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    began = clock.now()
    died = Lock(records, clock).held()
    died.__enter__()
    clock.advance(7)
    registrations.create(make())
    assert timedelta(seconds=10) <= clock.now() - began < timedelta(seconds=11)
    registrations.create(make("b", "https://b.example.org"))
    assert clock.now() - began < timedelta(seconds=11)  # the one after it was given back


def test_a_lock_of_a_clock_that_was_wrong_holds_nobody_up(
    registrations: Registrations, records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    ahead = ManualClock()
    ahead.advance(86400)
    with Lock(records, ahead).held():
        began = clock.now()
        registrations.create(make())
        assert clock.now() == began


class Slow:
    """Records of a process that stands still, once, right before it writes something of a kind."""

    def __init__(self, records: Records, kind: str) -> None:
        self._records = records
        self._kind = kind
        self.meanwhile: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._records, name)

    def put(self, kind: str, *arguments: object, **named: object) -> object:
        self._stand_still(kind)
        return self._records.put(kind, *arguments, **named)  # type: ignore[arg-type]

    def delete(self, kind: str, *arguments: object) -> object:
        self._stand_still(kind)
        return self._records.delete(kind, *arguments)  # type: ignore[arg-type]

    def _stand_still(self, kind: str) -> None:
        meanwhile = self.meanwhile if kind == self._kind else None
        if meanwhile is not None:
            self.meanwhile = None
            meanwhile()


def test_who_lets_go_late_does_not_let_go_of_somebody_elses_lock(records: Records, clock: ManualClock) -> None:
    slow = Slow(records, "registration_lock")
    with ExitStack() as others:

        def meanwhile() -> None:
            clock.advance(60)
            others.enter_context(Lock(records, clock).held())

        with Lock(slow, clock).held():  # type: ignore[arg-type]
            slow.meanwhile = meanwhile
        with pytest.raises(StoreUnavailable, match="take too long"), Lock(records, clock).held():
            pass


@pytest.mark.parametrize("write", ["create", "put"])
def test_nobody_writes_between_the_last_look_at_the_lock_and_the_write(
    records: Records, clock: ManualClock, make: Callable[..., Registration], write: str
) -> None:
    def before_the_write() -> None:
        clock.advance(5)
        with pytest.raises(StoreUnavailable, match="take too long"):
            Registrations(records, clock, {}).create(make("other"))

    slow = Slow(records, KIND)
    slow.meanwhile = before_the_write
    late = Registrations(Interrupted(slow, lambda: clock.advance(9)), clock, {})  # type: ignore[arg-type]
    getattr(late, write)(make("late"))
    assert slow.meanwhile is None
    assert [each.id for each in late.all()] == ["late"]


def test_a_change_that_was_made_is_not_called_failed_since_the_lock_could_not_be_given_back(
    records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    def down() -> None:
        raise StoreUnavailable("gone")

    slow = Slow(records, "registration_lock")
    made = Registrations(slow, clock, {})  # type: ignore[arg-type]
    once = Slow(records, KIND)
    once.meanwhile = lambda: setattr(slow, "meanwhile", down)
    slow._records = once  # type: ignore[assignment]
    assert made.create(make()).id == "a"
    assert slow.meanwhile is None


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://site.example.org", True),
        ("https://site.example.org:9000/x", True),
        ("https://SITE.example.org", True),
        ("https://other.example.org:8443", True),
        ("https://other.example.org", False),
        ("https://a.site.example.org", False),
        ("https://site.example.org.evil.example", False),
    ],
)
def test_credentials_go_to_their_hosts_only(url: str, sent: bool) -> None:
    assert may_be_sent(CREDENTIALS["site"], url) is sent


def test_hosts_may_be_addresses_and_default_ports() -> None:
    named = NamedCredentials(hosts=("[2001:db8::1]:443", "192.0.2.1", "plain.example.org:80"))
    assert may_be_sent(named, "https://[2001:db8::1]/x")
    assert may_be_sent(named, "http://192.0.2.1:8000")
    assert may_be_sent(named, "http://plain.example.org")
    assert not may_be_sent(named, "https://plain.example.org")


@pytest.mark.parametrize("named", [{}, {"site": NamedCredentials(hosts=("elsewhere.example.org",))}])
def test_credentials_that_are_not_configured_any_more_are_not_sent(
    records: Records,
    clock: ManualClock,
    make: Callable[..., Registration],
    named: dict[str, NamedCredentials],
    caplog: pytest.LogCaptureFixture,
) -> None:
    Registrations(records, clock, CREDENTIALS).create(make(credentials="site"))
    after = Registrations(records, clock, named)
    for _ in range(3):
        [registered] = after.registered()
        assert registered.settings.credentials == Credentials()
    assert caplog.text.count("its credentials site are not configured for its host any more") == 1


def test_what_cannot_be_read_takes_nothing_else_away(
    registrations: Registrations, records: Records, clock: ManualClock, make: Callable[..., Registration]
) -> None:
    registrations.create(make("b"))
    stored = records.get(KIND, "b", clock.now())
    assert stored is not None
    for key, change in (("a", {"declared": {"speed": -1}}), ("c", {"created_at": "soon"}), ("d", {"url": 3})):
        records.put(KIND, key, {**stored.value, **change}, clock.now())
    records.put(KIND, "e", {"from": "the future"}, clock.now())
    records.put(KIND, "f", {**stored.value, "url": "https://f.example.org", "dialect": "tomorrow"}, clock.now())
    assert [each.settings.id for each in registrations.registered()] == ["b", "f"]
    assert registrations.registered()[1].settings.dialect is None
    replaced, new = registrations.put(replace(make("a", "https://a.example.org")))
    assert not new
    assert registrations.get("a") == replaced
