"""Figures of the federation: ten thousand listed services, and fifty instances of which twenty are sick."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from protes.clock import SystemClock, rfc3339
from protes.config.instances import RegistrySettings
from protes.config.settings import Settings
from protes.federation.federation import Federation
from protes.federation.merge import Listed, merge
from protes.store.memory import MemoryRecords, MemoryTaskStore
from service_registry_client import ExternalService, filter_services
from service_registry_client.parsing import parse_json, parse_services
from tests.support import sick_federation
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.waiting import wait_until

SERVICES = 10_000
_URL = "https://registry.example.org/ga4gh/registry/v1"
_REPEATS = 7
_TASKS, _PER_SECOND = 3000, 60.0
_FIRST = 600
"""Tasks among which the sick instances are found out."""


def main() -> None:
    """Measure and print."""
    listing()
    print()
    sickness()


def listing() -> None:
    """Time what is done with the answer of a registry that lists ten thousand services."""
    body = json.dumps(list(map(_entry, range(SERVICES)))).encode()
    settings = RegistrySettings(url=_URL)
    parsing = timed(lambda: parse_services(parse_json(body, _URL), _URL))
    services = parse_services(parse_json(body, _URL), _URL).services
    filtering = timed(lambda: filter_services(services, group=settings.group, artifact=settings.artifact))
    listed = [Listed(each.url, each.name, registries=(_URL,), service=each.document()) for each in _wanted(services)]
    merging = timed(lambda: merge((), listed))
    size = f"{SERVICES} services ({len(body) / 1e6:.1f} MB), {len(listed)} of them TES"
    print(f"A registry with {size}, median of {_REPEATS}:")
    parts = {"reading the answer": parsing, "filtering": filtering, "merging": merging}
    print("  " + ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in parts.items()))
    print(f"  a new view, nothing changed: {_view_seconds(body) * 1000:.0f} ms")


def sickness() -> None:
    """Compare how long tasks wait for their instance, with and without sick instances in the federation."""
    logging.disable(logging.WARNING)
    print(f"{_TASKS} tasks at {_PER_SECOND:.0f} a second over 50 instances; from POST to being sent:")
    baseline: dict[str, tuple[float, float]] = {}
    for sick in (False, True):
        with sick_federation.federation(50) as made, sick_federation.in_front_of(made) as gateway:
            if sick:
                made.fall_ill()
            ids = sick_federation.submit_steadily(gateway, _TASKS, _PER_SECOND)
            waited = {"all": sick_federation.sent(gateway, ids, int(0.6 * _TASKS))}
            waited[f"the first {_FIRST}"] = sick_federation.dispatch_seconds(gateway, ids[:_FIRST])
        for which, seconds in waited.items():
            p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
            well = baseline.setdefault(which, (p50, p99))
            ratio = f", {p50 / well[0]:.2f} and {p99 / well[1]:.2f} times that" if sick else ""
            name = f"{'20 of them sick' if sick else 'all well'}, {which}"
            print(f"  {name:<32} p50 {p50 * 1000:6.1f} ms  p99 {p99 * 1000:6.1f} ms{ratio}", flush=True)
    logging.disable(logging.NOTSET)


def timed(work: Callable[[], object]) -> float:
    """Return the median of some repeats, seconds."""
    took = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return median(took)


def _entry(number: int) -> Mapping[str, Any]:
    """Half of what is listed are other services, as in real registries."""
    artifact = ("tes", "TES", "drs", "wes")[number % 4]
    return service_entry(
        f"https://site-{number}.example.org/ga4gh/{artifact}/v1",
        service_id=f"org.example.{number}",
        name=f"Site {number}",
        artifact=artifact,
        description="What this site does, in a sentence of usual length",
        contactUrl="mailto:help@example.org",
        createdAt="2026-01-01T00:00:00Z",
        updatedAt="2026-01-01T00:00:00Z",
        environment="prod",
    )


def _wanted(services: tuple[ExternalService, ...]) -> tuple[ExternalService, ...]:
    return filter_services(services, group="org.ga4gh", artifact="tes")


def _view_seconds(body: bytes) -> float:
    """Time the making of a view of a federation whose instances have all been probed."""
    records, clock = MemoryRecords(), SystemClock()
    with FakeRegistry(json.loads(body)) as registry:
        settings = Settings.model_validate({"registries": [{"url": registry.url, "allow_private": False}]})
        federation = Federation(settings, "gateway-bench", MemoryTaskStore(), records, clock, {})
        try:
            wait_until(lambda: len(_forgetting(federation)) > 0, "the registry has answered", 60)
            now = clock.now()
            for each in federation.view().instances:
                probed = {
                    "ok": True,
                    "at": rfc3339(now),
                    "next_at": rfc3339(now),
                    "heard_at": rfc3339(now),
                    "failures": 0,
                    "base_url": each.settings.url,
                    "dialect": "funnel",
                    "version": "0.11",
                    "storage": ["s3://", "file://"],
                    "backend_parameters": [],
                    "gateway_id": None,
                    "error": None,
                }
                records.put("probe", each.key, probed, now)
            _forgetting(federation)
            return timed(lambda: _forgetting(federation))
        finally:
            federation.close()


def _forgetting(federation: Federation) -> tuple[object, ...]:
    federation.forget_view()
    return federation.view().instances


if __name__ == "__main__":
    main()
