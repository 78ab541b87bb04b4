"""Which instances an owner's consent leaves."""

from dataclasses import replace

import pytest

from protes.clock import ManualClock
from protes.config.instances import InstanceSettings
from protes.federation.known import KnownInstance
from protes.federation.merge import key_of
from protes.planning.consent import Consent, Consents
from protes.store.factory import create_stores

ONE = KnownInstance(
    settings=InstanceSettings(id="one", url="https://one.example/ga4gh/tes/v1", zone="aws:eu-west-1"),
    key=key_of("https://one.example/ga4gh/tes/v1"),
    name="One",
    source="registry",
    service={"organization": {"name": "ELIXIR", "url": "https://elixir.example"}},
)


@pytest.mark.parametrize(
    ("named", "hit"),
    [
        ({}, False),
        ({"instances": ("one",)}, True),
        ({"instances": ("https://one.example/",)}, True),
        ({"instances": ("two", "https://two.example")}, False),
        ({"organizations": ("ELIXIR",)}, True),
        ({"organizations": ("https://elixir.example",)}, True),
        ({"organizations": ("elixir",)}, False),
        ({"zones": ("aws:eu-west-1",)}, True),
        ({"zones": ("aws:us-east-1",)}, False),
    ],
)
def test_what_is_named_is_all_that_is_allowed_or_what_is_not(named: dict[str, tuple[str, ...]], hit: bool) -> None:
    assert Consent(allow=True, **named).allows(ONE) is hit
    assert Consent(allow=False, **named).allows(ONE) is not hit


def test_an_instance_of_which_little_is_known_is_not_named_by_that() -> None:
    bare = replace(ONE, service={}, settings=InstanceSettings(id="one", url="https://one.example"))
    assert not Consent(allow=True, organizations=("ELIXIR",), zones=("",)).allows(bare)


def test_it_is_kept_apart_for_each_owner_and_never_for_nobody() -> None:
    consents = Consents(create_stores("memory:").records, ManualClock())
    mine = Consent(allow=True, instances=("one",), organizations=("x",), zones=("y",))
    consents.put("ann", mine)
    assert (consents.of("ann"), consents.of("ben"), consents.of("")) == (mine, None, None)
    consents.delete("ann")
    assert consents.of("ann") is None
