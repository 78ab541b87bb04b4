"""What instances' dialects, operators and service-infos say, as limits that middleware is told."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from middleware import Limits
from protes.config.instances import InstanceSettings
from protes.federation.known import KnownInstance, Probed
from protes.planning.candidates import Candidates
from protes.tes.dialects import DIALECTS, DialectLimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AZURE = {"vm_size", "workflow_execution_identity", "internal_path_prefix"}


def limits_of(dialect: str, said: dict[str, Any] | None = None, named: tuple[str, ...] = ()) -> Limits:
    """Show an instance of a dialect, with what its operator and its own service-info say."""
    settings = InstanceSettings.model_validate({"id": "a", "url": "https://a.example.org", "limits": said or {}})
    probed = Probed(ok=True, at=NOW, next_at=NOW, dialect=dialect, base_url=settings.url, backend_parameters=named)
    return Candidates().of(KnownInstance(settings, settings.url, "a", "configuration", probed=probed)).limits


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_what_a_dialect_cannot_take_is_passed_on(name: str) -> None:
    own, shown = DIALECTS[name].limits, limits_of(name)
    same = {each.name for each in fields(DialectLimits)} - {"backend_parameters", "parameter_aliases"}
    assert {each: getattr(shown, each) for each in same} == {each: getattr(own, each) for each in same}


def test_an_operator_knows_better_which_schemes_an_instance_takes() -> None:
    assert limits_of("tesk", {"input_schemes": ["FILE"]}).input_schemes == frozenset({"file"})
    assert limits_of("tesk", {"input_schemes": ["file"]}).output_schemes == DIALECTS["tesk"].limits.output_schemes


@pytest.mark.parametrize(
    ("dialect", "said", "named", "shown"),
    [
        ("ga4gh-tes", (), (), AZURE | {"VmSize", "vmsize"}),
        ("ga4gh-tes", (), ("vm_size",), {"vm_size", "VmSize", "vmsize"}),
        ("ga4gh-tes", ("queue",), ("vm_size",), {"queue"}),
        ("node", (), (), None),
        ("node", (), ("queue",), {"queue"}),
        # What it names is not sent to it, so a task that insists on it must not go there.
        ("tesk", (), ("queue",), set()),
        ("funnel", ("queue",), ("queue",), set()),
        ("unknown", (), ("queue",), set()),
    ],
)
def test_parameters_that_a_task_may_insist_on(
    dialect: str, said: tuple[str, ...], named: tuple[str, ...], shown: set[str] | None
) -> None:
    limits = limits_of(dialect, {"backend_parameters": said} if said else {}, named)
    assert limits.backend_parameters == shown
