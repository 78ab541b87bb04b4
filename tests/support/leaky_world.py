"""All the servers around a gateway, each of which says back what it is told, secrets included, where it can."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from protes.auth.passwords import hash_password
from protes.clock import SystemClock
from tests.support.auth import issuer_settings
from tests.support.canaries import Canaries, arrived
from tests.support.fake_drs import FakeDrs, method
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.http_messages import Request
from tests.support.issuer import Issuer
from tests.support.scripted_server import Answer, ScriptedServer, answer, answer_json, problem, redirect
from tests.support.token_endpoint import SECRET, OnlyLive, TokenEndpoint

INSTANCES = ("bearer", "basic", "oauth", "passing", "exchanging", "failing", "refusing", "moving", "gone")
ACCOUNT = "canaryaccount"
_SETTLED = {"settle_every_seconds": 0.2, "settle_within_seconds": 3}


def echo(status: int) -> Any:
    """Answer with this status and all that was sent, as some servers do in their errors."""
    return lambda request: problem(status, f"you sent {request.target} with {dict(request.headers)} {request.body!r}")


class Chatty(FakeTes):
    """An instance whose logs hold what it was shown, and the signed URLs that it uses."""

    said = ""

    def finish(self, task_id: str, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        """End a task, with much to say."""
        super().finish(task_id, exit_code, stdout, stderr)
        shown = {each.headers.get("Authorization", "") for each in self.server.requests()}
        log = self.tasks[task_id].log
        log["system_logs"] = [self.said, *(f"Authorization: {each}" for each in shown)]
        log["metadata"] = {"host": self.said, **{f"header{number}": each for number, each in enumerate(shown)}}
        log["outputs"] = [{"url": self.said.split()[-1], "path": "/out", "size_bytes": "1"}]


class World:
    """See the module's text; a context manager.

    Attributes:
        canaries: all secrets.
        environ: the environment of the gateway, with some of them.
        servers: everything that is asked, by name.
        fakes: the instances that are fakes.
    """

    def __init__(self, folder: Path) -> None:
        self.canaries = Canaries()
        self.folder = folder
        self.environ: dict[str, str] = {}
        self.clock = SystemClock()
        self.fakes = {name: Chatty() for name in INSTANCES}
        self.endpoint = TokenEndpoint(self.clock)
        self.issuer = Issuer(self.clock)
        self.registry = FakeRegistry()
        self.drs = FakeDrs()
        plain = {name: ScriptedServer() for name in ("elsewhere", "tokens", "data", "hooks", "collector")}
        self.servers: dict[str, ScriptedServer] = {
            **{name: fake.server for name, fake in self.fakes.items()},
            **plain,
            "exchange": self.endpoint.server,
            "issuer": self.issuer.server,
            "registry": self.registry.server,
            "drs": self.drs.server,
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for each in self.servers.values():
            if each is not self.issuer.server:
                self._stack.enter_context(each)
        self._stack.enter_context(self.issuer)
        self._script()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def arrived(self) -> dict[str, bytes]:
        """Return all that each server was sent."""
        return {name: arrived(server) for name, server in self.servers.items()}

    def _script(self) -> None:
        word = self.canaries.word
        signed = f"{word('log-user')}:{word('log-password')}@logs.example.org/x?sv=1&sig={word('log-signature')}&se=2"
        for fake in self.fakes.values():
            fake.said = f"upload failed to https://{signed}"
            fake.auto(2)
        self.fakes["passing"].fault("create", echo(401))
        self.fakes["failing"].fault("create", echo(500), times=1000)
        self.fakes["failing"].fault("list", echo(500), times=1000)
        self.fakes["refusing"].fault("create", echo(403), times=1000)
        self.fakes["moving"].fault("create", self._moved, times=1000)
        self.fakes["exchanging"].answers = OnlyLive(self.endpoint)
        self.servers["elsewhere"].on("*", "*", echo(400))
        self.servers["tokens"].on("POST", "/token", *[echo(401)] * 2, then=self._token)
        self.servers["data"].on("*", "*", Answer(200, b"12345", {"Content-Type": "text/plain"}))
        self.servers["hooks"].on("POST", "/hook", echo(500), then=answer(204, b""))
        elsewhere = self.servers["elsewhere"].url
        self.servers["collector"].on("POST", "/v1/traces", redirect(f"{elsewhere}/traces", 307), then=answer(200, b""))
        self.registry.services = [service_entry(self.fakes["gone"].url.replace("gone", "x"), service_id="listed")]
        url = f"{self.servers['data'].url}/object?X-Amz-Credential=a&X-Amz-Signature={word('drs-signature')}"
        self.drs.add("obj", size=5, methods=[method("https", url)])

    def _moved(self, request: Request) -> Answer:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return redirect(f"{self.servers['elsewhere'].url}/tasks?access_token={token}", 307)

    def _token(self, request: Request) -> Answer:
        del request
        return answer_json({"access_token": self.canaries.values["oauth token"], "token_type": "Bearer"})

    # The gateway

    def configuration(self) -> Path:
        """Write the configuration, with a store in a folder of this machine."""
        settings = {"store": {"url": str(self.folder / "data")}, **self.settings()}
        file = self.folder / "gateway.yaml"
        file.write_text(yaml.safe_dump({"custom": settings}), encoding="utf-8")
        return file

    def settings(self) -> dict[str, Any]:
        """Return the settings: some secrets are in the environment, some in files, some in the settings themselves."""
        return {
            "gateway_id": "gateway-of-canaries",
            "server": self._server(),
            "auth": self._auth(),
            "instances": self._instances(),
            "registries": [
                {"url": self.registry.url, "token": self._in_environ("registry token"), "refresh_seconds": 1}
            ],
            "credentials": {"named": {"type": "bearer", "secret": self._in_file("named"), "hosts": ["127.0.0.1"]}},
            "sources": self._sources(),
            "events": self._events(),
            "metrics": {"token": self._in_file("metrics token")},
            "tracing": self._tracing(),
            "task_instances": {"policy": "open", "allow_private": True, "allow_http": True},
            "api": {"show_instances": True, "all_attempts": True},
            "relay": {"first_poll_seconds": 0.05, "last_poll_seconds": 0.2, "cancel_within_seconds": 2},
            "dispatch": {"first_retry_seconds": 0.1, "last_retry_seconds": 0.5, **_SETTLED},
            "health": {"base_ejection_seconds": 0.2, "max_ejection_seconds": 0.5},
            "reload": {"watch_seconds": 0.1},
            "chain": self._chain(),
        }

    def _in_environ(self, name: str) -> str:
        variable = name.upper().replace(" ", "_")
        self.environ[variable] = self.canaries.word(name)
        return f"env:{variable}"

    def _in_file(self, name: str, value: str | None = None) -> str:
        file = self.folder / "secrets" / name.replace(" ", "-")
        file.parent.mkdir(exist_ok=True)
        file.write_text(value if value is not None else self.canaries.word(name), encoding="utf-8")
        return f"file:{file}"

    def _server(self) -> dict[str, Any]:
        self.environ["PROTES_SERVER__SECRET_KEY"] = self.canaries.key("secret key")
        return {"operator_token": self.canaries.word("operator token"), "allowed_hosts": ["gateway.example.org"]}

    def _auth(self) -> dict[str, Any]:
        users = self.folder / "users"
        users.write_text(f"bob:{hash_password(self.canaries.word('password of bob'))}\n", encoding="utf-8")
        return {"mode": "basic+oidc", "users_file": str(users), "issuers": [issuer_settings(self.issuer)]}

    def _instances(self) -> list[dict[str, Any]]:
        credentials: dict[str, dict[str, Any]] = {
            name: {"type": "bearer", "secret": self._in_environ(f"token of {name}")}
            for name in ("bearer", "failing", "refusing", "moving", "gone")
        }
        credentials["basic"] = {"type": "basic", "username": "gate", "secret": self._in_file("password of basic")}
        credentials["oauth"] = {
            "type": "oauth2",
            "token_url": f"{self.servers['tokens'].url}/token",
            "client_id": "gate",
            "secret": self._in_environ("client secret"),
        }
        self.canaries.word("oauth token")
        credentials["passing"] = {"type": "pass_through", "hosts": ["127.0.0.1"]}
        credentials["exchanging"] = self.endpoint.settings(self.folder / "exchange-secret")
        self.canaries.keep("exchange secret", SECRET)
        web = {"input_schemes": ["http", "https"], "output_schemes": ["http", "https"]}
        limits = {"bearer": web, "basic": {"input_schemes": ["http", "https", "ftp"]}}
        return [
            {
                "id": name,
                "url": fake.url,
                "credentials": credentials[name],
                "url_credentials": name == "basic",
                "limits": limits.get(name, {}),
            }
            for name, fake in self.fakes.items()
        ]

    def _sources(self) -> dict[str, Any]:
        key = self._in_file("signer key", self.canaries.key("signer key", 64))
        return {
            "allow_private": True,
            "drs_resolver": None,
            "wait_seconds": 30,
            "drs_servers": [{"match": "drs.example.org", "url": self.drs.url, "token": self._in_environ("drs token")}],
            "signers": [{"name": "account", "account": ACCOUNT, "key": key}],
        }

    def _events(self) -> dict[str, Any]:
        return {
            "callback_hosts": [f"127.0.0.1:{self.servers['hooks'].port}"],
            "callback_http": True,
            "callback_private": True,
            "callback_keys": [self.canaries.key("webhook key")],
            "callback_first_retry_seconds": 0.1,
        }

    def _tracing(self) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.canaries.word('collector token')}",
            "X-Team": self.canaries.word("collector key"),
        }
        return {"enabled": True, "endpoint": f"{self.servers['collector'].url}/v1/traces", "headers": headers}

    def _chain(self) -> list[dict[str, Any]]:
        blob = f"https://{ACCOUNT}.blob.core.windows.net/container"
        mappings = [{"prefix": "/shared", "url": blob, "sas": "account"}]
        steps = ("submitter", "client_choice", "feasible", "data_rules", "cost_runtime", "drs")
        return [*({"use": each} for each in steps), {"use": "rewrite_paths", "options": {"mappings": mappings}}]
