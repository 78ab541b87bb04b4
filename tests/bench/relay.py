"""Bulk relay at a hundred thousand active tasks, against a GET per task and against a polling loop per task."""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import requests

from protes.clock import SystemClock
from protes.config.settings import Settings
from protes.parts import make_lasting, make_parts
from protes.runner.threads import ThreadRunner
from protes.store.factory import create_stores
from protes.store.records import Attempt, Phase, TaskRecord
from protes.store.sqlite import Database, codec, rows
from protes.tes.states import State
from tests.bench.listing_instances import BASE, task_id
from tests.support.processes import gateway

INSTANCES = 10
PER_INSTANCE = 10_000
CHANGED = 1_000
ENDED = 200
LATENCY_SECONDS = 0.02
BASELINE_TASKS = 1_000
VISIBLE_PER_INSTANCE = 1_000
VISIBLE_CHANGES = 60
POLL_SECONDS = 2.0
LOOPS = 100
LOOP_PAUSE_SECONDS = 3.0
LOOP_SECONDS = 9.0
_DOCUMENT = json.dumps({"name": "bench", "executors": [{"image": "alpine", "command": ["sleep", "600"]}]})


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="protes-bench-") as name:
        sweeping(Path(name))
        visible(Path(name))
    polling()


@contextmanager
def listing_instances(instances: int, tasks: int, latency: float) -> Iterator[list[str]]:
    """Run instances in another process; yield their base URLs."""
    command = [sys.executable, "-m", "tests.bench.listing_instances", str(instances), str(tasks), str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


def tell(url: str, what: str) -> str:
    """Talk to an instance beside TES."""
    send = requests.post if what.startswith("/set") else requests.get
    return send(url.removesuffix(BASE) + what, timeout=30).text


def fill(folder: Path, urls: list[str], per_instance: int) -> None:
    """Store the tasks of all instances as forwarded; the newest `CHANGED` of each have not been seen to run yet."""
    folder.mkdir(parents=True)
    database = Database(folder / "protes.db")
    database.open()
    for place, url in enumerate(urls):
        for state, first, last in (
            (State.RUNNING, 0, per_instance - CHANGED),
            (State.QUEUED, per_instance - CHANGED, per_instance),
        ):
            if last > first:
                database.write(partial(_fill, record=_forwarded(place, url, state, first), numbers=range(first, last)))
    database.close()


def _forwarded(place: int, url: str, state: State, number: int) -> TaskRecord:
    now = datetime.now(UTC)
    attempt = Attempt(
        n=1,
        instance_url=url,
        instance_id=f"instance-{place}",
        dialect="funnel",
        phase=Phase.ACCEPTED,
        intended_at=now - timedelta(hours=1),
        deadline=now,
        instance_task_id=task_id(number),
        state=state,
        metadata={"protes.instance": f"instance-{place}", "protes.weight": "0.5"},
    )
    task = gateway_task(number, place)
    return TaskRecord(id=task, owner="", created_at=now, document=_DOCUMENT, state=state, attempts=(attempt,))


def _fill(connection: sqlite3.Connection, record: TaskRecord, numbers: range) -> None:
    """Store a record, and copies of it under other numbers: a hundred thousand made one by one take a minute."""
    connection.execute("PRAGMA cache_size = -262144")
    rows.insert(connection, record)
    columns = (*codec.CONSTANT_COLUMNS, *codec.CHANGING_COLUMNS, *codec.DERIVED_COLUMNS)
    same = ", ".join(column for column in columns if column not in ("id", "live_task_id"))
    ours = f"printf('%012dx{record.id.partition('x')[2]}', series.n)"
    theirs = "printf('d3k%017d', series.n)"
    data = f"json_set(data, '$.instance_task_id', {theirs})"
    series = (
        f"WITH RECURSIVE series (n) AS (SELECT {numbers.start + 1} UNION ALL SELECT n + 1 FROM series "
        f"WHERE n + 1 < {numbers.stop})"
    )
    for copies in (
        f"INSERT INTO tasks (id, live_task_id, {same}) SELECT {ours}, {theirs}, {same} FROM series, tasks WHERE id = ?",
        f"INSERT INTO documents SELECT {ours}, document FROM series, documents WHERE task_id = ?",
        f"INSERT INTO attempts SELECT {ours}, attempts.n, {data}, log FROM series, attempts WHERE task_id = ?",
    ):
        connection.execute(f"{series} {copies}", (record.id,))


def gateway_task(number: int, place: int) -> str:
    """Return the gateway's id of a task of an instance."""
    return f"{number:012}x{place:04}"


@dataclass(frozen=True)
class Swept:
    """What a sweep of all instances cost."""

    seconds: float
    requests: int
    megabytes: float


class Worker:
    """A gateway's worker in this process, without HTTP in front."""

    def __init__(self, folder: Path, urls: list[str], **relay: object) -> None:
        instances = [{"id": f"instance-{place}", "url": url} for place, url in enumerate(urls)]
        self.urls = urls
        settings = Settings.model_validate({"gateway_id": "gateway-bench", "instances": instances, "relay": relay})
        self.stores = create_stores(str(folder))
        clock = SystemClock()
        runner = ThreadRunner(clock, settings.runner.threads, 100)
        self._parts = make_parts(settings, make_lasting(settings, self.stores, runner, clock, {}), None)
        for job in self._parts.handlers:
            runner.register(job, lambda key: None)
        while keys := self._parts.services.federation.due_probes():
            for key in keys:
                self._parts.handlers["probe"](key)

    def sweep(self) -> Swept:
        """Sweep all instances once, in as many threads as a worker has."""
        before = self._requests()
        began = time.perf_counter()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self._parts.handlers["relay"], self.urls))
        seconds = time.perf_counter() - began
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1_000_000
        return Swept(seconds, self._requests() - before, megabytes)

    def close(self) -> None:
        """Close everything."""
        self._parts.close()
        self.stores.close()

    def _requests(self) -> int:
        return sum(int(tell(url, "/requests")) for url in self.urls)


def sweeping(folder: Path) -> None:
    """Print what sweeps of all tasks cost, and what a GET per task would."""
    total = INSTANCES * PER_INSTANCE
    with listing_instances(INSTANCES, PER_INSTANCE, LATENCY_SECONDS) as urls:
        began = time.perf_counter()
        fill(folder / "sweep", urls, PER_INSTANCE)
        print(
            f"Relay: {total:,} active tasks at {INSTANCES} instances that list as Funnel does and answer after "
            f"{LATENCY_SECONDS * 1000:.0f} ms; one worker process, SQLite store (filled in "
            f"{time.perf_counter() - began:.0f} s).\n"
        )
        command = [sys.executable, "-m", "tests.bench.relay", "worker", str(folder / "sweep"), *urls]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(f"{'sweep':<52}{'seconds':>9}{'requests':>10}{'tasks per request':>19}{'peak MB':>9}")
    for name, tasks, *figures in json.loads(done.stdout):
        row(name, tasks, Swept(*figures), total)


def row(name: str, tasks: int, swept: Swept, total: int) -> None:
    """Print a line; a sweep of fewer tasks is extrapolated to all."""
    scale = total / tasks
    note = "" if tasks == total else " (extrapolated)"
    print(
        f"{name + note:<52}{swept.seconds * scale:>9.1f}{swept.requests * scale:>10.0f}"
        f"{tasks / max(1, swept.requests):>19.0f}{swept.megabytes:>9.0f}",
        flush=True,
    )


def worker(folder: Path, urls: list[str]) -> None:
    """Measure in this process; print figures as JSON."""
    total = len(urls) * PER_INSTANCE
    bulk = Worker(folder, urls)
    found: list[tuple[str, int, float, int, float]] = []

    def measure(name: str, tasks: int, swept: Swept) -> None:
        found.append((name, tasks, swept.seconds, swept.requests, swept.megabytes))

    measure(f"all, {CHANGED * len(urls):,} of them changed", total, bulk.sweep())
    measure("all, nothing changed", total, bulk.sweep())
    for url in urls:
        tell(url, f"/set?state=COMPLETE&from=0&to={ENDED}")
    measure(f"all, {ENDED * len(urls):,} of them ended", total, bulk.sweep())
    bulk.close()
    single = Worker(folder, urls[:1], list_from=10_000_000)
    records = single.stores.tasks
    place = [each.task_id for each in records.followed(urls[0], None, PER_INSTANCE)]
    for each in place[BASELINE_TASKS:]:
        records.delete(each)
    measure("baseline: a GET per task, 4 at once", BASELINE_TASKS, single.sweep())
    single.close()
    print(json.dumps(found))


def visible(folder: Path) -> None:
    """Print how late a change at an instance is visible at a gateway."""
    settings: dict[str, object] = {"relay": {"first_poll_seconds": POLL_SECONDS, "last_poll_seconds": POLL_SECONDS}}
    with listing_instances(INSTANCES, VISIBLE_PER_INSTANCE, LATENCY_SECONDS) as urls:
        fill(folder / "visible" / "data", urls, VISIBLE_PER_INSTANCE)
        settings["instances"] = [{"id": f"instance-{place}", "url": url} for place, url in enumerate(urls)]
        with gateway(folder / "visible", settings) as (url, _):
            await_state(url, gateway_task(VISIBLE_PER_INSTANCE - 1, 0), "RUNNING")
            with ThreadPoolExecutor(6) as pool:
                lags = sorted(pool.map(lambda number: lag(url, urls, number), range(VISIBLE_CHANGES)))
    p50, p95 = lags[len(lags) // 2], lags[int(len(lags) * 0.95)]
    print(
        f"\nFrom a change at an instance to the gateway's GET, {INSTANCES * VISIBLE_PER_INSTANCE:,} active tasks, "
        f"polled every {POLL_SECONDS:g} s, {len(lags)} changes: p50 {p50:.2f} s, p95 {p95:.2f} s, "
        f"longest {lags[-1]:.2f} s"
    )


def lag(url: str, instances: list[str], number: int) -> float:
    """End a task at an instance, at a random moment, and return how long the gateway took to show it."""
    threading.Event().wait(random.Random(number).uniform(0, POLL_SECONDS))
    place = number % len(instances)
    tell(instances[place], f"/set?state=COMPLETE&from={number}&to={number + 1}")
    began = time.perf_counter()
    await_state(url, gateway_task(number, place), "COMPLETE")
    return time.perf_counter() - began


def await_state(url: str, task: str, state: str) -> None:
    """Read a task until it is in a state."""
    deadline = time.monotonic() + 60
    with requests.Session() as session:
        while session.get(f"{url}{BASE}/tasks/{task}", timeout=30).json()["state"] != state:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{task} is not {state}")
            threading.Event().wait(0.1)


def polling() -> None:
    """Print what a polling loop per task needs: a thread that asks, sleeps 3 s and asks again, as proTES has it."""
    stop = threading.Event()
    asked = [0] * LOOPS

    def loop(place: int, url: str) -> None:
        with requests.Session() as session:
            while not stop.wait(LOOP_PAUSE_SECONDS * random.Random(place).random() if not asked[place] else 0):
                session.get(f"{url}/tasks/{task_id(place)}", params={"view": "FULL"}, timeout=30).json()
                asked[place] += 1
                stop.wait(LOOP_PAUSE_SECONDS)

    with listing_instances(1, LOOPS, LATENCY_SECONDS) as [url]:
        threads = [threading.Thread(target=loop, args=(place, url)) for place in range(LOOPS)]
        began, used = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        stop.wait(LOOP_SECONDS)
        stop.set()
        for thread in threads:
            thread.join()
        seconds, used = time.perf_counter() - began, time.process_time() - used
    per_second, cores = sum(asked) / seconds, used / seconds
    total, scale = INSTANCES * PER_INSTANCE, INSTANCES * PER_INSTANCE / LOOPS
    print(
        f"\nBaseline, a polling loop per task ({LOOP_PAUSE_SECONDS:g} s pause): {LOOPS} tasks hold {LOOPS} slots, "
        f"{per_second:.0f} requests/s and {cores:.2f} cores;\nfor {total:,} tasks that is {total:,} slots, "
        f"{per_second * scale:,.0f} requests/s and {cores * scale:,.0f} cores."
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(Path(sys.argv[2]), sys.argv[3:])
    else:
        main()
