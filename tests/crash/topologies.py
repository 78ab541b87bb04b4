"""How the processes of a gateway are put together, embedded and scaled out, with settings that let little time pass."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.crash.client import TES
from tests.crash.disk import Disk
from tests.crash.programs import Program, WallClock, free_port
from tests.crash.system import Pace, Service, System

_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Site:
    """Where a system is built.

    Attributes:
        folder: an empty folder.
        pace: how long things take.
        instances: what stands behind the gateway.
        clocks: whether the gateway's programs see a time that can be changed.
        stack: ends what was started.
    """

    folder: Path
    pace: Pace
    instances: Mapping[str, Program]
    clocks: bool
    stack: ExitStack

    def configure(self, store_url: str, **runner: Any) -> Path:
        """Write the gateway's configuration and return its path."""
        third, look = self.pace.lease_seconds / 3, self.pace.look_seconds
        settings = {
            "dispatch": {
                "lease_seconds": self.pace.lease_seconds,
                "send_within_seconds": third * 0.9,
                "create_seconds": third * 1.8,
                "first_retry_seconds": 0.5,
                "last_retry_seconds": 2,
                "settle_every_seconds": 0.5,
            },
            "relay": {"first_poll_seconds": look, "last_poll_seconds": max(2.0, 2 * look)},
            "health": {"base_ejection_seconds": 0.5, "max_ejection_seconds": 3},
            "server": {"workers": 2, "threads": self.pace.threads, "port": free_port()},
            "runner": {"threads": self.pace.threads, "tick_seconds": look, **runner},
            "store": {"url": store_url},
            "instances": [{"id": name, "url": program.url + TES} for name, program in self.instances.items()],
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({"custom": settings}))
        return path

    def program(self, name: str, *arguments: str) -> tuple[Program, WallClock | None]:
        """Prepare a program of the gateway, and the clock that it sees."""
        if self.clocks:
            clock = WallClock(self.folder / f"{name}.clock")
            made = Program(name, ["tests.crash.jumping", "protes", *arguments], self.folder, clock.environment)
        else:
            clock = None
            made = Program(name, ["protes", *arguments], self.folder)
        self.stack.callback(made.stop)
        return made, clock


def embedded(site: Site, disk: Disk | None = None) -> System:
    """Start a gateway on SQLite that runs its jobs in the two processes of its API."""
    data = str(disk.folder if disk is not None else site.folder / "data")
    gateway, clock = site.program("gateway", "serve", "--config", str(site.configure(data)))
    clocks = (clock,) if clock is not None else ()
    system = System(site.folder, gateway, (), site.instances, data, clocks=clocks, disk=disk)
    system.start_gateway()
    return system


def scaled(site: Site, broker_url: str, store_url: str, services: Mapping[str, Service]) -> System:
    """Start an API that only serves, workers behind a broker, and a store that all of them share."""
    prefix = f"crash-{free_port()}"
    config = str(site.configure(store_url, kind="celery", broker_url=broker_url, queue_prefix=prefix))
    gateway, api_clock = site.program("gateway", "serve", "--api-only", "--config", config)
    workers = [site.program(f"worker-{number}", "worker", "--config", config) for number in range(1, _WORKERS + 1)]
    system = System(
        site.folder,
        gateway,
        [program for program, _ in workers],
        site.instances,
        store_url,
        services,
        [clock for clock in (api_clock, *(each for _, each in workers)) if clock is not None],
    )
    for program in system.programs:
        program.begin()
    for program in system.programs:
        program.ready()
    return system
