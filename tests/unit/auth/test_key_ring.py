"""How often an issuer is asked, who waits for it, and who does not."""

from __future__ import annotations

import pytest

from protes.auth.fetching import FetchFailed, fetch_keys
from protes.auth.key_ring import KeyRing, KeyRings, KeysUnavailable
from protes.auth.keys import KeySet
from protes.clock import ManualClock, SystemClock
from protes.config.auth import AuthSettings
from tests.support.auth import issuer_settings, oidc
from tests.support.issuer import DISCOVERY, JWKS, Issuer
from tests.support.scripted_server import Behaviour, Drip, Stall, answer, answer_json
from tests.support.waiting import at_once, wait_until

REFRESH, REFETCH = 300.0, 30.0


def settings(issuer: Issuer, **changes: float) -> AuthSettings:
    return AuthSettings.model_validate(oidc(issuer_settings(issuer), **changes))


@pytest.fixture(name="ring")
def _ring(issuer: Issuer, clock: ManualClock) -> KeyRing:
    auth = settings(issuer)
    return KeyRing(auth.issuers[0], auth, clock)


def kids(keys: KeySet) -> list[str | None]:
    return [each.key_id for each in keys.keys]


def test_nothing_is_asked_before_it_is_needed(ring: KeyRing, issuer: Issuer) -> None:
    assert issuer.server.count() == 0
    assert kids(ring.keys()) == ["key-0"]
    assert [each.path for each in issuer.server.requests()] == [DISCOVERY, JWKS]


def test_many_who_come_first_ask_once(ring: KeyRing, issuer: Issuer) -> None:
    found = at_once([ring.keys] * 6)
    assert all(isinstance(each, KeySet) and each is found[0] for each in found)
    assert issuer.fetches == 1


def test_few_wait_for_an_issuer_that_is_slow(issuer: Issuer) -> None:
    """The others are told to come again, so that it does not hold every thread."""
    auth = settings(issuer, fetch_seconds=3)
    ring = KeyRing(auth.issuers[0], auth, SystemClock())
    issuer.server.inject("GET", JWKS, Stall())
    outcomes = at_once([ring.keys] * 24, 60)
    assert all(isinstance(each, KeysUnavailable) for each in outcomes)
    assert issuer.fetches == 1


def test_the_same_keys_stay_the_same_object(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    before = ring.keys()
    clock.advance(REFRESH)
    assert ring.keys() is before
    assert issuer.fetches == 2
    issuer.rotate()
    clock.advance(REFRESH)
    assert kids(ring.keys()) == ["key-0", "key-1"]


def test_keys_in_middle_age_are_renewed_by_somebody_else(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    before = ring.keys()
    issuer.rotate()
    clock.advance(REFRESH / 2)
    assert ring.keys() is before
    wait_until(lambda: ring.keys() is not before, "the keys are renewed", 30)
    assert issuer.fetches == 2


def test_nobody_waits_for_an_issuer_that_has_just_failed(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    before = ring.keys()
    clock.advance(REFRESH)
    issuer.server.inject("GET", JWKS, answer(500))
    assert ring.keys() is before  # the one that tries
    asked = issuer.fetches
    for _ in range(10):
        assert ring.keys() is before
    assert issuer.fetches == asked
    issuer.rotate()
    clock.advance(REFETCH)
    assert ring.keys() is before  # it is tried again, beside
    wait_until(lambda: ring.keys() is not before, "the keys are had again", 30)


def test_a_failure_of_long_ago_is_no_excuse(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    """Nobody has asked for an hour: a key that was taken back meanwhile must not do once more."""
    ring.keys()
    clock.advance(REFRESH)
    issuer.server.inject("GET", JWKS, answer(500))
    ring.keys()
    issuer.rotate()
    clock.advance(3600)
    assert kids(ring.keys()) == ["key-0", "key-1"]


def test_unknown_keys_are_looked_for_now_and_then(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    seen = ring.keys()
    assert ring.keys_after(seen) is seen
    clock.advance(REFETCH)
    issuer.rotate()
    newer = ring.keys_after(seen)
    assert kids(newer) == ["key-0", "key-1"]
    assert ring.keys_after(seen) is newer
    assert issuer.fetches == 2


def test_keys_that_are_too_old_are_not_used(ring: KeyRing, issuer: Issuer, clock: ManualClock) -> None:
    ring.keys()
    issuer.server.refuse()
    clock.advance(86400)
    with pytest.raises(KeysUnavailable) as caught:
        ring.keys()
    assert caught.value.retry_after_seconds == 5


def test_rings_outlive_a_change_of_settings(issuer: Issuer, clock: ManualClock) -> None:
    rings = KeyRings(clock)
    [before] = rings.of(settings(issuer))
    [same] = rings.of(settings(issuer, leeway_seconds=10))
    [other] = rings.of(settings(issuer, refresh_seconds=60))
    assert same is before
    assert other is not before
    renamed = AuthSettings.model_validate(oidc(issuer_settings(issuer, "renamed", audience=["x"])))
    assert rings.of(renamed)[0] is not before


def test_keys_may_be_where_the_settings_say(issuer: Issuer, clock: ManualClock) -> None:
    auth = AuthSettings.model_validate(oidc(issuer_settings(issuer, jwks_url=issuer.server.url + JWKS)))
    assert kids(KeyRing(auth.issuers[0], auth, clock).keys()) == ["key-0"]
    assert issuer.server.count("GET", DISCOVERY) == 0


def test_an_issuer_with_a_path_is_asked_below_it(clock: ManualClock) -> None:
    for path in ("/realms/lab", "/oidc/"):
        with Issuer(clock, path) as issuer:
            assert kids(fetch_keys(settings(issuer).issuers[0], 5, clock)) == ["key-0"]
            assert issuer.server.count("GET", path.rstrip("/") + DISCOVERY) == 1


@pytest.mark.parametrize("behaviour", [Stall(), Drip(answer_json({"keys": []}))], ids=["stall", "drip"])
def test_fetching_ends(issuer: Issuer, behaviour: Behaviour) -> None:
    clock = SystemClock()
    issuer.server.inject("GET", JWKS, behaviour)
    began = clock.monotonic()
    with pytest.raises(FetchFailed):
        fetch_keys(settings(issuer).issuers[0], 0.4, clock)
    assert clock.monotonic() - began < 20
