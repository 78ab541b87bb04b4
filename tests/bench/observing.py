"""What observing costs, in processor time: per request, per operation of the store, per task.

`python -m tests.bench.observing`, and with PROMETHEUS_MULTIPROC_DIR set to an empty folder as worker processes do it.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from protes.api.observed import ROUTE_KEY, Observed
from protes.clock import SystemClock
from protes.federation.known import FederationView
from protes.metrics.names import InstanceNames
from protes.metrics.port import Meter, NoMeter
from protes.metrics.prometheus import PrometheusMeter
from protes.metrics.stores import measured, watched
from protes.metrics.tasks import TaskFigures
from protes.store.factory import create_stores
from protes.store.records import TaskRecord

_ROUNDS = 20_000
_REPEATS = 5


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as a gateway with nothing to do."""
    environ[ROUTE_KEY] = "/ga4gh/tes/v1/tasks/{id}"
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


def nanoseconds(call: Callable[[], object]) -> float:
    """Return the processor time of one call, the best of several rounds."""
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time_ns()
        for _ in range(_ROUNDS):
            call()
        best = min(best, (time.process_time_ns() - began) / _ROUNDS)
    return best


def request(served: Callable[..., Any]) -> Callable[[], object]:
    """Return what sends one request to an app."""
    return lambda: served({"REQUEST_METHOD": "GET", "PATH_INFO": "/ga4gh/tes/v1/tasks/x"}, lambda *_: None)


def main() -> None:
    """Measure, and print a table."""
    clock = SystemClock()
    meter = PrometheusMeter(lambda: (), lambda: None)
    bare = nanoseconds(request(app))
    for name, each in (("off", NoMeter()), ("on", meter)):
        taken = nanoseconds(request(Observed(app, each, None, clock, log=False)))
        print(f"request, metrics {name:<3}            {taken - bare:8.0f} ns")
    stores = create_stores("memory:")
    plain = nanoseconds(lambda: stores.tasks.get("unknown", head=True))
    used = measured(stores, meter, clock)
    print(
        f"operation of the store          {nanoseconds(lambda: used.tasks.get('unknown', head=True)) - plain:8.0f} ns"
    )
    print(f"watching the creation of a task {_created(meter):8.0f} ns")
    page = min(_page(meter) for _ in range(20))
    print(f"the page                        {page / 1e6:8.2f} ms")


def _created(meter: Meter) -> float:
    record = TaskRecord("id", "", datetime.now(UTC), "{}")
    stores = create_stores("memory:")
    stores.tasks.create(record)
    told = watched(stores, [TaskFigures(meter, InstanceNames(FederationView, 1))])
    return nanoseconds(lambda: told.tasks.create(record)) - nanoseconds(lambda: stores.tasks.create(record))


def _page(meter: PrometheusMeter) -> float:
    began = time.process_time_ns()
    meter.page("")
    return time.process_time_ns() - began


if __name__ == "__main__":
    main()
