"""The conformance suite of the dialects against a real Funnel, where a test can bring about what it is about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract import test_dialects as suite
from tests.contract import test_dialects_cancel as cancelling
from tests.contract import test_dialects_errors as trouble
from tests.peers import driven_program
from tests.peers import funnel as peer
from tests.peers.driven_funnel import DrivenFunnel
from tests.peers.funnel import Funnel
from tests.support.dialects.base import DialectFake
from tests.support.services import missing

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class RealCase:
    """In the place of `driving.Case`: its server is the real one."""

    funnel: Funnel
    containers: Path
    family: str = "funnel"
    trap: str | None = None

    @contextmanager
    def fake(self) -> Iterator[DialectFake]:
        """Stand in front of it for one test."""
        with DrivenFunnel(self.funnel, self.containers) as driven:
            try:
                yield driven
            finally:
                driven.close()


@pytest.fixture(name="case", scope="module")
def _case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCase]:
    program = peer.executable(os.environ)
    if program is None:
        missing(request, "Funnel is not there: make services-install, or name it in PROTES_FUNNEL")
    folder = tmp_path_factory.mktemp("driven")
    with peer.running(program, folder, driven_program) as running:
        yield RealCase(running, folder / "containers")


LAWS: tuple[Callable[..., None], ...] = (
    suite.test_it_is_recognised_from_its_origin_and_a_plain_task_arrives_unaltered,
    cancelling.test_a_task_that_waits_or_runs_is_canceled_there_and_here,
    cancelling.test_what_has_just_finished_keeps_its_end_and_its_log,
    cancelling.test_a_lost_submission_is_found_first_and_then_canceled,
    trouble.test_a_lost_answer_is_settled_by_search_among_the_tasks_of_others,
    trouble.test_two_copies_become_one,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("test_"))
def test_the_suite_holds_for_the_real_server(law: Callable[..., None], case: RealCase) -> None:
    law(case)


@pytest.mark.parametrize("fault", ["500", "reset"])
def test_absence_is_believed(fault: str, case: RealCase) -> None:
    trouble.test_absence_is_believed_where_the_search_shows_every_task_only(case, fault)  # type: ignore[arg-type]
