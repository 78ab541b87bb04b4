"""Simulate: `make simulate`, or `python -m tests.simulate [--seeds N] [--quick] [--plots DIR]`."""

import argparse
import sys
from pathlib import Path

from tests.simulate.plots import MissingPlots, draw
from tests.simulate.study import Trial, try_seed
from tests.simulate.table import table

SEEDS, TASKS = 30, 300
QUICK_SEEDS, QUICK_TASKS = 5, 120


def main() -> None:
    """Play, print the table, write the plots."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=_count, metavar="N", help=f"how many worlds ({SEEDS}; quick: {QUICK_SEEDS})")
    parser.add_argument("--quick", action="store_true", help=f"few small worlds ({QUICK_TASKS} tasks, not {TASKS})")
    parser.add_argument("--plots", type=Path, metavar="DIR", default=Path("build/simulation"), help="where plots go")
    given = parser.parse_args()
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    tasks = QUICK_TASKS if given.quick else TASKS
    trials = _trials(seeds, tasks)
    print(table(trials, tasks))
    try:
        for path in draw(trials, given.plots):
            print(f"wrote {path}")
    except MissingPlots as missing:
        print(missing)


def _trials(seeds: int, tasks: int) -> list[Trial]:
    trials = []
    for seed in range(seeds):
        _progress(f"world {seed + 1} of {seeds} ...")
        trials.append(try_seed(seed, tasks))
    _progress("")
    return trials


def _progress(text: str) -> None:
    """Show a person how far it is, on one line."""
    if sys.stderr.isatty():
        print(f"\r{text:<30}\r", end="", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return int(text)


if __name__ == "__main__":
    main()
