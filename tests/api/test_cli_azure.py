"""`protes azure`: the provisioner of the Azure Batch TES, against a server that answers as its code does."""

import json
import stat
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from protes.cli import azure
from protes.cli.main import main
from protes.clock import ManualClock
from tests.support.scripted_server import (
    CommitThen,
    Drip,
    Endless,
    Reset,
    ScriptedServer,
    Stall,
    Step,
    Truncated,
    answer,
    answer_html,
    answer_json,
    redirect,
    refused_url,
)

SECRET, TENANT, KEY = "canary~secret/+ä", "canary-tenant", "canary-key=="
ID = "0b8ff8a6-2d4f-4d57-9d5e-0d2f6a1b2c3d"
PRINCIPAL = {"client_id": "app", "secret": SECRET, "tenant": TENANT}
CREATED = {
    "status": "CREATED",
    "error_message": "",
    "storage_account_name": "store",
    "storage_account_key": KEY,
    "batch_account_name": "batch",
    "batch_account_url": "https://batch.example.org",
    "batch_account_key": KEY,
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on("*", "*", answer_html(404))
        yield server
        assert not [each for each in server.requests() if "x-debug-secret" in each.headers]
        assert not [each for each in server.requests() if "canary" in each.target]


@pytest.fixture(autouse=True)
def _principal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ID", "app"), ("SECRET", SECRET)):
        monkeypatch.setenv(f"AZURE_CLIENT_{name}", value)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "sub")


@pytest.fixture(name="run")
def _run(server: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; whatever comes of it, nothing secret may be printed."""

    def run(name: str, *arguments: str, url: str | None = None) -> tuple[int, str, str]:
        code = main(["azure", name, *arguments, "--url", url or server.url, "--force-http"])
        out, err = capsys.readouterr()
        assert "canary" not in out + err
        return code, out, err

    return run


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(azure, "SystemClock", lambda: clock)
    return clock


def test_the_paths_of_the_code_come_first(server: ScriptedServer, run: Run) -> None:
    server.on("POST", "/provision", answer_json({"id": ID}, 202))
    code, out, err = run("provision", "--location", "westeurope", "--batch-account", "mine")
    assert (code, out) == (0, f"{ID}\n")
    assert f"protes azure provision-status {ID} --url {server.url} --force-http" in err
    [request] = server.requests()
    assert request.json() == {
        "service_principal": PRINCIPAL,
        "subscription_id": "sub",
        "location": "westeurope",
        "batch_account_name": "mine",
    }


@pytest.mark.parametrize("first", [answer_html(404), answer_json({"message": "no"}, 405)])
def test_the_documented_paths_are_the_fall_back(server: ScriptedServer, run: Run, first: Step) -> None:
    server.on("*", "/provision*", first)
    server.on("POST", "/provision/initialize", answer_json({"id": ID}, 202))
    server.on("GET", "/provision/query/{id}", answer_json(CREATED))
    assert run("provision", "--json")[:2] == (0, json.dumps({"id": ID}, indent=2) + "\n")
    assert [each.path for each in server.requests()] == ["/provision", "/provision/initialize"]
    assert run("provision-status", ID)[0] == 0
    assert [each.path for each in server.requests("GET")] == [f"/provision/{ID}", f"/provision/query/{ID}"]


def test_a_server_without_a_provisioner_is_said_to_be_one(server: ScriptedServer, run: Run) -> None:
    code, _, err = run("provision")
    assert code == 1
    assert "no provisioner at /provision and /provision/initialize" in err
    assert "no provisioner" in run("provision-status", ID)[2]


def test_refusals_are_shown_by_field(server: ScriptedServer, run: Run) -> None:
    errors = {"location": ["Not a valid string."], "service_principal": {"tenant": [f"bad {TENANT}", SECRET]}}
    server.on("POST", "/provision", answer_json({"errors": errors}, 422), answer_json({"error": "name taken"}, 422))
    code, out, err = run("provision")
    assert (code, out) == (1, "")
    assert "nothing was created:\n  location: Not a valid string.\n  service_principal.tenant: bad ***\n" in err
    assert "\n  name taken\n" in run("provision")[2]
    assert server.count() == 2


@pytest.mark.parametrize(
    "step",
    [
        CommitThen(Reset(), answer(202)),
        Stall(),
        Drip(answer_json({"id": ID}, 202), head=True),
        Endless(),
        Truncated(answer_json({"id": ID}, 202)),
        answer_json({"message": f"Internal Server Error {SECRET}"}, 500),
        answer_json({"ID": ID}, 202),
        answer_json({"id": "../x"}, 202),
        answer_html(200),
        answer(409),
        redirect("/provision/initialize", 303),
    ],
)
def test_an_unknown_outcome_is_said_and_never_repeated(server: ScriptedServer, run: Run, step: Step) -> None:
    server.on("POST", "*", step)
    code, out, err = run("provision", "--timeout", "0.4", "--resource-group", "rg")
    assert (code, out) == (1, "")
    assert "Whether it has begun to provision is unknown, and the request was not repeated" in err
    assert "resource group rg " in err
    assert server.count("POST") == 1


def test_where_nothing_was_sent_it_is_safe_to_ask_again(run: Run) -> None:
    with refused_url() as url:
        code, _, err = run("provision", url=url)
        assert code == 3
        assert "nothing was sent" in err
        assert run("provision-status", ID, url=url)[0] == 3


@pytest.mark.parametrize("status", [301, 307, 308])
def test_the_secret_follows_no_redirect(server: ScriptedServer, run: Run, status: int) -> None:
    server.on("*", "*", redirect("/elsewhere", status))
    code, _, err = run("provision")
    assert code == 1
    assert "a redirect, which is not followed" in err
    assert "not followed" in run("provision-status", ID)[2]
    assert server.count("*", "/elsewhere") == 0


def test_waiting_tells_how_it_goes_and_asks_ever_more_rarely(
    server: ScriptedServer, run: Run, clock: ManualClock
) -> None:
    asked: list[float] = []
    going: list[Step] = [answer_json(""), answer(503), *[answer_json({"status": "INPROGRESS"})] * 12]
    steps = iter([*going, answer_json(CREATED)])

    def status(_: object) -> Any:
        asked.append(clock.monotonic())
        return next(steps)

    server.on("POST", "/provision", answer_json({"id": ID}, 202))
    server.on("GET", "/provision/{id}", status)
    code, out, err = run("provision", "--wait")
    assert code == 0
    assert out.startswith(f"{ID}  CREATED\n")
    assert "storage_account_key: ***" in out
    assert "Restart the web app" in out
    said = err.splitlines()
    assert said[0] == f"provisioning {ID} has begun"
    assert ["waits for the server's worker" in said[1], "503" in said[2], "INPROGRESS" in said[3]] == [True] * 3
    assert len(said) == 4
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1, 30)


def test_waiting_prints_one_document_for_programs(server: ScriptedServer, run: Run, clock: ManualClock) -> None:
    server.on("POST", "/provision", answer_json({"id": ID}, 202))
    failed = {"status": "ERROR", "error_message": f"Azure says {SECRET} with {KEY}", "batch_account_key": KEY}
    server.on("GET", "/provision/{id}", answer_json({"status": "INPROGRESS"}), answer_json(failed))
    code, out, err = run("provision", "--wait", "--json")
    assert code == 1
    assert json.loads(out) == {
        "id": ID,
        "status": "ERROR",
        "error_message": "Azure says *** with ***",
        "batch_account_key": "***",
    }
    assert "is still there" in err


def test_waiting_ends_in_time(server: ScriptedServer, run: Run, clock: ManualClock) -> None:
    server.on("POST", "/provision", answer_json({"id": ID}, 202))
    server.on("GET", "/provision/{id}", answer_json({"status": "INPROGRESS"}))
    code, out, err = run("provision", "--wait", "--timeout", "100")
    assert (code, out) == (1, "")
    assert f"{ID} has not ended after 100 s: INPROGRESS" in err
    assert clock.monotonic() == 100


@pytest.mark.parametrize("empty", [answer_json(""), answer_json(None), answer_json({}), answer(200)])
def test_before_the_worker_starts_there_is_no_status(server: ScriptedServer, run: Run, empty: Step) -> None:
    server.on("GET", "/provision/{id}", empty)
    assert run("provision-status", ID)[:2] == (0, f"{ID}  waits for the server's worker\n")
    assert json.loads(run("provision-status", ID, "--json")[1]) == {"id": ID, "status": None}


@pytest.mark.parametrize(("status", "code"), [("UNKNOWN", 0), ("INPROGRESS", 0), ("ERROR", 1), ("NOTFOUND", 1)])
def test_a_status_is_an_exit_code(server: ScriptedServer, run: Run, status: str, code: int) -> None:
    server.on("GET", "/provision/{id}", answer_json({"status": status, "error_message": ""}))
    assert run("provision-status", ID)[:2] == (code, f"{ID}  {status}\n")


def test_unknown_fields_are_masked_too(server: ScriptedServer, run: Run) -> None:
    server.on("GET", "/provision/{id}", answer_json({**CREATED, "connection": "canary", "error_message": "a\x1b[31m"}))
    out = run("provision-status", ID)[1]
    assert "  connection: ***\n" in out
    assert "  error_message: a?[31m\n" in out


def test_an_unknown_id_and_a_useless_answer(server: ScriptedServer, run: Run) -> None:
    steps = [answer_json({"errors": "Provision request could not be found"}, 404), answer_html(), answer_json([1])]
    server.on("GET", "/provision/{id}", *steps, Endless())
    assert "knows no such provisioning" in run("provision-status", ID)[2]
    for _ in range(3):
        assert run("provision-status", ID)[0] == 1
    assert server.count() == 4
    assert run("provision-status", "..")[0] == 2


def test_keys_go_to_a_file_of_ones_own(server: ScriptedServer, run: Run, tmp_path: Path) -> None:
    server.on("GET", "/provision/{id}", answer_json(CREATED))
    path = tmp_path / "keys.json"
    assert run("provision-status", ID, "--keys-file", str(path))[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["batch_account_key"] == KEY
    path.write_text("kept")
    code, _, err = run("provision-status", ID, "--keys-file", str(path))
    assert (code, path.read_text(), server.count()) == (2, "kept", 1)
    assert "not overwritten" in err


@pytest.mark.parametrize(("key", "why"), [("*" * 19, "Key Vault"), ("", "nothing has been created")])
def test_without_keys_no_file_is_made(server: ScriptedServer, run: Run, tmp_path: Path, key: str, why: str) -> None:
    said = {name: key for name in CREATED if name.startswith(("storage", "batch"))}
    server.on("GET", "/provision/{id}", answer_json({"status": "CREATED", **said}))
    code, _, err = run("provision-status", ID, "--keys-file", str(tmp_path / "keys"))
    assert code == 1
    assert why in err
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    "text", [SECRET, json.dumps(PRINCIPAL), json.dumps({"appId": "app", "password": SECRET, "tenant": TENANT})]
)
def test_the_secret_may_stand_in_a_file(
    server: ScriptedServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "principal"
    path.write_text(text + "\n", encoding="utf-8")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "another")
    server.on("POST", "/provision", answer_json({"id": ID}, 202))
    assert run("provision", "--secret-file", str(path))[0] == 0
    assert server.requests()[0].json()["service_principal"] == PRINCIPAL
    path.write_text('{"secret": "canary')
    assert run("provision", "--secret-file", str(path))[0] == 2
    assert run("provision", "--secret-file", str(tmp_path / "none"))[0] == 2
    assert server.count() == 1


@pytest.mark.parametrize("name", ["CLIENT_ID", "CLIENT_SECRET", "TENANT_ID", "SUBSCRIPTION_ID"])
def test_what_is_missing_is_named(server: ScriptedServer, run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(f"AZURE_{name}")
    code, _, err = run("provision")
    assert code == 2
    assert f"AZURE_{name}" in err
    assert server.count() == 0


@pytest.mark.parametrize("command", [["provision"], ["provision-status", ID]])
def test_plain_http_must_be_forced(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main(["azure", *command, "--url", server.url]) == 2
    assert "--force-http" in capsys.readouterr().err
    assert main(["azure", *command, "--url", "https://user:canary@host"]) == 2
    assert "canary" not in capsys.readouterr().err
    assert server.connections == 0


@pytest.mark.parametrize("option", ["--secret", "--tenant", "--client-secret"])
def test_secrets_are_no_arguments(server: ScriptedServer, option: str) -> None:
    with pytest.raises(SystemExit):
        main(["azure", "provision", "--url", server.url, "--force-http", option, "x"])
    assert main(["azure", "provision", "--url", server.url, "--force-http", "--timeout", "nan"]) == 2
    assert server.count() == 0
