"""The event stream of `protes serve`, as a program of its own."""

from pathlib import Path

import requests

from tests.support.event_stream import ask, following
from tests.support.processes import gateway
from tests.support.waiting import wait_until

TASK = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}


def test_streams_of_a_server_that_is_restarted_and_has_few_threads(tmp_path: Path) -> None:
    """A place is free soon after its client has left; a stop does not wait for streams; a restart loses nothing."""
    settings: dict[str, object] = {"server": {"threads": 4}}
    with gateway(tmp_path / "gateway", settings) as (url, server):
        with following(url) as stream:
            ready = stream.next()
            assert ready is not None
            assert ready.name == "ready"
            sock, refused = ask(url)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            sock.close()
            task_id = requests.post(f"{url}/ga4gh/tes/v1/tasks", json=TASK, timeout=60).json()["id"]
            assert stream.until(lambda told: told.data["id"] == task_id)[-1].data["state"] == "QUEUED"

        def free() -> bool:
            sock, answer = ask(url)
            answer.close()
            sock.close()
            return answer.status == 200

        wait_until(free, "the place is free", 60)
        wait_until(lambda: requests.get(f"{url}/healthz", timeout=60).ok, "it serves", 60)
        server.stop()
    with gateway(tmp_path / "gateway", settings) as (url, _), following(url, ready.id) as stream:
        assert stream.until(lambda told: told.data["id"] == task_id)
