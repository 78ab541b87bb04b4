"""Nodes and gateways as processes of their own, for tests that kill them and for the bench."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from protes.demo.processes import Server

TOKEN = "a-token-for-tests-and-bench-only"


@contextmanager
def node(folder: Path) -> Iterator[str]:
    """Run a node."""
    folder.mkdir()
    token = folder / "token"
    token.write_text(TOKEN)
    arguments = ["protes.node", "--port", "0", "--name", "bench", "--directory", str(folder / "data"), "--slots", "2"]
    server = Server("node", [*arguments, "--token-file", str(token)], folder / "log", {})
    try:
        yield server.url()
    finally:
        server.stop()


def in_front_of(folder: Path, *node_urls: str) -> dict[str, object]:
    """Configure a gateway in front of nodes; the first is `node-1`."""
    token = folder / "token"
    token.write_text(TOKEN)
    credentials = {"type": "bearer", "secret_file": str(token)}
    return {
        "instances": [
            {"id": f"node-{number}", "url": url, "credentials": credentials} for number, url in enumerate(node_urls, 1)
        ]
    }


@contextmanager
def gateway(folder: Path, settings: dict[str, object], port: int = 0) -> Iterator[tuple[str, Server]]:
    """Run a gateway; run again in the same folder it goes on where it was.

    Its store is the embedded one unless the settings name another.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"custom": settings}))
    data = [] if "store" in settings else ["--data", str(folder / "data")]
    arguments = ["protes", "serve", "--port", str(port), *data, "--config", str(config)]
    server = Server("gateway", arguments, folder / "log", {})
    try:
        yield server.url(), server
    finally:
        server.stop()


def memory_megabytes(group: int) -> float:
    """Return the memory of all processes of a process group, MB; pages that they share count once (Linux: PSS)."""
    kilobytes = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                rollup = (process / "smaps_rollup").read_text()
                kilobytes += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            continue  # it has ended meanwhile
    return kilobytes * 1024 / 1_000_000
