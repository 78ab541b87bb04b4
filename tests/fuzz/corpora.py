"""What servers of each dialect answer when all is well: read from the fakes, which write as their families do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests

from tests.support.dialects.base import DialectFake
from tests.support.dialects.families import FAMILIES

MARKER = "abc-1"
TASK: Mapping[str, Any] = {
    "name": f"{MARKER} sort",
    "tags": {"protes_attempt": MARKER, "project": "x"},
    "inputs": [{"path": "/data/in.txt", "url": "https://data.example.org/in.txt"}],
    "executors": [{"image": "alpine", "command": ["true"]}],
}


@dataclass(frozen=True)
class Corpus:
    """Answers of one dialect: tasks in several states and views, and their lists; ids of tasks; its headers."""

    documents: tuple[Any, ...]
    ids: tuple[str, ...]
    headers: Mapping[str, str]


@cache
def corpus_of(dialect: str) -> Corpus:
    """Ask a fake for everything that it has."""
    with FAMILIES[dialect]() as fake:
        ids = [fake.have(dict(TASK)).id for _ in range(4)]
        fake.start(ids[1])
        fake.finish(ids[2], exit_code=0, stdout="out")
        fake.finish(ids[3], exit_code=3, stderr="no such file")
        paths = [f"/tasks/{each}" for each in ids] + ["/tasks"]
        asked = [f"{path}?view={view}" for path in paths for view in ("MINIMAL", "BASIC", "FULL")]
        answers = [_answer(fake, path) for path in [*asked, *fake.INFO_PATHS, "/tasks/none"]]
    documents = [document for answer in answers if (document := _json(answer)) is not None]
    return Corpus((*documents, {"id": ids[0]}), tuple(ids), fake.info_headers())


def _answer(fake: DialectFake, path: str) -> requests.Response | None:
    try:
        return requests.get(fake.url + fake.BASES[0] + path, timeout=30)
    except requests.ConnectionError:
        return None  # so its family answers where it cannot show a view


def _json(answer: requests.Response | None) -> Any:
    try:
        return None if answer is None else answer.json()
    except ValueError:
        return None
