"""A gateway behind HTTP with instances that were probed: it makes offers without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import requests
import yaml
from jsonschema import Draft4Validator

import openapi
from protes.clock import ManualClock
from protes.federation.codec import probed_to_json
from protes.federation.known import Probed
from protes.store.factory import create_stores
from tests.api.conftest import Api, serving

BROKER = "/ivoa/execution-broker/v1"
TASK: Mapping[str, Any] = {
    "name": "t",
    "executors": [{"image": "alpine", "command": ["true"]}],
    "inputs": [{"name": "reads", "path": "/reads", "url": "s3://bucket/reads.cram"}],
    "resources": {"cpu_cores": 4, "ram_gb": 8.0, "disk_gb": 10.0},
}
REQUEST: Mapping[str, Any] = {"executable": {"kind": "urn:ga4gh:tes:1.1:task", "task": TASK}}
INSTANCES = (
    {
        "id": "cheap",
        "url": "https://cheap.example.org",
        "queue_seconds": 1800,
        "speed": 1.0,
        "limits": {"max_cpu_cores": 8, "token_kinds": ["bearer"]},
        "prices": {"cpu_core_hour": "0.01", "disk_gb_hour": "0.001"},
    },
    {
        "id": "fast",
        "url": "https://fast.example.org",
        "queue_seconds": 10,
        "speed": 2.0,
        "limits": {"max_cpu_cores": 64},
        "prices": {"cpu_core_hour": "0.10", "disk_gb_hour": "0.002"},
    },
)


@contextmanager
def offering(**settings: Any) -> Iterator[Api]:
    """Serve a gateway whose instances `cheap` and `fast` were found by probes."""
    stores, now = create_stores("memory:"), ManualClock().now()
    for each in INSTANCES:
        base = f"{each['url']}/ga4gh/tes/v1"
        probed = Probed(True, now, now + timedelta(hours=1), heard_at=now, base_url=base, dialect="funnel")
        stores.records.put("probe", str(each["url"]), probed_to_json(probed), now)
    with serving(stores, instances=list(INSTANCES), **settings) as api:
        yield api


@cache
def _validator(name: str, schema: str) -> Draft4Validator:
    document = yaml.safe_load(openapi.path(f"{name}.yaml").read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for each in schemas.values():
        if "properties" in each:
            each.setdefault("additionalProperties", False)
    return Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": {"schemas": schemas}})


def faults(name: str, schema: str, document: Any) -> list[str]:
    """List where a document is not what `openapi/<name>.yaml` says, down to fields that nobody wrote of."""
    return [f"{list(each.absolute_path)}: {each.message}" for each in _validator(name, schema).iter_errors(document)]


@dataclass(frozen=True)
class Broker:
    """The client's side; every answer is held against the document."""

    api: Api
    root: str = BROKER

    def ask(self, path: str = "/requests", request: Mapping[str, Any] = REQUEST, **options: Any) -> dict[str, Any]:
        """Ask for offers."""
        return self._fits("OfferSet", self.api.post(self.root + path, dict(request), **options))

    def session(self, uuid: str, **options: Any) -> dict[str, Any]:
        """Get a session."""
        return self._fits("Session", self.api.get(f"{self.root}/sessions/{uuid}", **options))

    def update(self, uuid: str, phase: str, **options: Any) -> requests.Response:
        """Ask that a session be in a phase."""
        update = {"kind": "uri:enum-value-update", "path": "/phase", "value": phase}
        answer = self.api.post(f"{self.root}/sessions/{uuid}", update, **options)
        if answer.status_code == 200:
            self._fits("Session", answer)
        return answer

    def phase(self, uuid: str) -> str:
        """Return the phase of a session."""
        return str(self.session(uuid)["phase"])

    @staticmethod
    def _fits(schema: str, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        document = yaml.safe_load(answer.text) if "yaml" in answer.headers["Content-Type"] else answer.json()
        assert faults("execution-broker", schema, document) == []
        assert isinstance(document, dict)
        return document
