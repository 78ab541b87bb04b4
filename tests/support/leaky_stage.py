"""A gateway among servers that say back what they are told, the people who use it, and all that they see of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from protes.app import create_gateway
from protes.config.watching import ConfigFiles
from protes.logs.formatting import JsonFormatter, TextFormatter
from protes.reload import Trigger
from tests.support.auth import basic, bearer
from tests.support.leaky_world import World
from tests.support.running import logging_kept
from tests.support.servers import serve_wsgi

TES, PROTES, REGISTRY = "/ga4gh/tes/v1", "/protes/v1", "/ga4gh/registry/v1"


class Lines(logging.Handler):
    """What a gateway would write to its standard error, at every level and of every logger, in both forms."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.forms = {"text log": TextFormatter(logging.Formatter("%(name)s %(message)s")), "json log": JsonFormatter()}
        self.lines: dict[str, list[str]] = {name: [] for name in self.forms}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as it would be written."""
        for name, form in self.forms.items():
            self.lines[name].append(form.format(record))


@dataclass
class Person:
    """Somebody who calls, and all that they were answered."""

    url: str
    headers: Mapping[str, str]
    answers: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request."""
        headers = {**self.headers, **options.pop("headers", {})}
        answer = requests.request(
            method, self.url + path, headers=headers, allow_redirects=False, timeout=30, **options
        )
        self.answers.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")
        return answer

    def create(self, instance: str, **fields: Any) -> str:
        """Create a task for an instance and return its id."""
        wish = json.dumps({"type": "allow", "instances": [instance]})
        tags = {"protes.instances": wish, **fields.pop("tags", {})}
        task = {"name": f"at {instance}", "executors": [{"image": "alpine", "command": ["true"]}], **fields}
        answer = self.call("POST", f"{TES}/tasks", json={**task, "tags": tags})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def state(self, task_id: str) -> str:
        """Return the state of a task."""
        return str(self.call("GET", f"{TES}/tasks/{task_id}").json()["state"])


@dataclass
class Stage:
    """A gateway among servers that talk, and the people that use it."""

    world: World
    url: str
    config: Path
    trigger: Trigger
    lines: Lines
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """What has been logged so far."""
        return "\n".join(self.lines.lines["text log"])


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Run the gateway."""
    with World(folder) as world, logging_kept():
        config, trigger, lines = world.configuration(), Trigger(), Lines()
        files = ConfigFiles([config], world.environ)
        gateway = create_gateway(files.load(), environ=world.environ, files=files, trigger=trigger)
        root = logging.getLogger()
        root.addHandler(lines)
        loud = [root, *map(logging.getLogger, ("protes", "middleware", "service_registry_client", "connexion"))]
        for each in loud:
            each.setLevel(logging.DEBUG)
        gateway.start()
        try:
            with serve_wsgi(gateway.wsgi) as url:
                stage = Stage(world, url, config, trigger, lines)
                stage.people |= people(stage)
                yield stage
        finally:
            gateway.close()
            for each in loud[1:]:
                each.setLevel(logging.NOTSET)


def people(stage: Stage) -> dict[str, Person]:
    """Return those who call: with a token, with a password, and the operator; and those who are not let in."""
    canaries, issuer = stage.world.canaries, stage.world.issuer
    ann = canaries.keep("token of ann", issuer.token("ann", jti="a"))
    late = canaries.keep("token that has expired", issuer.token("ann", jti="b", exp=1_700_000_000))
    stage.world.endpoint.know(ann)
    headers = {
        "ann": bearer(ann),
        "bob": basic("bob", canaries.values["password of bob"]),
        "root": bearer(canaries.values["operator token"]),
        "late": bearer(late),
        "wrong": basic("bob", canaries.word("password that is wrong")),
        "scraper": bearer(canaries.values["metrics token"]),
    }
    return {name: Person(stage.url, each) for name, each in headers.items()}
