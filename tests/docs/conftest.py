"""A demo federation for the commands of the documentation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.demo.federation import NODES, DemoFederation
from protes.demo.play import Play


@pytest.fixture(name="federation", scope="session")
def _federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFederation]:
    folder: Path = tmp_path_factory.mktemp("demo")
    with DemoFederation(folder, 0) as federation:
        Play(federation.gateway_url).wait_for_instances(len(NODES))
        yield federation
