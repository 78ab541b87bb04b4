"""An issuer, and what a gateway would find out about its tokens, without a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protes.auth.bearers import Bearers
from protes.auth.key_ring import KeyRings
from protes.clock import ManualClock
from protes.config.auth import AuthSettings
from tests.support.auth import issuer_settings, oidc
from tests.support.issuer import Issuer

MakeBearers = Callable[..., Bearers]


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="issuer")
def _issuer(clock: ManualClock) -> Iterator[Issuer]:
    with Issuer(clock) as issuer:
        yield issuer


@pytest.fixture(name="bearers")
def _bearers(clock: ManualClock, issuer: Issuer) -> MakeBearers:
    """Make what takes the issuer's tokens, with changes to its settings."""

    def make(**changes: Any) -> Bearers:
        settings = AuthSettings.model_validate(oidc(issuer_settings(issuer, **changes)))
        return Bearers(settings, KeyRings(clock), clock)

    return make
