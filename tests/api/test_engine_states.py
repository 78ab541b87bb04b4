"""States as one profile's engine needs them: Pulsar's polling client takes QUEUED for a failure."""

from collections.abc import Iterator

import pytest

from protes.tes.states import State
from tests.api.conftest import Api, serving
from tests.api.test_operations import LOG, move

PROFILES = {"pulsar": {"queued_as": "INITIALIZING"}, "new": {"states": "all"}, "plain": {}}


@pytest.fixture(scope="module")
def profiled() -> Iterator[Api]:
    with serving(profiles=PROFILES) as api:
        yield api


@pytest.mark.parametrize("base", ["/v1", "/ga4gh/tes/v1"])
def test_queued_is_shown_as_the_profile_says(profiled: Api, base: str) -> None:
    task_id = profiled.create(base=f"/profiles/pulsar{base}")
    for view in ("MINIMAL", "BASIC", "FULL"):
        assert profiled.task(task_id, view, f"/profiles/pulsar{base}")["state"] == "INITIALIZING"
        assert profiled.task(task_id, view, f"/profiles/plain{base}")["state"] == "QUEUED"
        assert profiled.task(task_id, view, base)["state"] == "QUEUED"
    move(profiled, task_id, State.COMPLETE, LOG)
    assert profiled.task(task_id, "FULL", f"/profiles/pulsar{base}")["state"] == "COMPLETE"


def test_states_of_1_1_are_shown_where_the_profile_wants_them_but_not_under_v1(profiled: Api) -> None:
    task_id = profiled.create()
    move(profiled, task_id, State.PAUSED)
    assert profiled.task(task_id, base="/profiles/new/ga4gh/tes/v1")["state"] == "PAUSED"
    for base in ("/profiles/new/v1", "/profiles/plain/ga4gh/tes/v1", "/ga4gh/tes/v1"):
        assert profiled.task(task_id, base=base)["state"] == "QUEUED"
