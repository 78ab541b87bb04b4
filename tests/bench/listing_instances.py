"""Instances that list in Funnel's dialect and cost next to nothing, in a process of their own, for the bench.

    python -m tests.bench.listing_instances INSTANCES TASKS LATENCY_SECONDS

Prints the base URLs as JSON, then serves until its input ends. Each instance has so many RUNNING tasks, and
`POST /set?state=S&from=A&to=B` puts those with these numbers into a state. `GET /requests` tells how many there were.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/ga4gh/tes/v1"
_INFO = {
    "id": "org.ga4gh.funnel",
    "name": "Funnel",
    "type": {"group": "org.ga4gh", "artifact": "tes", "version": "0.12.2"},
    "organization": {"name": "bench", "url": "https://example.org"},
    "version": "0.12.2",
    "storage": [],
}
_EMPTY: dict[str, Any] = {
    "name": "",
    "description": "",
    "inputs": [],
    "outputs": [],
    "resources": None,
    "executors": [],
    "volumes": [],
    "tags": {},
    "logs": [],
    "creation_time": "",
}
_LOG = {
    "logs": [
        {
            "start_time": "2024-05-01T10:00:00Z",
            "end_time": "2024-05-01T10:00:02Z",
            "stdout": "out\n",
            "stderr": "",
            "exit_code": 0,
        }
    ],
    "metadata": {"hostname": "bench"},
    "start_time": "2024-05-01T10:00:00Z",
    "end_time": "2024-05-01T10:00:02Z",
    "outputs": [],
    "system_logs": [],
}


def task_id(number: int) -> str:
    """Return the id of a task by its number; ids sort by time."""
    return f"d3k{number:017}"


class ListingInstance:
    """One instance: as many tasks as it is told, all RUNNING at first."""

    def __init__(self, tasks: int, latency: float) -> None:
        self._states = ["RUNNING"] * tasks
        self._latency = latency
        self._requests = 0
        rest = json.dumps(_EMPTY)[1:-1]
        self._shape = '{{"id":"{}","state":"{}",' + rest.replace("{", "{{").replace("}", "}}") + "}}"
        self._bodies: dict[tuple[int, int], bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ", 2)[1].decode()
                body = self.answer(target)
                if target.startswith(BASE):
                    self._requests += 1
                    await asyncio.sleep(self._latency)
                status = "200 OK" if body is not None else "404 Not Found"
                body = body if body is not None else b'{"error":"task not found"}'
                head_lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}")
                writer.write("\r\n".join((*head_lines, "", "")).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, target: str) -> bytes | None:
        """Return the answer to a request, None where there is none."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/requests":
            return str(self._requests).encode()
        if parts.path == "/set":
            return self._set(query["state"], int(query["from"]), int(query["to"]))
        if parts.path == f"{BASE}/service-info":
            return json.dumps(_INFO).encode()
        if parts.path == f"{BASE}/tasks":
            return self._page(int(query.get("page_size", "256")), query.get("page_token"))
        if parts.path.startswith(f"{BASE}/tasks/"):
            return self._one(parts.path.rpartition("/")[2], query.get("view", "MINIMAL"))
        return None

    def _set(self, state: str, first: int, last: int) -> bytes:
        self._states[first:last] = [state] * (last - first)
        self._bodies.clear()
        return b"{}"

    def _page(self, size: int, token: str | None) -> bytes:
        start = len(self._states) - 1 if token is None else int(token[3:]) - 1
        key = (start, size)
        if key not in self._bodies:
            numbers = range(start, max(-1, start - size), -1)
            tasks = ",".join(self._shape.format(task_id(number), self._states[number]) for number in numbers)
            following = task_id(start - size + 1) if start - size >= 0 else ""
            self._bodies[key] = f'{{"tasks":[{tasks}],"next_page_token":"{following}"}}'.encode()
        return self._bodies[key]

    def _one(self, wanted: str, view: str) -> bytes | None:
        number = int(wanted[3:])
        if not 0 <= number < len(self._states):
            return None
        shown: dict[str, Any] = {**_EMPTY, "id": wanted, "state": self._states[number]}
        if view != "MINIMAL":
            shown["logs"] = [_LOG]
        return json.dumps(shown).encode()


async def _serve(instances: int, tasks: int, latency: float) -> None:
    servers = [
        await asyncio.start_server(ListingInstance(tasks, latency).serve, "127.0.0.1", 0) for _ in range(instances)
    ]
    print(json.dumps([f"http://127.0.0.1:{port}{BASE}" for port in _ports(servers)]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _ports(servers: list[asyncio.Server]) -> Iterator[int]:
    return (server.sockets[0].getsockname()[1] for server in servers)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
