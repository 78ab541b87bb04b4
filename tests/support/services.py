"""Peers that are no Python packages: absent, they are a reason to skip on a laptop and a failure in CI."""

from typing import NoReturn

import pytest


def missing(request: pytest.FixtureRequest, reason: str) -> NoReturn:
    """Skip the test with this reason, or fail it under `--require-services`.

    Raises:
        Skipped: always on a laptop (pytest's own exception).
        Failed: under `--require-services` (pytest's own exception).
    """
    if request.config.getoption("--require-services"):
        pytest.fail(reason)
    pytest.skip(reason)
