"""Write `docs/instances.md`, figures measured: `python -m tests.support.dialects.document > docs/instances.md`."""

import sys

from protes.tes.dialects.document import render, table
from tests.support.dialects.driving import FAMILIES_THAT_RUN, Case
from tests.support.dialects.figures import MANY, TASKS, figures_of, requests_of_many

HEAD = f"""
## Requests

How many requests the gateway sends: to find and recognise a server; for one task from its submission, seen once while
it runs, to its log; for one look at {TASKS} tasks that run, for the same when one of them has just ended, and for one
look at {MANY:,}. An instance that is shown each caller's own token is asked for each task. Measured against the servers
that the tests use in their place.
"""

COLUMNS = ("server", "recognise", "one task", f"look at {TASKS}", f"look at {TASKS}, one ended", f"look at {MANY:,}")


def row_of(case: Case) -> list[str]:
    """Measure a family."""
    few, many = figures_of(case), requests_of_many(case)
    counts = (few.probing, few.one_task, few.sweep, few.ending_sweep, many)
    return [f"`{case.family}`", *(f"{count:,}" for count in counts)]


def whole_page() -> str:
    """Return the page."""
    rows = [row_of(case) for case in sorted(FAMILIES_THAT_RUN, key=str)]
    return "".join((render(), HEAD, *table(COLUMNS, rows)))


if __name__ == "__main__":
    sys.stdout.write(whole_page())
