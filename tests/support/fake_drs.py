"""A DRS server for tests: a `ScriptedServer` that keeps objects, wants a token where the test says so, and has faults.

with FakeDrs(token="secret") as drs:
    drs.add("abc", size=12, methods=[https_method("https://data/x", "eu-west-1")])
    drs.server.on("GET", drs.path("abc"), Stall())
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tests.support.behaviours import Answer, answer_json, problem
from tests.support.http_messages import Request
from tests.support.scripted_server import ScriptedServer

_API = "/ga4gh/drs/v1"


def method(kind: str, url: str | None = None, access_id: str | None = None, **more: Any) -> dict[str, Any]:
    """Make a DRS `AccessMethod`."""
    found: dict[str, Any] = {"type": kind, **more}
    if url is not None:
        found["access_url"] = {"url": url}
    if access_id is not None:
        found["access_id"] = access_id
    return found


class FakeDrs:
    """See the module's text.

    Attributes:
        server: the server beneath.
        minted: how many URLs were given for access ids.
    """

    def __init__(self, token: str | None = None) -> None:
        self.server = ScriptedServer()
        self.minted = 0
        self._token = token

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.server.url + _API

    def path(self, object_id: str) -> str:
        """The path of an object."""
        return f"{_API}/objects/{object_id}"

    def add(self, object_id: str, *, size: Any = 0, methods: Sequence[dict[str, Any]] = (), **more: Any) -> None:
        """Keep an object; ids of access methods give URLs with a signature that changes every time."""
        document = {
            "id": object_id,
            "self_uri": f"drs://fake/{object_id}",
            "size": size,
            "created_time": "2024-01-01T00:00:00Z",
            "checksums": [{"type": "md5", "checksum": "0"}],
            "access_methods": list(methods),
            **more,
        }
        self.server.on("GET", self.path(object_id), lambda request: self._let_in(request) or answer_json(document))
        self.server.on("GET", self.path(object_id) + "/access/{id}", self._mint)

    def _mint(self, request: Request) -> Answer:
        refused = self._let_in(request)
        if refused is not None:
            return refused
        self.minted += 1
        name = request.params["id"]
        return answer_json({"url": f"https://signed.example.org/{name}?signature=hunter2-{self.minted}"})

    def _let_in(self, request: Request) -> Answer | None:
        if self._token is not None and request.headers.get("Authorization") != f"Bearer {self._token}":
            return problem(401, "a bearer token is required")
        return None
