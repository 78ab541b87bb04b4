"""A load generator: POSTs over kept-alive connections, in a process of its own so as not to slow the server."""

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

TASK = {"name": "bench", "executors": [{"image": "alpine", "command": ["true"]}]}


@dataclass(frozen=True)
class Load:
    """What a run of requests showed.

    Attributes:
        count: requests answered.
        seconds: from the first to the last.
        latencies: of each, seconds, ascending.
        ids: of the tasks created.
    """

    count: int
    seconds: float
    latencies: list[float]
    ids: list[str]

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.count / self.seconds

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, seconds."""
        return self.latencies[min(self.count - 1, int(self.count * share))]


def post_tasks(url: str, count: int, concurrency: int, token: str | None, task: object = TASK) -> Load:
    """POST `count` tasks to the tasks collection `url` from `concurrency` threads.

    Raises:
        RuntimeError: an answer was not 200, or there was none.
    """
    parts = urlsplit(url)
    body = json.dumps(task).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    latencies: list[float] = []
    ids: list[str] = []
    problems: list[str] = []
    start = threading.Barrier(concurrency + 1)

    def run(share: int) -> None:
        start.wait()
        try:
            send(share)
        except (OSError, http.client.HTTPException) as error:
            problems.append(f"{type(error).__name__}: {error}")

    def send(share: int) -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for _ in range(share):
            began = time.perf_counter()
            connection.request("POST", parts.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            latencies.append(time.perf_counter() - began)
            if answer.status != 200:
                problems.append(f"{answer.status} {text[:200]!r}")
                return
            ids.append(json.loads(text)["id"])
        connection.close()

    shares = [count // concurrency + (index < count % concurrency) for index in range(concurrency)]
    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if problems:
        raise RuntimeError(problems[0])
    return Load(len(latencies), time.perf_counter() - began, sorted(latencies), ids)


def main() -> None:
    """Run as `python -m tests.bench.load URL COUNT CONCURRENCY [TOKEN]`; print the result as JSON."""
    url, count, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    load = post_tasks(url, count, concurrency, sys.argv[4] if len(sys.argv) > 4 else None)
    print(json.dumps({"seconds": load.seconds, "latencies": load.latencies, "ids": load.ids}))


if __name__ == "__main__":
    main()
