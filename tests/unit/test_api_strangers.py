"""What callers learn of instances that only one of them has brought along."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from protes.api.callers import ANONYMOUS, OPERATOR, READER, USER, Caller
from protes.api.events import _instances
from protes.api.service_info import legacy, service_info
from protes.api.visibility import is_shown_strangers, sight
from protes.clock import ManualClock
from protes.config.instances import InstanceSettings, Limits
from protes.config.settings import ServiceSettings
from protes.config.visibility import VisibilitySettings
from protes.federation.known import FederationView, KnownInstance, Probed, Source

BY_USER, BY_NONE = VisibilitySettings(tasks="user"), VisibilitySettings(tasks="none")


def known(name: str, source: Source, storage: str, parameter: str) -> KnownInstance:
    now = ManualClock().now()
    url = f"https://{name}.example.org"
    settings = InstanceSettings(id=name, url=url, limits=Limits(backend_parameters=(parameter,)))
    probed = Probed(ok=True, at=now, next_at=now, base_url=url, storage=(storage,))
    return KnownInstance(settings, url, name, source, probed=probed, in_flight=3)


VIEW = FederationView(
    (
        known("member", "configuration", "s3://everybodys", "VmSize"),
        known("client-secret-host-1234", "client", "s3://somebodys", "Hidden"),
        known("left", "retired", "s3://former", "Former"),
    )
)


@pytest.mark.parametrize(
    ("caller", "settings", "expected"),
    [
        (ANONYMOUS, BY_NONE, True),
        (Caller("ann", roles=frozenset({USER})), BY_NONE, True),
        (Caller("ann", roles=frozenset({USER})), BY_USER, False),
        (Caller("eve", roles=frozenset({READER})), BY_USER, True),
        (Caller("ops", roles=frozenset({OPERATOR})), BY_USER, True),
    ],
)
def test_who_sees_all_tasks_sees_where_they_run(caller: Caller, settings: VisibilitySettings, expected: bool) -> None:
    assert is_shown_strangers(caller, sight(caller, settings)) is expected


def test_the_event_stream_names_no_instance_that_somebody_else_brought() -> None:
    federation: Any = SimpleNamespace(view=lambda: VIEW)
    assert set(_instances(federation, strangers=False)) == {"member"}
    assert set(_instances(federation, strangers=True)) == {each.id for each in VIEW.instances}


def test_what_a_task_brings_along_changes_nothing_in_service_info() -> None:
    service = ServiceSettings()
    document = service_info(service, VIEW, ["protes_weight"])
    assert document["storage"] == legacy(service, VIEW)["storage"] == ["s3://everybodys"]
    assert document["tesResources_backend_parameters"] == ["protes_weight", "VmSize"]
