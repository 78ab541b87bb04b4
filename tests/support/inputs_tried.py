"""How many inputs fuzzing has tried, summed over all tests and processes, printed at the end of a run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "inputs tried"

Tried = Callable[[], None]
"""Called once for each input."""


def examples(usual: int) -> int:
    """Return how many examples a fuzz test takes: EXAMPLES of the environment in the place of its usual number."""
    return int(os.environ.get("EXAMPLES", "0")) or usual


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Any:
    """Yield what a fuzz test calls for each input that it tries."""
    count = Counter[str]()

    def one() -> None:
        count["inputs"] += 1

    yield one
    request.node.user_properties.append((_PROPERTY, (request.node.path.stem, count["inputs"])))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums."""
    sums = Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, value in getattr(report, "user_properties", ()):
                    if name == _PROPERTY:
                        sums[value[0]] += value[1]
    if sums:
        each = ", ".join(f"{count} by {name}" for name, count in sorted(sums.items()))
        terminalreporter.write_line(f"fuzzing tried {sum(sums.values())} inputs: {each}")
