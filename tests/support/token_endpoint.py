"""A token endpoint that exchanges tokens (RFC 8693) and renews what it gave, over real HTTP on a free port.

Refresh tokens are used once: a second use is refused and takes all that came of the first one back, as strict servers
do. Tokens are canaries: no test finds one where it should not be.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from protes.clock import Clock
from tests.support.scripted_server import Answer, Request, ScriptedServer, answer_json, problem

SECRET = "hunter2-of-the-gateway"
CLIENT = "gateway"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass
class Issued:
    """What came of one exchange and of renewing it."""

    subject: str
    form: dict[str, str]
    access: list[str] = field(default_factory=list)
    spent: list[str] = field(default_factory=list)
    refresh: str | None = None
    revoked: bool = False


class TokenEndpoint:
    """See the module's text; a context manager.

    Attributes:
        server: the HTTP server, for faults.
        subjects: callers' tokens that are exchanged, and until when (seconds since 1970).
        lifetime_seconds: of what is given.
        refreshes: whether refresh tokens are given.
        issued: all exchanges so far.
    """

    def __init__(self, clock: Clock, lifetime_seconds: float = 600.0, *, refreshes: bool = True) -> None:
        self.server = ScriptedServer()
        self.clock = clock
        self.lifetime_seconds = lifetime_seconds
        self.refreshes = refreshes
        self.subjects: dict[str, float] = {}
        self.issued: list[Issued] = []
        self._live: dict[str, float] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()
        self.server.on("POST", "/token", self.answer)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"{self.server.url}/token"

    def know(self, token: str, seconds: float = 3600.0) -> str:
        """Take a caller's token from now on, for so long; return the caller's header."""
        self.subjects[token] = self._now() + seconds
        return f"Bearer {token}"

    def settings(self, secret_file: Path, **more: Any) -> dict[str, Any]:
        """Return credentials of an instance whose tokens are got here; writes the gateway's secret into a file."""
        secret_file.write_text(SECRET)
        return {
            "type": "token_exchange",
            "token_url": self.url,
            "client_id": CLIENT,
            "secret": f"file:{secret_file}",
            "audience": "tes",
            **more,
        }

    def asked(self, grant_type: str) -> int:
        """How many requests of a kind have come: `EXCHANGE` or `refresh_token`."""
        return sum(form_of(each).get("grant_type") == grant_type for each in self.server.requests())

    def is_live(self, token: str) -> bool:
        """Whether an instance takes a token now."""
        with self._lock:
            return self._live.get(token, 0.0) > self._now()

    def revoke(self, token: str) -> None:
        """Take an access token back."""
        with self._lock:
            self._live.pop(token, None)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def answer(self, request: Request) -> Answer:
        """Answer a request to the endpoint."""
        form = form_of(request)
        if not _is_gateway(request, form):
            return refusal("invalid_client", "who are you?", 401)
        with self._lock:
            if form.get("grant_type") == EXCHANGE:
                return self._exchange(form)
            if form.get("grant_type") == "refresh_token":
                return self._refresh(form["refresh_token"])
        return refusal("unsupported_grant_type")

    def _exchange(self, form: dict[str, str]) -> Answer:
        if self.subjects.get(form["subject_token"], 0.0) <= self._now():
            return refusal("invalid_request", f"the token {form['subject_token']} is not active")
        issued = Issued(form["subject_token"], form)
        self.issued.append(issued)
        return self._given(issued)

    def _refresh(self, token: str) -> Answer:
        for issued in self.issued:
            if token in issued.spent:
                issued.revoked = True
                return refusal("invalid_grant", "used before: all is taken back")
            if token == issued.refresh and not issued.revoked:
                issued.spent.append(token)
                return self._given(issued)
        return refusal("invalid_grant", f"unknown {token}")

    def _given(self, issued: Issued) -> Answer:
        number = next(self._numbers)
        access = f"canary-access-{number}"
        issued.access.append(access)
        self._live[access] = self._now() + self.lifetime_seconds
        document: dict[str, Any] = {
            "access_token": access,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": self.lifetime_seconds,
        }
        if self.refreshes:
            issued.refresh = document["refresh_token"] = f"canary-refresh-{number}"
        return answer_json(document)


class OnlyLive(dict[str, Answer]):
    """The answers of a `FakeTes` that takes what an endpoint gave, as long as it lives, and nothing else."""

    def __init__(self, endpoint: TokenEndpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def get(self, header: str, default: Any = None) -> Any:
        """Return what a request with this header gets in the place of its answer."""
        del default
        if not header or self._endpoint.is_live(header.removeprefix("Bearer ")):
            return None
        return problem(401, "not a token of ours, or not any more")


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form."""
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def refusal(code: str, text: str = "", status: int = 400) -> Answer:
    """Refuse as RFC 6749, 5.2 has it."""
    return answer_json({"error": code, "error_description": text}, status)


def _is_gateway(request: Request, form: dict[str, str]) -> bool:
    pair = f"{CLIENT}:{SECRET}"
    basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET) or (
        request.headers.get("Authorization") == basic
    )
