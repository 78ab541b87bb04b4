"""Settings for all tests."""

import gc

import pytest
from hypothesis import settings

# The machine may be busy: a slow example is no failure. The same examples each time: a failure repeats.
settings.register_profile("protes", deadline=None, derandomize=True)
settings.load_profile("protes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --require-services: a peer that is absent fails instead of skipping."""
    parser.addoption("--require-services", action="store_true", help="fail where a peer to test against is absent")


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of garbage collections, which otherwise stop a test for long."""
    gc.collect()
    gc.freeze()
