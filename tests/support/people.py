"""People with tokens of a real issuer, for tests of who sees what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.api.conftest import TASK, Api
from tests.support.auth import bearer, issuer_settings, oidc
from tests.support.issuer import Issuer
from tests.support.offering import offering

TES, PROTES = "/ga4gh/tes/v1", "/protes/v1"


@dataclass(frozen=True)
class Person:
    """Somebody with a token."""

    api: Api
    headers: Mapping[str, str] = field(repr=False)

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Send a request as this person."""
        return self.api.call(method, path, headers={**self.headers, **(headers or {})}, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET."""
        answer: requests.Response = self.call("GET", path, **options)
        return answer

    def post(self, path: str, document: Any = None, **options: Any) -> requests.Response:
        """Send a POST, with JSON where a document is given."""
        body = {"json": document} if document is not None else {}
        answer: requests.Response = self.call("POST", path, **body, **options)
        return answer

    def create(self, **fields: Any) -> str:
        """Create a task and return its id."""
        answer = self.post(f"{TES}/tasks", {**TASK, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def sees(self, task_id: str) -> bool:
        """Tell whether a task is there for them, the same way in each place."""
        listed = task_id in self.ids()
        for path in (f"{TES}/tasks/{task_id}", f"{TES}/tasks/{task_id}?view=FULL", f"{PROTES}/tasks/{task_id}/routing"):
            assert self.get(path).status_code == (200 if listed else 404), path
        return listed

    def ids(self, query: str = "") -> list[str]:
        """List tasks, page by page."""
        found: list[str] = []
        token = ""
        while True:
            answer = self.get(f"{TES}/tasks?page_size=3{query}{token}")
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [each["id"] for each in page["tasks"]]
            if "next_page_token" not in page:
                return found
            token = f"&page_token={page['next_page_token']}"


@dataclass(frozen=True)
class People:
    """A gateway with instances, whose callers are people: `root` is its operator, `eve` a reader."""

    api: Api
    issuer: Issuer

    def __call__(self, subject: str, *groups: str, tenant: str | None = None) -> Person:
        """Return somebody, with these groups and this tenant in the token."""
        claims: dict[str, Any] = {"groups": list(groups), "tenant": tenant}
        return Person(self.api, bearer(self.issuer.token(subject, **claims)))


@contextmanager
def people(issuer: Issuer, **settings: Any) -> Iterator[People]:
    """Serve a gateway for people."""
    roles = {"operator": {"subjects": ["root"]}, "reader": {"subjects": ["eve"]}}
    auth = oidc(issuer_settings(issuer, roles=roles, claims={"groups": "groups", "tenant": "tenant"}))
    with offering(auth=auth, **settings) as api:
        issuer.clock = api.clock
        yield People(api, issuer)
        api.clear()
