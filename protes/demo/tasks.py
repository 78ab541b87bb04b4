"""The demo's tasks: real commands in Python, which every machine that runs the demo has."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REFERENCE_SECONDS = 2
_LINES = 20_000
# A node tells its speed; a task works through its share of sleep accordingly, so that speeds can be seen.
_WORK = "import os, time; time.sleep({seconds} / float(os.environ['PROTES_NODE_SPEED']))\n"
_CHECKSUM = "import hashlib; print(hashlib.sha256(open('/data/in', 'rb').read()).hexdigest())\n"
_SORT = "open('/data/out', 'w').writelines(sorted(open('/data/in')))\n"
_COUNT = "lines = open('/data/in').readlines(); print(len(lines), 'lines, sorted:', lines == sorted(lines))\n"


@dataclass(frozen=True, slots=True)
class DemoTask:
    """One task and what is expected of it.

    Attributes:
        title: what it does, for people.
        weight: the weight that it is sent with.
        document: the TES task.
        expected_state: its final state.
        expected_instance: where it must run, None where that is not said.
        expected_output: its standard output, None where that is not said.
        weight_in_url: the weight goes into the URL instead of a tag.
        after: title of a task that must have ended first.
        cancel: it is cancelled as soon as it runs.
    """

    title: str
    weight: str
    document: dict[str, Any]
    expected_state: str = "COMPLETE"
    expected_instance: str | None = None
    expected_output: str | None = None
    weight_in_url: bool = False
    after: str | None = None
    cancel: bool = False


def generate(path: Path) -> str:
    """Write the demo's input file and return its SHA-256 in hexadecimal."""
    lines = (f"{hashlib.sha256(str(number).encode()).hexdigest()}\n" for number in range(_LINES))
    path.write_text("".join(lines), encoding="ascii")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def demo_tasks(storage: Path, digest: str) -> list[DemoTask]:
    """Make the demo's tasks over a file `numbers.txt` in `storage` with the checksum `digest`."""
    numbers, ordered = f"file://{storage}/numbers.txt", f"file://{storage}/sorted.txt"
    checksum = _WORK.format(seconds=REFERENCE_SECONDS) + _CHECKSUM
    cases = (("0", "budget", False), ("0.5", "standard", False), ("1", "express", False), ("1", "express", True))
    tasks = [
        DemoTask(
            title=f"checksum, weight {weight}" + (" in the URL" if in_url else ""),
            weight=weight,
            document=_task("checksum", REFERENCE_SECONDS, checksum, numbers, None, None if in_url else weight),
            expected_instance=instance,
            expected_output=digest,
            weight_in_url=in_url,
        )
        for weight, instance, in_url in cases
    ]
    step = _WORK.format(seconds=1)
    return [
        *tasks,
        DemoTask("pipeline, step 1: sort", "0.5", _task("sort", 1, step + _SORT, numbers, ordered, "0.5")),
        DemoTask(
            title="pipeline, step 2: count",
            weight="0",
            document=_task("count", 1, step + _COUNT, ordered, None, "0"),
            expected_output=f"{_LINES} lines, sorted: True",
            after="pipeline, step 1: sort",
        ),
        DemoTask(
            title="fails with exit code 3",
            weight="0.5",
            document=_task("fail", 1, "import sys; print('no luck'); sys.exit(3)\n", None, None, "0.5"),
            expected_state="EXECUTOR_ERROR",
            expected_output="no luck",
        ),
        DemoTask(
            title="cancelled while it runs",
            weight="1",
            document=_task("sleep", 600, "import time; time.sleep(600)\n", None, None, "1"),
            expected_state="CANCELED",
            cancel=True,
        ),
    ]


def _task(
    name: str, seconds: int, script: str, source: str | None, target: str | None, weight: str | None
) -> dict[str, Any]:
    task: dict[str, Any] = {
        "name": f"demo {name}",
        "executors": [{"image": "python:3.11", "command": [sys.executable, "-c", script]}],
        "resources": {"cpu_cores": 1, "ram_gb": 0.1, "disk_gb": 0.1},
        "tags": {"protes.runtime_seconds": str(seconds)},
    }
    if source is not None:
        task["inputs"] = [{"url": source, "path": "/data/in"}]
    if target is not None:
        task["outputs"] = [{"url": target, "path": "/data/out"}]
    if weight is not None:
        task["tags"]["protes.weight"] = weight
    return task
