"""Settings for all tests."""

import gc
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import ferretdb
from tests.support.inputs_tried import pytest_terminal_summary as pytest_terminal_summary
from tests.support.inputs_tried import tried as tried
from tests.support.read_once import documents_read_once
from tests.support.services import missing
from tests.support.waiting import wait_until

# The machine may be busy: a slow example is no failure. The same examples each time: a failure repeats.
settings.register_profile("protes", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("protes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --require-services: a peer that is absent fails instead of skipping."""
    parser.addoption("--require-services", action="store_true", help="fail where a peer to test against is absent")


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of garbage collections, which otherwise stop a test for long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _documents() -> Iterator[None]:
    """Have the API's documents read once, and not by each of the many gateways that tests make."""
    with documents_read_once():
        yield


@pytest.fixture(scope="module", autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """No gateway outlives its module: others count threads, and the order of modules is another one each time."""
    yield
    wait_until(lambda: not _own_threads(), f"the end of threads of gateways: {_own_threads()}")


def _own_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("protes-")]


@pytest.fixture(scope="session")
def mongodb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server that speaks MongoDB's protocol, one for all tests."""
    with ferretdb.server_url(os.environ, tmp_path_factory.mktemp("ferretdb")) as url:
        if url is None:
            missing(request, ferretdb.ABSENT)
        yield url
