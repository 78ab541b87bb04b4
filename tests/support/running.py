"""A gateway that works in this process behind real HTTP, by the real clock, and what it says of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from protes.app import Gateway, create_gateway
from protes.config.loading import load
from protes.store.factory import Stores, create_stores
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

TES = "/ga4gh/tes/v1"
TASK: dict[str, Any] = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}
_QUICK = {"first_poll_seconds": 0.05, "last_poll_seconds": 0.2}
_PATIENT_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A gateway at work."""

    url: str
    gateway: Gateway

    def create(self, document: dict[str, Any] | None = None, **headers: str) -> str:
        """Create a task and return its id."""
        answer = requests.post(f"{self.url}{TES}/tasks", json=document or TASK, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def state(self, task_id: str) -> str:
        """Return the state of a task."""
        return str(requests.get(f"{self.url}{TES}/tasks/{task_id}", timeout=30).json()["state"])

    def wait_for(self, task_id: str, state: str) -> None:
        """Wait until a task is in a state."""
        wait_until(lambda: self.state(task_id) == state, f"{task_id} is {state}", _PATIENT_SECONDS)

    def metrics(self) -> Samples:
        """Return all figures."""
        answer = requests.get(f"{self.url}/metrics", timeout=30)
        assert answer.status_code == 200, answer.text
        return Samples.read(answer.text)


@dataclass(frozen=True)
class Samples:
    """Figures as Prometheus reads them."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def read(cls, text: str) -> Samples:
        """Read a page; no two samples may have the same name and labels."""
        values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in values, key
                values[key] = sample.value
        return cls(values)

    def get(self, name: str, **labels: str) -> float | None:
        """Return a value, None where there is no such sample."""
        return self.values.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values that a label has in the samples of this name."""
        return {dict(labels)[label] for each, labels in self.values if each == name and label in dict(labels)}

    def names(self) -> set[str]:
        """Return the names of all samples."""
        return {name for name, _ in self.values}


@contextmanager
def running(stores: Stores | None = None, **settings: Any) -> Iterator[Running]:
    """Run a gateway with these settings and, by default, a store in memory."""
    merged = {"gateway_id": "gateway-under-test", "relay": _QUICK, **settings}
    with logging_kept():
        gateway = create_gateway(load([], {}, merged), stores=stores or create_stores("memory:"), environ={})
        gateway.start()
        try:
            with serve_wsgi(gateway.wsgi) as url:
                yield Running(url, gateway)
        finally:
            gateway.close()


@contextmanager
def logging_kept() -> Iterator[None]:
    """Leave the root logger afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
