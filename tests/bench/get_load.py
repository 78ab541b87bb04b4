"""A load generator for GETs, in a process of its own; it reads no more of an answer than it must.

Run as `python -m tests.bench.get_load URL COUNT CONCURRENCY [--tagged]` with paths on standard input; prints JSON.
"""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.bench.load import Load

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TAG = re.compile(rb"\r\netag: *([^\r]+)", re.IGNORECASE)


class _Connection:
    """A kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60)
        self._host = f"\r\nHost: {parts.netloc}\r\n"

    def get(self, path: str, tag: str = "") -> tuple[int, str]:
        """Return status and ETag."""
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        self._socket.sendall(f"GET {path} HTTP/1.1{self._host}{condition}\r\n".encode())
        answer = self._socket.recv(65536)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[: end + 2]
        length = _LENGTH.search(head)
        left = (int(length[1]) if length else 0) - (len(answer) - end - 4)
        while left > 0:
            left -= len(self._more())
        found = _TAG.search(head)
        return int(head[9:12]), found[1].decode() if found else ""

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> bytes:
        read = self._socket.recv(65536)
        if not read:
            raise ConnectionError("the server closed the connection")
        return read


def get_paths(url: str, paths: Sequence[str], count: int, concurrency: int, tagged: bool = False) -> Load:
    """GET `count` times from `concurrency` threads, each path in its turn; with `tagged`, what is had already.

    Raises:
        RuntimeError: an answer was not 200, or 304 where it should have been.
    """
    latencies: list[float] = []
    problems: list[str] = []
    start = threading.Barrier(concurrency + 1)

    def run(number: int) -> None:
        connection = _Connection(url)
        mine = [paths[place % len(paths)] for place in range(number, count, concurrency)]
        tags = {path: connection.get(path)[1] if tagged else "" for path in dict.fromkeys(mine)}
        start.wait()
        for path in mine:
            began = time.perf_counter()
            status, _ = connection.get(path, tags[path])
            latencies.append(time.perf_counter() - began)
            if status != (304 if tagged else 200):
                problems.append(f"{status} for {path}")
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(concurrency)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if problems or len(latencies) != count:
        raise RuntimeError(f"{len(latencies)} of {count} answered; {problems[:1]}")
    return Load(count, seconds, sorted(latencies), [])


def measured(url: str, paths: Sequence[str], count: int, concurrency: int, tagged: bool = False) -> Load:
    """Do what `get_paths` does, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.get_load", url, str(count), str(concurrency)]
    command += ["--tagged"] if tagged else []
    done = subprocess.run(command, input="\n".join(paths), check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    return Load(count, answer["seconds"], answer["latencies"], [])


def main() -> None:
    """Run as the module's text says."""
    url, count, concurrency, *options = sys.argv[1:]
    load = get_paths(url, sys.stdin.read().split(), int(count), int(concurrency), "--tagged" in options)
    print(json.dumps({"seconds": load.seconds, "latencies": load.latencies}))


if __name__ == "__main__":
    main()
