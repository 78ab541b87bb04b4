"""Figures of docs/events.md: `python -m tests.bench.events`.

How long it takes from a change of state to a client of the event stream, with 10,000 tasks stored; and what events
cost when tasks are created, against tasks that are no news, in the same run and in turns.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import requests

from protes.clock import SystemClock
from protes.events.announcing import Announcer
from protes.events.log import EventLog
from protes.store.records import TaskRecord
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from tests.bench.stored import fill
from tests.support.event_stream import following
from tests.support.processes import gateway, in_front_of, node

STORED = 10_000
CHANGES = 200
CREATIONS = 2_000
ENDS = 50
TURNS = 8
_ANNOUNCED = 2
_TES = "/ga4gh/tes/v1/tasks"
_SHORT = {"name": "t", "executors": [{"image": "alpine", "command": ["sleep", "0.3"]}]}
_TASK = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="protes-bench-") as name:
        lags = stream_lags(Path(name) / "stream")
        print(f"From a cancellation's answer to its event, {STORED} tasks stored, {len(lags)} changes:")
        print(f"  p50 {middle(lags, 0.5) * 1000:.0f} ms, p95 {middle(lags, 0.95) * 1000:.0f} ms")
        ends = instance_lags(Path(name) / "ends")
        print(f"From the end of a task at a node to its event, {len(ends)} young tasks:")
        print(f"  p50 {middle(ends, 0.5) * 1000:.0f} ms, p95 {middle(ends, 0.95) * 1000:.0f} ms")
        without, with_events, announced = creation_costs(Path(name) / "store")
        print(f"Creation in the store, {CREATIONS} each: p50 without events {middle(without, 0.5) * 1e6:.0f} us,")
        print(
            f"  as news {middle(with_events, 0.5) * 1e6:.0f} us, while they are announced "
            f"{middle(announced, 0.5) * 1e6:.0f} us"
        )


def middle(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of all lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def stream_lags(folder: Path) -> Sequence[float]:
    """Return how long clients waited for events, seconds."""
    data = folder / "data"
    data.mkdir(parents=True)
    fill(data, STORED, STORED + 1)
    lags = []
    with gateway(folder, {}) as (url, _), following(url) as stream, requests.Session() as session:
        stream.next()
        for _ in range(CHANGES):
            task_id = session.post(url + _TES, json=_TASK, timeout=30).json()["id"]
            stream.until(lambda told, wanted=task_id: told.data.get("id") == wanted)  # type: ignore[misc]
            session.post(f"{url}{_TES}/{task_id}:cancel", timeout=30)
            began = time.perf_counter()
            stream.until(lambda told, wanted=task_id: told.data.get("id") == wanted)  # type: ignore[misc]
            lags.append(time.perf_counter() - began)
    return lags


def instance_lags(folder: Path) -> Sequence[float]:
    """Return by how much clients learned late of the ends of tasks, by the node's own clock, seconds."""
    folder.mkdir(parents=True)
    lags = []
    with (
        node(folder / "node") as node_url,
        gateway(folder / "gateway", in_front_of(folder, node_url)) as (url, _),
        following(url) as stream,
        requests.Session() as session,
    ):
        stream.next()
        for _ in range(ENDS):
            task_id = session.post(url + _TES, json=_SHORT, timeout=30).json()["id"]
            ended = (task_id, "COMPLETE")
            stream.until(lambda told, ended=ended: (told.data.get("id"), told.data.get("state")) == ended)  # type: ignore[misc]
            seen = time.time()
            full = session.get(f"{url}{_TES}/{task_id}?view=FULL", timeout=30).json()
            lags.append(seen - datetime.fromisoformat(full["logs"][0]["end_time"]).timestamp())
    return lags


def creation_costs(folder: Path) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Return what a creation takes without events, as news, and while somebody announces them, seconds; in turns."""
    database = Database(folder / "protes.db")
    database.open()
    tasks, records, clock = SQLiteTaskStore(database), SQLiteRecords(database), SystemClock()
    announcer = Announcer(tasks, records, EventLog(records, clock), clock, 86400.0)
    template = TaskRecord("x", "", clock.now(), '{"executors":[]}')
    costs: tuple[list[float], list[float], list[float]] = ([], [], [])
    for turn in range(TURNS):
        for place, found in enumerate(costs):
            ended = threading.Event()
            thread = threading.Thread(target=_announce, args=(announcer, clock, ended))
            if place == _ANNOUNCED:
                thread.start()
            for number in range(CREATIONS // TURNS):
                news = None if place == 0 else 1
                record = replace(template, id=f"task{turn}-{place}-{number:06}", news=news)
                began = time.perf_counter()
                tasks.create(record)
                found.append(time.perf_counter() - began)
            ended.set()
            if place == _ANNOUNCED:
                thread.join()
        while announcer.announce():
            pass
    database.close()
    return costs


def _announce(announcer: Announcer, clock: SystemClock, ended: threading.Event) -> None:
    while not clock.wait(ended, 0.25):
        announcer.announce()


if __name__ == "__main__":
    main()
