"""A gateway and a node as processes, and requests to them as they stand on the wire, honest or not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from protes.auth.passwords import hash_password
from tests.support.auth import basic, bearer
from tests.support.processes import TOKEN, gateway, node

TES = "/ga4gh/tes/v1"
LISTED, NAME = "https://dashboard.example.org", "tes.example.org"
TASK = json.dumps({"executors": [{"image": "alpine", "command": ["true"]}]}).encode()
_OPERATOR = "correct-horse-battery-staple"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Place:
    """A server that runs by itself."""

    port: int
    credential: dict[str, str]

    @property
    def host(self) -> str:
        """What an honest client has in `Host`."""
        return f"127.0.0.1:{self.port}"

    def send(
        self, target: str = f"{TES}/tasks", method: str = "GET", body: bytes = b"", /, *lines: str, **headers: str
    ) -> Answer:
        """Send a request as it stands here, with a credential that is good; a header that is empty is left out."""
        usual = {"Host": self.host, "Connection": "close", **self.credential}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sized = {"Content-Length": str(len(body))} if body or method == "POST" else {}
        head = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in {**usual, **sized, **given}.items()), *lines]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode("utf-8") + body)
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            found = {name.lower(): value for name, value in answer.getheaders()}
            streams = found.get("content-type", "").startswith("text/event-stream")
            return Answer(answer.status, found, b"" if streams else answer.read())

    def creates(self, body: bytes = TASK, /, **headers: str) -> Answer:
        """POST a task."""
        return self.send(f"{TES}/tasks", "POST", body, **{"Content_Type": "application/json", **headers})


@contextmanager
def both(folder: Path) -> Iterator[dict[str, Place]]:
    """Run a gateway that knows a name and an origin beside its own, and a node."""
    users = folder / "users"
    users.write_text(f"ann:{hash_password('secret')}\n", encoding="utf-8")
    settings: dict[str, object] = {
        "server": {"allowed_hosts": [NAME], "cors_origins": [LISTED], "operator_token": _OPERATOR},
        "auth": {"mode": "basic", "users_file": str(users)},
    }
    with ExitStack() as stack:
        url, _ = stack.enter_context(gateway(folder / "gateway", settings))
        other = stack.enter_context(node(folder / "node"))
        yield {
            "gateway": Place(int(url.rpartition(":")[2]), basic("ann", "secret")),
            "node": Place(int(other.rpartition(":")[2]), bearer(TOKEN)),
        }


def count(place: Place) -> int:
    """Return how many tasks there are."""
    return len(json.loads(place.send(f"{TES}/tasks?page_size=1000").body)["tasks"])


def no_cors(answer: Answer) -> bool:
    """Tell whether an answer lets no page read it."""
    return not [name for name in answer.headers if name.startswith("access-control-")]
