"""Secrets by reference: from the environment, files and vaults; where settings take them, and that none is shown."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from protes.cli.main import main
from protes.clock import ManualClock, SystemClock
from protes.config.credentials import Credentials
from protes.config.instances import RegistrySettings
from protes.config.loading import ConfigError, load, read_secret
from protes.config.outbound import OutboundSettings
from protes.config.planning import DrsServerSettings, SignerSettings
from protes.config.watching import ConfigFiles
from protes.federation.registries import Registries
from protes.outbound.guard import guard_of
from protes.outbound.web import Web
from protes.secrets import SecretMissing, Secrets, is_reference, parse
from protes.secrets.source import SecretSource
from protes.sources.drs import DrsClient
from protes.sources.locations import Locations
from protes.sources.signing import BlobSigner
from protes.store.memory import MemoryRecords

CANARY = "canary-of-a-secret-5f3a"


class Vault:
    """A secret store that is a dictionary: what the port asks for, and no more."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.reads = 0

    def read(self, name: str) -> SecretStr:
        self.reads += 1
        if name not in self.values:
            raise SecretMissing(f"azure-key-vault:{name}: there is no such secret")
        return SecretStr(self.values[name])


def test_each_scheme_has_its_source(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f" {CANARY}-of-a-file\n")
    vault: SecretSource = Vault(**{"v/n": f"{CANARY}-of-a-vault"})
    secrets = Secrets({"NAME": f"{CANARY}-of-a-variable"}, lambda: vault)
    for reference, kind in (("env:NAME", "variable"), (f"file:{file}", "file"), ("azure-key-vault:v/n", "vault")):
        found = secrets.read(reference)
        assert found.get_secret_value() == f"{CANARY}-of-a-{kind}"
        assert CANARY not in repr(found) + repr(secrets)
    assert secrets.files == (str(file),)


def test_a_secret_is_read_once_until_they_are_made_anew() -> None:
    vault = Vault(**{"v/n": "old"})
    first = Secrets({}, lambda: vault)
    assert [first.read("azure-key-vault:v/n").get_secret_value() for _ in range(3)] == ["old"] * 3
    vault.values["v/n"] = "new"
    assert vault.reads == 1
    assert Secrets({}, lambda: vault).read("azure-key-vault:v/n").get_secret_value() == "new"


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANARY,
        "env:",
        "env:a b",
        "env:1A",
        "file:",
        "file:a\nb",
        "azure-key-vault:v",
        "azure-key-vault:v/",
        "vault:x",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="say where the secret is") as refused:
        parse(text)
    assert CANARY not in str(refused.value)


def test_what_is_meant_as_a_reference() -> None:
    assert is_reference("env:X")
    assert is_reference("azure-key-vault:v/n")
    for text in ("amqps://u:p@h", "mongodb://u:p@h", "data", "memory:", "Zm9v", "envx:X"):
        assert not is_reference(text)


@pytest.mark.parametrize(
    ("reference", "text"),
    [("env:NONE", "NONE is not set"), ("file:{}", "cannot be read"), ("azure-key-vault:v/none", "no such secret")],
)
def test_a_secret_that_is_not_there_is_told_by_its_place(tmp_path: Path, reference: str, text: str) -> None:
    with pytest.raises(SecretMissing, match=text):
        Secrets({}, Vault).read(reference.format(tmp_path / "none"))


def test_files_that_hold_nothing_or_no_text(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for content, text in ((b" \n", "is empty"), (b"\xff\xfe", "is no text")):
        file.write_bytes(content)
        with pytest.raises(SecretMissing, match=text):
            Secrets({}).read(f"file:{file}")


# Settings


def settings(tmp_path: Path, **values: Any) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"custom": values}))
    return file


KEY = "A" * 43 + "="
BROKER = f"amqps://me:{CANARY}@broker.example.org"
STORE = f"mongodb://me:{CANARY}@db.example.org/protes"


def test_all_settings_that_are_secrets_may_refer_to_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(
        tmp_path,
        server={"operator_token": f"file:{tmp_path}/token", "secret_key": ["env:KEY", KEY]},
        runner={"kind": "celery", "broker_url": "env:BROKER"},
        store={"url": "env:STORE"},
        metrics={"token": f"file:{tmp_path}/token"},
        tracing={"headers": {"Authorization": "env:HEADER", "X-Team": f"file:{tmp_path}/token", "X-Plain": "env-less"}},
        events={"callback_keys": ["env:KEY"]},
    )
    (tmp_path / "token").write_text(CANARY)
    environ = {"KEY": "B" * 43 + "=", "BROKER": BROKER, "STORE": STORE, "HEADER": f"Bearer {CANARY}"}
    loaded = load([file], environ)
    found = loaded.settings
    assert found.server.operator_token is not None
    assert found.server.operator_token.get_secret_value() == CANARY
    assert [each.get_secret_value()[:1] for each in found.server.secret_key] == ["B", "A"]
    assert found.runner.broker_url is not None
    assert found.runner.broker_url.get_secret_value() == BROKER
    assert found.store.url == STORE
    assert found.metrics.token is not None
    assert found.metrics.token.get_secret_value() == CANARY
    headers = {name: each.get_secret_value() for name, each in found.tracing.headers.items()}
    assert headers == {"Authorization": f"Bearer {CANARY}", "X-Team": CANARY, "X-Plain": "env-less"}
    assert [each.get_secret_value()[:1] for each in found.events.callback_keys] == ["B"]
    assert loaded.secret_files == (tmp_path / "token",)
    assert CANARY not in repr(found) + found.model_dump_json() + repr(loaded)
    assert capsys.readouterr().out == ""


def test_one_key_may_be_a_reference_and_the_environment_may_say_so(tmp_path: Path) -> None:
    environ = {"PROTES_SERVER__OPERATOR_TOKEN": "env:TOKEN", "TOKEN": CANARY, "KEY": KEY}
    found = load([settings(tmp_path, server={"secret_key": "env:KEY"})], environ).settings.server
    assert found.operator_token is not None
    assert found.operator_token.get_secret_value() == CANARY
    assert len(found.secret_key) == 1


def test_what_is_no_secret_is_left_as_it_stands(tmp_path: Path) -> None:
    locations = [{"prefix": "file:///shared/", "zone": "de"}]
    found = load([settings(tmp_path, storage_locations=locations, service={"name": "env:HOME"})], {}).settings
    assert found.storage_locations[0].prefix == "file:///shared/"
    assert found.service.name == "env:HOME"


def test_a_reference_that_leads_nowhere_stops_the_start_and_names_the_setting(tmp_path: Path) -> None:
    file = settings(tmp_path, server={"operator_token": "env:NONE"})
    with pytest.raises(ConfigError, match=r"custom\.server\.operator_token: the environment variable NONE is not set"):
        load([file], {})


def test_credentials_of_all_kinds_refer_to_their_secrets(tmp_path: Path) -> None:
    environ = {"TOKEN": CANARY, "KEY": "Zm9v"}
    named = Credentials(type="bearer", secret="env:TOKEN")
    found = read_secret(named, environ, "here")
    assert found is not None
    assert found.get_secret_value() == CANARY
    registry = RegistrySettings(url="https://r.example.org", token="env:TOKEN")
    Registries([registry], environ, MemoryRecords(), ManualClock())
    web = Web(SystemClock(), guard_of(OutboundSettings()))
    server = DrsServerSettings(match="x", token="env:TOKEN")
    client = DrsClient([server], None, web, Locations([]), SystemClock(), environ)
    assert CANARY not in repr(client._servers)
    BlobSigner(SignerSettings(name="s", account="account", key="env:KEY"), ManualClock(), environ)
    for make in (
        lambda: read_secret(named, {}, "here"),
        lambda: Registries([registry], {}, MemoryRecords(), ManualClock()),
        lambda: DrsClient([server], None, web, Locations([]), SystemClock(), {}),
    ):
        with pytest.raises(ConfigError, match="TOKEN is not set"):
            make()


def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_shown(tmp_path: Path) -> None:
    credentials = {"type": "bearer", "secret": CANARY}
    file = settings(tmp_path, instances=[{"id": "a", "url": "https://a", "credentials": credentials}])
    with pytest.raises(ConfigError, match="say where the secret is") as refused:
        load([file], {})
    assert CANARY not in str(refused.value)


def test_rotated_files_are_seen(tmp_path: Path) -> None:
    credentials = {"type": "bearer", "secret": f"file:{tmp_path}/token"}
    file = settings(
        tmp_path,
        server={"operator_token": f"file:{tmp_path}/operator"},
        instances=[{"id": "a", "url": "https://a", "credentials": credentials}],
    )
    for name in ("token", "operator"):
        (tmp_path / name).write_text(f"{CANARY}-old")
    files = ConfigFiles([file], {})
    files.load()
    for name in ("token", "operator"):
        assert not files.changed()
        (tmp_path / name).write_text(f"{CANARY}-the-new-one")
        assert [files.changed(), files.changed()] == [False, True]
        found = files.load().settings.server.operator_token
    assert found is not None
    assert found.get_secret_value() == f"{CANARY}-the-new-one"


def test_check_config_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PROTES_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STORE", STORE)
    (tmp_path / "token").write_text(CANARY)
    file = settings(
        tmp_path,
        server={"operator_token": f"file:{tmp_path}/token", "secret_key": KEY},
        store={"url": "env:STORE"},
        instances=[
            {"id": "a", "url": "https://a", "credentials": {"type": "bearer", "secret": f"file:{tmp_path}/token"}}
        ],
    )
    told = io.StringIO()
    with redirect_stdout(told):
        assert main(["check-config", "--config", str(file)]) == 0
    assert CANARY not in told.getvalue()
    assert KEY not in told.getvalue()
    assert f"file:{tmp_path}/token" in told.getvalue()
