"""How the command line shows who it is, to a gateway that asks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.api.callers import Caller
from protes.auth.passwords import hash_password, read_users
from protes.cli.main import main
from protes.clock import ManualClock
from tests.api.conftest import TASK, Api, serving
from tests.support.auth import OPERATOR_TOKEN, issuer_settings, oidc
from tests.support.issuer import Issuer

NAMES = ("PROTES_TOKEN", "PROTES_USER", "PROTES_PASSWORD", "PROTES_OPERATOR_TOKEN", "PROTES_URL")


@pytest.fixture(scope="module", name="issuer")
def _issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module", name="gate")
def _gate(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    users = tmp_path_factory.mktemp("auth") / "users"
    users.write_text(f"bob:{hash_password('swordfish')}\nada:{hash_password('admin')}:::operator\n")
    auth = {**oidc(issuer_settings(issuer)), "mode": "basic+oidc", "users_file": str(users)}
    with serving(auth=auth, server={"operator_token": OPERATOR_TOKEN}) as api:
        issuer.clock = api.clock
        yield api


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture(name="task")
def _task(tmp_path: Path) -> str:
    file = tmp_path / "task.json"
    file.write_text(json.dumps(dict(TASK)))
    return str(file)


def owner(gate: Api, capsys: pytest.CaptureFixture[str]) -> str:
    return gate.record(capsys.readouterr().out.split()[-1]).owner


def test_a_token_from_a_variable_a_file_or_standard_input(
    gate: Api,
    issuer: Issuer,
    task: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PROTES_TOKEN", issuer.token("variable"))
    assert main(["submit", task, "--url", gate.url]) == 0
    assert owner(gate, capsys) == "local:variable"
    file = tmp_path / "token"
    file.write_text(issuer.token("file") + "\n")
    assert main(["submit", task, "--url", gate.url, "--token-file", str(file)]) == 0
    assert owner(gate, capsys) == "local:file"
    monkeypatch.setattr("sys.stdin", io.StringIO(issuer.token("pipe") + "\n"))
    assert main(["submit", task, "--url", gate.url, "--token-file", "-"]) == 0
    assert owner(gate, capsys) == "local:pipe"
    assert main(["submit", task, "--url", gate.url, "--token", issuer.token("option")]) == 0
    assert owner(gate, capsys) == "local:option"


def test_a_user_with_a_password(
    gate: Api, task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROTES_PASSWORD", "swordfish")
    assert main(["submit", task, "--url", gate.url, "--user", "bob"]) == 0
    task_id = capsys.readouterr().out.strip()
    assert gate.record(task_id).owner == "bob"
    monkeypatch.setenv("PROTES_USER", "bob")
    # Through py-tes too, which knows no other way to be told.
    assert main(["show", task_id, "--url", gate.url]) == 0
    assert main(["list", "--url", gate.url]) == 0
    assert task_id in capsys.readouterr().out


def test_a_password_is_asked_for_at_a_terminal_alone(
    gate: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("swordfish\n"))
    assert main(["list", "--url", gate.url, "--user", "bob"]) == 2
    assert "PROTES_PASSWORD" in capsys.readouterr().err


def test_refusals_in_words(
    gate: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--url", gate.url]) == 1
    assert "401 Unauthorized" in (said := capsys.readouterr().err)
    assert "--token-file, --user, or the variable PROTES_TOKEN" in said
    monkeypatch.setenv("PROTES_TOKEN", issuer.token(aud="another"))
    assert main(["list", "--url", gate.url]) == 1
    assert "does not take what was shown" in capsys.readouterr().err
    monkeypatch.setenv("PROTES_TOKEN", issuer.token())
    assert main(["instances", "--remove", "x", "--url", gate.url]) == 1
    assert "403 Forbidden: this call is the operator's" in capsys.readouterr().err


def test_the_role_operator_does_in_place_of_the_operators_token(
    gate: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["instances", "--remove", "x", "--url", gate.url]) == 2
    assert "PROTES_OPERATOR_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("PROTES_USER", "ada")
    monkeypatch.setenv("PROTES_PASSWORD", "admin")
    assert main(["instances", "--remove", "x", "--url", gate.url]) == 1
    assert "404" in capsys.readouterr().err
    monkeypatch.setenv("PROTES_OPERATOR_TOKEN", OPERATOR_TOKEN)
    monkeypatch.setenv("PROTES_PASSWORD", "wrong, and not shown")
    assert main(["instances", "--remove", "x", "--url", gate.url]) == 1
    assert "404" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "ä"])
def test_what_is_no_token_is_not_sent_and_not_shown(
    gate: Api, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    assert main(["list", "--url", gate.url, "--token-file", str(file)]) == 2
    said = capsys.readouterr().err
    assert "no token" in said
    assert not content or content not in said
    assert main(["list", "--url", gate.url, "--token-file", str(tmp_path / "none")]) == 2


def test_hash_password_writes_a_line_for_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("swordfish\n"))
    assert main(["hash-password", "ann", "--tenant", "uni", "--group", "a", "--group", "b", "--role", "reader"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("swordfish\n"))
    assert main(["hash-password", "bob"]) == 0
    file = tmp_path / "users"
    file.write_text(capsys.readouterr().out)
    ann, bob = read_users(file).values()
    assert ann.caller == Caller("ann", "uni", frozenset({"a", "b"}), frozenset({"reader"}))
    assert bob.caller == Caller("bob", roles=frozenset({"user"}))


@pytest.mark.parametrize("arguments", [["operator"], ["a:b"], ["ann", "--tenant", "a:b"], ["ann", "--group", "a,b"]])
def test_hash_password_refuses_what_the_file_could_not_say(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("swordfish\n"))
    assert main(["hash-password", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_the_world_is_let_in_by_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--host", "0.0.0.0"]) == 2
    assert "auth.allow_anonymous" in capsys.readouterr().err
    assert main(["check-config", "--host", "0.0.0.0", "--allow-anonymous"]) == 0
    assert json.loads(capsys.readouterr().out)["auth"]["allow_anonymous"] is True


@pytest.mark.parametrize(
    ("lines", "text"),
    [(None, "cannot be read"), ("", "has no users"), ("# ann\nann:swordfish\n", "line 2: must be name:hash")],
)
def test_check_config_refuses_a_file_of_users_that_serve_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str | None, text: str
) -> None:
    users, config = tmp_path / "users", tmp_path / "gateway.yaml"
    if lines is not None:
        users.write_text(lines, encoding="utf-8")
    auth = {"mode": "basic", "users_file": str(users)}
    config.write_text(json.dumps({"custom": {"auth": auth}}), encoding="utf-8")
    assert main(["check-config", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert f"custom.auth.users_file: {users}" in said
    assert text in said
    assert "swordfish" not in said
    users.write_text(f"ann:{hash_password('swordfish')}\n", encoding="utf-8")
    assert main(["check-config", "--config", str(config)]) == 0
    assert "scrypt" not in capsys.readouterr().out


FILES = {
    "secret_key_file": lambda file: {"server": {"secret_key_file": file}},
    "callback_keys_file": lambda file: {"events": {"callback_keys_file": file}},
    "token_file": lambda file: {"metrics": {"token_file": file}},
    "broker_url_file": lambda file: {"runner": {"kind": "celery", "broker_url_file": file}},
    "url_file": lambda file: {"store": {"url_file": file}},
}


@pytest.mark.parametrize("name", FILES)
def test_check_config_reads_files_of_secrets_that_are_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    secret, config = tmp_path / "secret", tmp_path / "gateway.yaml"
    config.write_text(json.dumps({"custom": FILES[name](str(secret))}), encoding="utf-8")
    assert main(["check-config", "--config", str(config)]) == 0  # it may be put there where the gateway runs
    capsys.readouterr()
    secret.write_text("swordfish", encoding="utf-8")
    assert main(["check-config", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "swordfish" not in said
