"""Who is let in by which mode, and how the others are turned away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protes.api.callers import ANONYMOUS, CALLER_KEY, Caller
from protes.api.problems import Problem
from protes.auth.gatekeeper import Gatekeeper
from protes.auth.key_ring import KeyRings
from protes.auth.passwords import hash_password
from protes.clock import ManualClock
from protes.config.settings import Settings
from tests.support.auth import OPERATOR_TOKEN, basic, bearer, issuer_settings, oidc
from tests.support.issuer import Issuer

TASKS = "/ga4gh/tes/v1/tasks"
USER = frozenset({"user"})
Make = Callable[[dict[str, Any]], Gatekeeper]

HASHED = hash_password("swordfish")


@pytest.fixture(name="users")
def _users(tmp_path: Path) -> str:
    file = tmp_path / "users"
    file.write_text(f"# people\nann:{HASHED}:uni:imaging,genomics\n\neve:{HASHED}:::reader\nada:{HASHED}:::operator\n")
    return str(file)


@pytest.fixture(name="make")
def _make(clock: ManualClock) -> Make:
    def make(auth: dict[str, Any]) -> Gatekeeper:
        server = {"operator_token": OPERATOR_TOKEN, "cors_origins": ["https://ui.example.org"]}
        return Gatekeeper(Settings.model_validate({"auth": auth, "server": server}), KeyRings(clock), clock)

    return make


def admitted(
    keeper: Gatekeeper, headers: dict[str, str] | None = None, path: str = TASKS, method: str = "GET"
) -> Caller:
    environ: dict[str, Any] = {"REQUEST_METHOD": method}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    keeper.admit(environ, path)
    caller = environ[CALLER_KEY]
    assert isinstance(caller, Caller)
    return caller


def refused(keeper: Gatekeeper, headers: dict[str, str] | None = None, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        admitted(keeper, headers, **options)
    return caught.value


def test_without_authentication_all_get_in_as_nobody(make: Make) -> None:
    keeper = make({})
    for headers in ({}, basic("ann", "swordfish"), bearer("x"), {"Authorization": "nonsense"}):
        assert admitted(keeper, headers) is ANONYMOUS
    operator = admitted(keeper, bearer(OPERATOR_TOKEN), method="DELETE")
    assert (operator.is_operator, operator.subject) == (True, "")


def test_users_of_a_file(make: Make, users: str) -> None:
    keeper = make({"mode": "basic", "users_file": users})
    assert admitted(keeper, basic("ann", "swordfish"), method="POST") == Caller(
        "ann", "uni", frozenset({"imaging", "genomics"}), USER
    )
    assert admitted(keeper, basic("ada", "swordfish"), method="DELETE").is_operator
    assert admitted(keeper, basic("eve", "swordfish")).is_reader
    assert admitted(keeper, bearer(OPERATOR_TOKEN)).is_operator
    problem = refused(keeper, basic("eve", "swordfish"), method="POST")
    assert (problem.status, problem.headers) == (403, {})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("None", "None"),
        basic("", ""),
        basic("ann", "Swordfish"),
        basic("ann", ""),
        basic("bob", "swordfish"),
        basic("ANN", "swordfish"),
        basic("ann:", "swordfish"),
        basic("operator", "swordfish"),
        basic("ann", HASHED),
        basic("ann", "x" * 2000),
        {"Authorization": "Basic"},
        {"Authorization": "Basic \x00"},
        {"Authorization": "Basic YW5u"},
        {"Authorization": "Basic /////w=="},
        {"Authorization": "Basic YW5uOnN3b3JkZmlzaA"},
        {"Authorization": "Basic YW5uOnN3b3JkZmlzaA==="},
        {"Authorization": "Basic YW5uOnN3b3JkZmlzaA==, Bearer x"},
        {"Authorization": "Bearer YW5uOnN3b3JkZmlzaA=="},
        {"Authorization": "Digest username=ann"},
        {"Authorization": "B" * 100_000},
    ],
)
def test_what_is_no_user_is_nobody(make: Make, users: str, headers: dict[str, str]) -> None:
    problem = refused(make({"mode": "basic", "users_file": users}), headers)
    assert problem.status == 401
    assert problem.headers["WWW-Authenticate"] == 'Basic realm="protes", charset="UTF-8"'


def test_both_kinds_of_credentials_at_once(make: Make, users: str, issuer: Issuer) -> None:
    auth = {**oidc(issuer_settings(issuer)), "mode": "basic+oidc", "users_file": users, "realm": "lab 3"}
    keeper = make(auth)
    assert admitted(keeper, basic("ann", "swordfish")).subject == "ann"
    assert admitted(keeper, bearer(issuer.token("ann"))).subject == "local:ann"
    assert refused(keeper).headers["WWW-Authenticate"] == ('Bearer realm="lab 3", Basic realm="lab 3", charset="UTF-8"')
    assert 'error="invalid_token"' in refused(keeper, bearer("x.y.z")).headers["WWW-Authenticate"]
    assert "error" not in refused(keeper, basic("ann", "x")).headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/ga4gh/tes/v1/service-info", "/v1/service-info", "/v1/tasks/service-info"])
def test_service_info_may_be_closed(make: Make, issuer: Issuer, path: str) -> None:
    assert admitted(make(oidc(issuer_settings(issuer))), path=path) is ANONYMOUS
    closed = make(oidc(issuer_settings(issuer), open_service_info=False))
    assert refused(closed, path=path).status == 401
    assert admitted(closed, bearer(issuer.token()), path=path).subject == "local:ann"


def test_open_paths_do_not_look_at_credentials(make: Make, issuer: Issuer) -> None:
    """Else a bad token would close them, and the issuer would be asked for whoever looks."""
    keeper = make(oidc(issuer_settings(issuer)))
    for token in ("x", issuer.token()):
        assert admitted(keeper, bearer(token), path="/ga4gh/tes/v1/service-info") is ANONYMOUS
    assert issuer.fetches == 0


def test_metrics_are_told_who_calls_and_decide(make: Make, issuer: Issuer) -> None:
    keeper = make(oidc(issuer_settings(issuer)))
    assert admitted(keeper, path="/metrics") is ANONYMOUS
    assert admitted(keeper, bearer("x"), path="/metrics") is ANONYMOUS
    assert admitted(keeper, bearer(issuer.token()), path="/metrics").subject == "local:ann"
    assert admitted(keeper, bearer(OPERATOR_TOKEN), path="/metrics").is_operator
    assert refused(keeper, path="/metrics/x").status == 401


def test_a_preflight_needs_all_its_headers(make: Make, issuer: Issuer) -> None:
    keeper = make(oidc(issuer_settings(issuer)))
    asked = {"Origin": "https://ui.example.org", "Access-Control-Request-Method": "GET"}
    assert admitted(keeper, asked, method="OPTIONS") is ANONYMOUS
    for name in asked:
        assert refused(keeper, {name: asked[name]}, method="OPTIONS").status == 401
    assert refused(keeper, asked, method="GET").status == 401


def test_pages_of_other_origins_learn_nothing(make: Make, issuer: Issuer) -> None:
    keeper = make(oidc(issuer_settings(issuer)))
    listed = refused(keeper, {"Origin": "https://ui.example.org"})
    assert listed.headers["Access-Control-Allow-Origin"] == "https://ui.example.org"
    assert "Access-Control-Allow-Origin" not in refused(keeper, {"Origin": "https://x.example.org"}).headers
