"""A GA4GH Service Registry for tests: a `ScriptedServer` with a list of services that the test may change at any time.

with FakeRegistry([service_entry("https://tes.example.org")]) as registry:
    RegistryClient(registry.url).services()
    registry.services = []                                      # seen by the next request
    registry.server.inject("GET", registry.path("/services"), problem(503))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tests.support.scripted_server import Answer, Request, ScriptedServer, answer_json, problem

BASE_PATH = "/ga4gh/registry/v1"


def service_entry(
    url: str, *, service_id: str = "JOMGD2", artifact: str = "tes", version: str = "1.1.0", **fields: Any
) -> dict[str, Any]:
    """An entry as the specification has it; `fields` are added to it or replace parts of it."""
    return {
        "id": service_id,
        "name": f"Service {service_id}",
        "type": {"group": "org.ga4gh", "artifact": artifact, "version": version},
        "organization": {"name": "Example", "url": "https://example.org"},
        "version": "1.0",
        "url": url,
        **fields,
    }


def verification(entry: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """That a registry has verified the service of an entry; `fields` replace parts of it."""
    return {"service_id": entry["id"], "url": entry["url"], "type": entry["type"], **fields}


class FakeRegistry:
    """Serves the four calls of Service Registry 1.0.0.

    Attributes:
        server: The server beneath, for faults and for what arrived.
        services: The entries served now, as they are; they need not be valid.
        etags: Whether `/services` carries an ETag and answers 304 to the same one.
        headers: Further headers of `/services`, such as `Cache-Control`.
        verifications: What `/verifications` has, an extension of the specification; None for 404.
    """

    def __init__(self, services: Sequence[Mapping[str, Any]] = (), *, etags: bool = False) -> None:
        self.server = ScriptedServer()
        self.services: Sequence[Mapping[str, Any]] = services
        self.etags = etags
        self.headers: dict[str, str] = {}
        self.verifications: Sequence[Any] | None = None
        self.server.on("GET", self.path("/services"), self._list)
        self.server.on("GET", self.path("/services/{id}"), self._get)
        self.server.on("GET", self.path("/services/types"), self._types)
        self.server.on("GET", self.path("/verifications"), self._verifications)
        self.server.on("GET", self.path("/service-info"), lambda _: answer_json(self._info()))

    @property
    def url(self) -> str:
        """The registry's base URL."""
        return self.server.url + BASE_PATH

    @property
    def fetches(self) -> int:
        """How often the list has been asked for."""
        return self.server.count("GET", self.path("/services"))

    def path(self, rest: str) -> str:
        """The path on the server of a path of the specification."""
        return BASE_PATH + rest

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def _list(self, request: Request) -> Answer:
        headers = dict(self.headers)
        if self.etags:
            digest = hashlib.sha256(json.dumps(self.services).encode()).hexdigest()[:16]
            headers["ETag"] = f'"{digest}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return Answer(304, b"", headers)
        return answer_json(list(self.services), 200, **headers)

    def _get(self, request: Request) -> Answer:
        found = [entry for entry in self.services if entry.get("id") == request.params["id"]]
        return answer_json(found[0]) if found else problem(404, "no such service")

    def _verifications(self, _: Request) -> Answer:
        return problem(404, "no such path") if self.verifications is None else answer_json(list(self.verifications))

    def _types(self, _: Request) -> Answer:
        distinct = {json.dumps(entry["type"], sort_keys=True): entry["type"] for entry in self.services}
        return answer_json(list(distinct.values()))

    def _info(self) -> dict[str, Any]:
        info = service_entry(self.url, service_id="org.example.registry", artifact="service-registry", version="1.0.0")
        del info["url"]
        return info
