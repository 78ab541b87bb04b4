"""Reading and creating: what polling clients cost a gateway, and what many stored tasks do.

GETs go through a gateway process with one worker, over kept-alive connections of a process of its own. The share of
connexion is told by the same reads behind bare WSGI, in a process like it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import requests

from protes.store.records import TaskQuery
from protes.store.sqlite import Database, SQLiteTaskStore
from protes.tes.states import State
from tests.bench import get_load
from tests.bench.load import TASK, Load
from tests.bench.stored import PER_RUN, fill, task_id
from tests.support.fake_tes import FakeTes
from tests.support.processes import gateway, memory_megabytes

ACTIVE = 10_000
SIZES = (1_000, 1_000_000)
_TASKS = "/ga4gh/tes/v1/tasks"
_CREATIONS, _GETS, _REPEATS, _DISPATCHED = 600, 3000, 15, 400


def main() -> None:
    """Measure and print."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        polling(folder)
        print()
        growing(folder)
        print()
        creating(folder)
        dispatching(folder)
    print(f"\nAll of it took {time.perf_counter() - began:.0f} s.")


def polling(folder: Path) -> None:
    """GETs by id with ten thousand active tasks, through the gateway and behind bare WSGI."""
    fill(folder / "polled" / "data", ACTIVE, 1)
    ids = [task_id(number) for number in range(0, ACTIVE, 10)]
    print(f"One worker process, 16 connections, {ACTIVE} active tasks, SQLite store; GETs answered per second:")
    with gateway(folder / "polled", {}) as (url, server):
        rates = {
            "GET by id, MINIMAL": _get_load(url, ids, ""),
            "GET by id, FULL": _get_load(url, ids, "?view=FULL"),
            "304, MINIMAL": _get_load(url, ids, "", tagged=True),
            "304, FULL": _get_load(url, ids, "?view=FULL", tagged=True),
            "page of 100, MINIMAL": _get_load(url, [], "?page_size=100", count=_GETS // 5),
        }
        memory = memory_megabytes(server.pid)
    with _bare(folder / "polled" / "data") as url:
        bare = _get_load(url, ids, "")
    for name, load in rates.items():
        print(f"  {name:<28}{load.per_second:>8.0f}  p50 {load.percentile(0.5) * 1000:6.1f} ms", flush=True)
    share = 1 - rates["GET by id, MINIMAL"].per_second / bare.per_second
    print(f"  {'the same behind bare WSGI':<28}{bare.per_second:>8.0f}  connexion and Flask take {share:.0%} of a GET")
    print(f"  memory of the gateway, all its processes: {memory:.0f} MB")


def growing(folder: Path) -> None:
    """The same reads with a thousand and with a million stored tasks."""
    print("Stored tasks; median of single reads from the store, ms (the ratio of a read is to stay below 2):")
    columns = []
    for size in SIZES:
        began = time.perf_counter()
        fill(folder / str(size), size, 5)
        took = time.perf_counter() - began
        file = sum(each.stat().st_size for each in (folder / str(size)).iterdir())
        print(f"  {size} tasks stored in {took:.0f} s, {file / 1e6:.0f} MB", flush=True)
        columns.append(_reads(folder / str(size), size))
    print(f"  {'':<36}{SIZES[0]:>10}{SIZES[1]:>10}{'ratio':>8}")
    for name, small in columns[0].items():
        large = columns[1][name]
        print(f"  {name:<36}{small * 1000:>10.2f}{large * 1000:>10.2f}{large / small:>8.2f}")
    if os.environ.get("MONGODB_URI"):
        print("  MongoDB: see tests/bench/mongo.py")
    else:
        print("  MongoDB: not measured (no MONGODB_URI)")


def creating(folder: Path) -> None:
    """Creations per second through several API processes on one embedded store, and by batches."""
    print(f"Creations per second, SQLite store on this disk, 16 connections, {os.cpu_count()} cores:")
    for workers in (1, 2, 4):
        with gateway(folder / f"created-{workers}", {"server": {"workers": workers}}) as (url, server):
            load = _post_load(url)
            memory = memory_megabytes(server.pid) / (workers + 1)
            name = f"{workers} API process{'es' if workers > 1 else ''}"
            print(f"  {name:<36}{load.per_second:>8.0f}  {memory:.0f} MB per process", flush=True)
            if workers == 1:
                print(f"  {'1 API process, batches of 100':<36}{_batches_per_second(url):>8.0f}", flush=True)
    print("  MongoDB: not measured (no MONGODB_URI)" if not os.environ.get("MONGODB_URI") else "")


def dispatching(folder: Path) -> None:
    """How fast stored tasks reach instances that take them at once."""
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeTes()) for _ in range(4)]
        instances = [{"id": f"fake-{number}", "url": fake.url} for number, fake in enumerate(fakes)]
        url, _ = stack.enter_context(gateway(folder / "dispatched", {"instances": instances}))
        time.sleep(2)  # they are probed
        began = time.perf_counter()
        results = requests.post(f"{url}/protes/v1/tasks:create", json=[TASK] * _DISPATCHED, timeout=60).json()
        assert len(results["results"]) == _DISPATCHED
        while sum(fake.creates() for fake in fakes) < _DISPATCHED and time.perf_counter() - began < 60:
            time.sleep(0.02)
        took = time.perf_counter() - began
        sent = sum(fake.creates() for fake in fakes)
    print(f"Dispatches per second of one process, to 4 instances in this process: {sent / took:.0f}")


def _reads(folder: Path, size: int) -> dict[str, float]:
    """Time single reads of a store, seconds."""
    database = Database(folder / "protes.db")
    database.open()
    tasks = SQLiteTaskStore(database)
    middle = task_id(size // 2)
    some = (task_id(number * 7919 % size) for number in range(1_000_000))
    page = TaskQuery(owner="", limit=101, heads=True)
    reads: dict[str, Callable[[], object]] = {
        "GET by id, head": lambda: tasks.get(next(some), head=True),
        "GET by id, whole": lambda: tasks.get(next(some)),
        "versions of 100": lambda: tasks.versions([next(some) for _ in range(100)]),
        "page of 100, first": lambda: tasks.list(page),
        "page of 100, in the middle": lambda: tasks.list(replace(page, before=middle)),
        "page of 100, whole": lambda: tasks.list(replace(page, heads=False)),
        "page of 100 by state": lambda: tasks.list(replace(page, state=State.RUNNING)),
        "page of 100 by tag": lambda: tasks.list(replace(page, tags=(("run", str(size // PER_RUN - 1)),))),
        "page of 100 by name prefix": lambda: tasks.list(replace(page, name_prefix="name-0000")),
        "count, unfinished": lambda: tasks.count(owner="", unfinished=True),
        "count": lambda: tasks.count(),
    }
    found = {name: _median_seconds(read) for name, read in reads.items()}
    database.close()
    return found


def _median_seconds(read: Callable[[], object]) -> float:
    took = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        read()
        took.append(time.perf_counter() - began)
    return median(took)


def _get_load(url: str, ids: Sequence[str], query: str, *, tagged: bool = False, count: int = _GETS) -> Load:
    paths = [f"{_TASKS}/{each}{query}" for each in ids] or [_TASKS + query]
    get_load.get_paths(url, paths, 200, 16)  # warm
    return get_load.measured(url, paths, count, 16, tagged)


def _post_load(url: str) -> Load:
    command = [sys.executable, "-m", "tests.bench.load", url + _TASKS, str(_CREATIONS), "16"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Load(len(answer["ids"]), answer["seconds"], answer["latencies"], answer["ids"])


def _batches_per_second(url: str) -> float:
    began = time.perf_counter()
    with requests.Session() as session:
        for _ in range(_CREATIONS // 100):
            answer = session.post(f"{url}/protes/v1/tasks:create", json=[TASK] * 100, timeout=60).json()
            assert all("id" in each for each in answer["results"])
    return _CREATIONS / (time.perf_counter() - began)


@contextmanager
def _bare(folder: Path) -> Iterator[str]:
    """Serve the same reads behind bare WSGI, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.bare_reads", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
