"""Asking a fake directly, without a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from tests.support.dialects.base import DialectFake
from tests.support.harness import TASK

SECONDS = 5.0
RESOURCES: Mapping[str, Any] = {**TASK, "resources": {}}
"""A task that every family takes."""


def get(fake: DialectFake, path: str, **query: str | int) -> requests.Response:
    """GET, below its first base path."""
    return requests.get(fake.url + fake.BASES[0] + path, params=query, timeout=SECONDS)


def post(fake: DialectFake, path: str, document: Any = None) -> requests.Response:
    """POST, below its first base path."""
    return requests.post(fake.url + fake.BASES[0] + path, json=document, timeout=SECONDS)


def made(fake: DialectFake, document: Mapping[str, Any] = RESOURCES, count: int = 1) -> list[str]:
    """Submit a task so often; return the ids."""
    return [post(fake, "/tasks", document).json()["id"] for _ in range(count)]


def status_of(fake: DialectFake, **changes: Any) -> int:
    """Submit a task with these changes; return the status."""
    return post(fake, "/tasks", {**RESOURCES, **changes}).status_code


def with_input(**fields: Any) -> dict[str, Any]:
    """A task's input."""
    return {"inputs": [{"path": "/in", "type": "FILE", **fields}]}


def with_executor(**fields: Any) -> dict[str, Any]:
    """A task's executor."""
    return {"executors": [{"image": "alpine", "command": ["true"], **fields}]}


def all_pages(fake: DialectFake, limit: int = 50, **query: str | int) -> list[list[str]]:
    """Page through a list as its tokens say."""
    pages: list[list[str]] = []
    while len(pages) < limit:
        page = get(fake, "/tasks", **query).json()
        pages.append([task["id"] for task in page["tasks"]])
        token = page.get("next_page_token")
        if not token:
            break
        query = {**query, "page_token": token}
    return pages
