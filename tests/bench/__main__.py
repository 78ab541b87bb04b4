"""The figures of the README: `make bench`. Each ratio is against a baseline measured in the same run."""

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import requests

from tests.bench import auth, events, federation, observing, ranking, reading, relay
from tests.bench.load import Load, post_tasks
from tests.support.processes import TOKEN, gateway, in_front_of, memory_megabytes, node

COUNT = 1000
WARM_UP = 100
RELAY_TASKS = 40
_TES = "/ga4gh/tes/v1"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="protes-bench-") as name:
        folder = Path(name)
        print(
            f"Creations: {COUNT} tasks each, SQLite store, one worker process; the load runs in a process of its own.\n"
        )
        print(f"{'server':<38}{'conc.':>6}{'per s':>8}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}")
        baseline: dict[int, float] = {}
        with node(folder / "node-direct") as url:
            for concurrency in (1, 16):
                load = measure(url, concurrency, TOKEN)
                baseline[concurrency] = load.percentile(0.5)
                row("node, directly", concurrency, load, baseline)
        with gateway(folder / "alone", {}) as (url, server):
            time.sleep(3)
            idle = memory_megabytes(server.pid)
            for concurrency in (1, 16):
                row("gateway, no instance behind it", concurrency, measure(url, concurrency, None), baseline)
        with (
            node(folder / "node-behind") as node_url,
            gateway(folder / "behind", in_front_of(folder, node_url)) as (url, _),
        ):
            for concurrency in (1, 16):
                row("gateway, dispatching meanwhile", concurrency, measure(url, concurrency, None), baseline)
        with node(folder / "node-lag") as node_url, gateway(folder / "lag", in_front_of(folder, node_url)) as (url, _):
            lags = relay_lags(url)
        print(f"\nIdle memory, all processes of the gateway: {idle:.0f} MB")
        print(
            f"From a node's final state to the gateway's, {len(lags)} young tasks: "
            f"p50 {lags[len(lags) // 2]:.2f} s, p95 {lags[int(len(lags) * 0.95)]:.2f} s, longest {lags[-1]:.2f} s"
        )


def row(name: str, concurrency: int, load: Load, baseline: dict[int, float]) -> None:
    """Print one line of the table."""
    p50, p99 = load.percentile(0.5), load.percentile(0.99)
    ratio = p50 / baseline[concurrency]
    print(
        f"{name:<38}{concurrency:>6}{load.per_second:>8.0f}{p50 * 1000:>9.2f}{p99 * 1000:>9.2f}{ratio:>11.2f}",
        flush=True,
    )


def measure(url: str, concurrency: int, token: str | None) -> Load:
    """Warm up, then measure from another process."""
    tasks = f"{url}{_TES}/tasks"
    post_tasks(tasks, WARM_UP, concurrency, token)
    command = [
        sys.executable,
        "-m",
        "tests.bench.load",
        tasks,
        str(COUNT),
        str(concurrency),
        *([token] if token else []),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    return Load(len(answer["ids"]), answer["seconds"], answer["latencies"], answer["ids"])


def relay_lags(url: str) -> list[float]:
    """Submit tasks one after the other and return by how much the gateway learned late of each end, ascending."""
    lags = []
    with requests.Session() as session:
        for _ in range(RELAY_TASKS):
            task = {"name": "lag", "executors": [{"image": "alpine", "command": ["sleep", "0.3"]}]}
            task_id = session.post(f"{url}{_TES}/tasks", json=task, timeout=30).json()["id"]
            while session.get(f"{url}{_TES}/tasks/{task_id}", timeout=30).json()["state"] != "COMPLETE":
                time.sleep(0.02)
            seen = time.time()
            full = session.get(f"{url}{_TES}/tasks/{task_id}?view=FULL", timeout=30).json()
            lags.append(max(0.0, seen - datetime.fromisoformat(full["logs"][0]["end_time"]).timestamp()))
    return sorted(lags)


if __name__ == "__main__":
    main()
    for part in (ranking, federation, relay, reading, auth, observing, events):
        print(flush=True)
        part.main()
