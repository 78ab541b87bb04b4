"""Peers that run for the tests of a module."""

import os
from collections.abc import Iterator

import pytest

from tests.peers import funnel as peer
from tests.peers.funnel import Funnel
from tests.support.services import missing


@pytest.fixture(scope="session")
def funnel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Funnel]:
    """A real Funnel, one for all tests: each looks at its own tasks only."""
    program = peer.executable(os.environ)
    if program is None:
        missing(request, "Funnel is not there: make services-install, or name it in PROTES_FUNNEL")
    with peer.running(program, tmp_path_factory.mktemp("funnel")) as running:
        yield running
