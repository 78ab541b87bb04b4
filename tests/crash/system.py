"""The system under test: a gateway of several processes in front of instances, in one of its topologies."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import requests

from protes.store.factory import create_stores
from protes.store.protocols import TaskStore
from protes.store.records import TaskQuery, TaskRecord
from tests.crash.checks import Copy, Evidence
from tests.crash.client import TES, Wish
from tests.crash.disk import Disk
from tests.crash.instance_tasks import tasks_in
from tests.crash.journal import read_journal
from tests.crash.programs import Program, WallClock, free_port, is_free
from tests.support.waiting import wait_until

_PAGE = 1000
_PORT_SECONDS = 60.0
_PAUSE_SECONDS = 0.25
_FERRETDB_LEASE_SECONDS = 15.0
_FERRETDB_PATIENCE_SECONDS = 300.0
_FERRETDB_LOOK_SECONDS_PER_TASK = 0.006
"""A look reads all tasks there, several times: a shorter pause would leave nothing to those who work."""


class Service(Protocol):
    """A broker or a database as a process of its own."""

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""

    def kill(self) -> None:
        """Kill -9."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take: short in CI, longer by hand.

    Attributes:
        tasks: how many there are.
        load_seconds: over how long they are submitted.
        lease_seconds: a worker's claim on a task.
        frozen_seconds: how long a process is stopped; longer than the lease.
        patience_seconds: within which everything must have ended once the last fault is over.
        times: how often each fault befalls the system.
        ferretdb_tasks: as `tasks`, where they are kept in FerretDB.
        ferretdb_load_seconds: as `load_seconds`, then.
        threads: of the gateway's processes, for requests and for jobs.
        look_seconds: between two looks of the gateway through its tasks, for what is due and for what has changed.
    """

    tasks: int
    load_seconds: float
    lease_seconds: float
    frozen_seconds: float
    patience_seconds: float
    times: int
    ferretdb_tasks: int
    ferretdb_load_seconds: float
    threads: int = 8
    look_seconds: float = 0.25

    def for_ferretdb(self) -> Pace:
        """Return a pace that FerretDB keeps up with: it changes one task at a time, and looks at all to find some."""
        return replace(
            self,
            tasks=self.ferretdb_tasks,
            load_seconds=self.ferretdb_load_seconds,
            lease_seconds=max(_FERRETDB_LEASE_SECONDS, self.lease_seconds),
            patience_seconds=max(_FERRETDB_PATIENCE_SECONDS, 2 * self.ferretdb_load_seconds),
            threads=2,
            look_seconds=max(self.look_seconds, self.ferretdb_tasks * _FERRETDB_LOOK_SECONDS_PER_TASK),
        )


SHORT = Pace(
    tasks=300,
    load_seconds=8,
    lease_seconds=4,
    frozen_seconds=6,
    patience_seconds=60,
    times=1,
    ferretdb_tasks=37,
    ferretdb_load_seconds=8,
)
LONG = Pace(
    tasks=2000,
    load_seconds=150,
    lease_seconds=12,
    frozen_seconds=30,
    patience_seconds=300,
    times=4,
    ferretdb_tasks=2000,
    ferretdb_load_seconds=800,
)


@dataclass
class System:
    """All processes of a topology, and where what they leave is found.

    Attributes:
        folder: of all that is written.
        gateway: `protes serve`.
        workers: `protes worker`; none where the gateway runs jobs itself.
        instances: the instances, by the name that is also their folder's.
        store_url: where tasks are kept.
        services: broker and database, by name, as far as there are any.
        clocks: what time each program of the gateway sees, where that can be changed.
        disk: the disk that the store is on, where it can be full.
    """

    folder: Path
    gateway: Program
    workers: Sequence[Program]
    instances: Mapping[str, Program]
    store_url: str
    services: Mapping[str, Service] = field(default_factory=dict)
    clocks: Sequence[WallClock] = ()
    disk: Disk | None = None

    @property
    def url(self) -> str:
        """Root URL of the gateway."""
        return self.gateway.url

    @property
    def programs(self) -> Sequence[Program]:
        """All processes of the gateway."""
        return (self.gateway, *self.workers)

    def start_gateway(self) -> None:
        """Start the API, anew when the workers of one that was killed have left its port."""
        if self.url:
            wait_until(lambda: is_free(self.url), "the port is free", _PORT_SECONDS)
        self.gateway.start()

    def open_files(self) -> Mapping[str, Sequence[int]]:
        """Return how many files each process of the gateway has open, by its program's name."""
        return {program.name: sorted(program.files().values()) for program in self.programs}

    def wait_for_quiet(self, seconds: float) -> None:
        """Wait until nothing is active or half done; what is found then is judged elsewhere."""
        deadline = time.monotonic() + seconds
        stores = create_stores(self.store_url)
        try:
            # Looking takes from the gateway what it needs to become quiet.
            while (self._active() or not _is_quiet(stores.tasks)) and time.monotonic() < deadline:
                threading.Event().wait(_PAUSE_SECONDS)
        finally:
            stores.close()

    def evidence(self, wishes: Sequence[Wish]) -> Evidence:
        """Collect what the gateway shows, what is stored, and what the instances have."""
        shown = {str(task["id"]): task for task in self._listed({"view": "FULL"})}
        stores = create_stores(self.store_url)
        try:
            records = {record.id: record for record in _stored(stores.tasks)}
        finally:
            stores.close()
        return Evidence(wishes, shown, records, self.copies())

    def copies(self) -> Sequence[Copy]:
        """Return what the instances have, by their journals."""
        found = []
        for name, instance in self.instances.items():
            starts = Counter(
                line["id"] for line in read_journal(self.folder / name / "journal") if line["event"] == "start"
            )
            for task in tasks_in(self.folder / name):
                marker = str(task.document.get("tags", {}).get("protes_attempt"))
                found.append(Copy(instance.url + TES, task.id, marker, task.state, task.log(name), starts[task.id]))
        return found

    def _active(self) -> bool:
        try:
            return any(
                self._listed({"view": "MINIMAL", "state": state}) for state in ("QUEUED", "INITIALIZING", "RUNNING")
            )
        except (requests.RequestException, KeyError):
            return True

    def _listed(self, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        tasks: list[Mapping[str, Any]] = []
        token = ""
        while True:
            parameters = {**query, "page_size": str(_PAGE), **({"page_token": token} if token else {})}
            page = requests.get(f"{self.url}{TES}/tasks", params=parameters, timeout=30).json()
            tasks += page["tasks"]
            token = page.get("next_page_token") or ""
            if not token:
                return tasks


def _stored(tasks: TaskStore) -> Sequence[TaskRecord]:
    records: list[TaskRecord] = []
    while page := tasks.list(TaskQuery(before=records[-1].id if records else None, limit=_PAGE)):
        records += page
    return records


def _is_quiet(tasks: TaskStore) -> bool:
    return all(record.lease is None and record.due_at is None for record in _stored(tasks))


def start_instances(folder: Path, dialects: Sequence[str], seed: int, reset_share: float) -> dict[str, Program]:
    """Start an instance per dialect; of its POSTs `reset_share` are reset."""
    instances = {}
    for number, dialect in enumerate(dialects, 1):
        name = f"{dialect}-{number}"
        arguments = ["tests.crash.instance", "--folder", str(folder / name), "--name", name, "--dialect", dialect]
        arguments += ["--port", str(free_port()), "--seed", str(seed + number), "--reset-share", str(reset_share)]
        instances[name] = Program(name, arguments, folder)
        instances[name].begin()
    for instance in instances.values():
        instance.ready()
    return instances
