"""What became of a gateway's tasks, as it says and as its nodes do."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import requests

from tests.support.processes import TOKEN

TES = "/ga4gh/tes/v1"
_ACTIVE = ("QUEUED", "INITIALIZING", "RUNNING")


def all_tasks(url: str, token: str | None = None) -> list[dict[str, Any]]:
    """Return all tasks of a TES, page by page."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    tasks: list[dict[str, Any]] = []
    query = {"page_size": "1000", "view": "BASIC"}
    while True:
        page = requests.get(f"{url}{TES}/tasks", params=query, headers=headers, timeout=60).json()
        tasks += page["tasks"]
        if not page.get("next_page_token"):
            return tasks
        query["page_token"] = page["next_page_token"]


def wait_for_all(url: str, ids: Sequence[str], seconds: float) -> Counter[str]:
    """Wait until these tasks have ended, or the time is over; return how many are in which state."""
    until = time.monotonic() + seconds
    while True:
        states = {task["id"]: task["state"] for task in all_tasks(url)}
        counts = Counter(states[each] for each in ids)
        if not any(counts[state] for state in _ACTIVE) or time.monotonic() > until:
            return counts
        time.sleep(0.5)


def copies_at(node_urls: Sequence[str]) -> Counter[str]:
    """Count, at the nodes, how many copies each task of the gateway has."""
    copies: Counter[str] = Counter()
    for url in node_urls:
        copies.update(task["tags"]["protes_attempt"].rpartition("-")[0] for task in all_tasks(url, TOKEN))
    return copies


def attempts_at(node_urls: Sequence[str]) -> int:
    """Count the copies at the nodes."""
    return sum(copies_at(node_urls).values())
