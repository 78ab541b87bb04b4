"""The faults: what each does to the system, now; each undoes itself, as a supervisor or an administrator would."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tests.crash.programs import Program
from tests.crash.schedule import Event
from tests.crash.system import Pace, System

Fault = Callable[[System, Pace, int], None]
Thing = TypeVar("Thing")

_RESTART_SECONDS = 0.5
_FULL_SECONDS = 3.0
_HOUR = 3600


def _pick(things: Sequence[Thing], choice: int) -> Thing:
    return things[choice % len(things)]


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _kill_api_worker(system: System, _: Pace, choice: int) -> None:
    """Its master starts another one."""
    if system.gateway.children:
        system.gateway.kill(_pick(system.gateway.children, choice))


def _kill_api(system: System, _: Pace, __: int) -> None:
    """The master alone: its workers notice, and may still hold the port when it is started again."""
    system.gateway.kill()
    system.start_gateway()


def _kill_worker(system: System, _: Pace, choice: int) -> None:
    worker = _pick(system.workers, choice)
    worker.kill()
    _wait(_RESTART_SECONDS)
    worker.start()


def _kill_instance(system: System, _: Pace, choice: int) -> None:
    instance = _pick(list(system.instances.values()), choice)
    instance.kill()
    _wait(_RESTART_SECONDS)
    instance.start()


def _freeze(program: Program, pid: int, seconds: float) -> None:
    program.signal(signal.SIGSTOP, pid)
    _wait(seconds)
    program.signal(signal.SIGCONT, pid)


def _freeze_api_worker(system: System, pace: Pace, choice: int) -> None:
    """Where it runs jobs itself, its leases expire, and it wakes up under those of others."""
    if system.gateway.children:
        _freeze(system.gateway, _pick(system.gateway.children, choice), pace.frozen_seconds)


def _freeze_worker(system: System, pace: Pace, choice: int) -> None:
    worker = _pick(system.workers, choice)
    _freeze(worker, worker.pid, pace.frozen_seconds)


def _freeze_instance(system: System, pace: Pace, choice: int) -> None:
    """It has taken connections, and reads what was sent on them when it wakes up."""
    instance = _pick(list(system.instances.values()), choice)
    _freeze(instance, instance.pid, pace.frozen_seconds)


def _kill_service(name: str) -> Fault:
    def kill(system: System, _: Pace, __: int) -> None:
        system.services[name].kill()
        _wait(_RESTART_SECONDS)
        system.services[name].start()

    return kill


def _fill_disk(system: System, _: Pace, __: int) -> None:
    assert system.disk is not None
    system.disk.fill()
    _wait(_FULL_SECONDS)
    system.disk.free()


def _jump(seconds: int) -> Fault:
    """The clock of one program jumps, and of the others does not."""

    def jump(system: System, _: Pace, choice: int) -> None:
        _pick(system.clocks, choice).jump(seconds)

    return jump


FAULTS: Mapping[str, Fault] = {
    "kill an API worker": _kill_api_worker,
    "kill the API": _kill_api,
    "kill a worker": _kill_worker,
    "kill an instance": _kill_instance,
    "kill the broker": _kill_service("broker"),
    "kill the database": _kill_service("database"),
    "freeze an API worker": _freeze_api_worker,
    "freeze a worker": _freeze_worker,
    "freeze an instance": _freeze_instance,
    "fill the disk": _fill_disk,
    "clock an hour ahead": _jump(_HOUR),
    "clock an hour behind": _jump(-_HOUR),
    "clock right": _jump(0),
}


def play(system: System, pace: Pace, events: Sequence[Event], elapsed: Callable[[], float]) -> None:
    """Have each event befall the system when its time has come; one that takes long delays all that come after it."""
    before, ended = 0.0, 0.0
    for event in events:
        _wait(max(0.0, event.at - elapsed(), ended + event.at - before - elapsed()))
        print(f"{elapsed():7.2f} s  {event.kind} ({event.choice})", flush=True)
        FAULTS[event.kind](system, pace, event.choice)
        before, ended = event.at, elapsed()
    print(f"{elapsed():7.2f} s  no more faults", flush=True)
