"""The federation that all engines run over, once for all tests here."""

from collections.abc import Iterator

import pytest

from tests.engines.federation import Federation, federation


@pytest.fixture(scope="session")
def over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Three unequal nodes and a gateway."""
    with federation(tmp_path_factory.mktemp("federation").resolve()) as running:
        yield running
