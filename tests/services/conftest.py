"""Brokers for the tests of a session; those that tests kill are their own."""

from collections.abc import Iterator

import pytest

from tests.support.runners import Brokers


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Keep the brokers that the tests ask for."""
    kept = Brokers(tmp_path_factory.mktemp("brokers"))
    yield kept
    kept.close()
