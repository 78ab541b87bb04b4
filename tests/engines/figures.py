"""What the gateway costs an engine: `python -m tests.engines.figures [--runs N] [ENGINE ...]`.

Each workflow is run at one node directly, and through the gateway with weight 0, which sends it all to the same node.
Both ways lead through the same kind of proxy, which counts requests. The median of the runs is printed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engines.cases import CASES, Case, run_of
from tests.engines.federation import Federation, federation
from tests.engines.install import environment_of
from tests.engines.recorder import Adapting, Recorder, recording
from tests.support.processes import TOKEN

_NODE = "budget"


@dataclass(frozen=True, slots=True)
class Figure:
    """One run.

    Attributes:
        seconds: wall time of the engine's process.
        tasks: tasks that it made.
        requests: requests that it made.
    """

    seconds: float
    tasks: int
    requests: int


@contextmanager
def at_the_node(over: Federation) -> Iterator[Recorder]:
    """Lead to the node: a TES server of 1.1 alone, which for engines of 1.0 needs `/v1` and its service-info."""
    legacy = {"name": _NODE, "doc": "", "storage": [f"file://{over.shared}"]}
    adapting = Adapting(
        rewrite=lambda target: f"/ga4gh/tes{target}" if target.startswith("/v1/") else target,
        headers={"Authorization": f"Bearer {TOKEN}"},
        answers={"/v1/tasks/service-info": legacy},
    )
    with recording(over.node_urls[_NODE], adapting) as recorder:
        yield recorder


@contextmanager
def at_the_gateway(over: Federation) -> Iterator[Recorder]:
    """Lead to the gateway."""
    with recording(over.url) as recorder:
        yield recorder


def measure(case: Case, engine: Path, over: Federation, folder: Path, direct: bool) -> Figure | None:
    """Run the workflow once, in a new folder; None where it fails."""
    with at_the_node(over) if direct else at_the_gateway(over) as recorder:
        root = recorder.url if direct else recorder.url + case.root("0")
        began = time.monotonic()
        with run_of(case, engine, folder, "result", root) as run:
            code = run.wait()
            seconds = time.monotonic() - began
        return Figure(seconds, len(recorder.created), len(recorder.asked)) if code == 0 else None


def row(name: str, over: Federation, runs: int) -> str:
    """Measure one engine and return its line of the table."""
    case = CASES[name]
    engine = environment_of(case.environment)
    if engine is None:
        return f"| {name} | not installed | | | | |"
    figures: dict[bool, list[Figure]] = {True: [], False: []}
    for number in range(runs):
        # Taking turns, so that what else the machine does falls on both.
        for direct in (True, False) if number % 2 == 0 else (False, True):
            folder = over.shared / f"{name}-{number}-{'direct' if direct else 'gateway'}"
            figure = measure(case, engine, over, folder, direct)
            if figure is not None:
                figures[direct].append(figure)
    through = figures[False]
    if not through:
        return f"| {name} | failed | | | | |"
    seconds = statistics.median(each.seconds for each in through)
    line = f"| {name} | {through[0].tasks} | {statistics.median_low(each.requests for each in through)} |"
    if not figures[True]:
        return f"{line} fails | {seconds:.1f} | |"
    alone = statistics.median(each.seconds for each in figures[True])
    return f"{line} {alone:.1f} | {seconds:.1f} | {(seconds / alone - 1) * 100:+.0f} % |"


def main(arguments: list[str]) -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.figures")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("engines", nargs="*", default=list(CASES), metavar="ENGINE")
    given = parser.parse_args(arguments)
    print("| engine | tasks | requests | at the node, s | through the gateway, s | difference |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, federation(Path(folder).resolve() / "federation") as over:
        for name in given.engines:
            print(row(name, over, given.runs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
