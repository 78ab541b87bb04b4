"""`protes doctor` over real stores, instances and registries: what it finds, what it says to do, what it hides."""

import json
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from protes.app import create_gateway
from protes.cli.doctor.skew import skew_seconds
from protes.cli.main import main
from protes.config.loading import load
from protes.store.factory import create_stores
from tests.support.behaviours import HangUp
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import ScriptedServer, answer_json, problem
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

CANARY = "canary-of-a-secret-that-is-shown-nowhere"


@pytest.fixture(name="fake")
def _fake() -> Iterator[FakeTes]:
    with FakeTes() as fake:
        yield fake


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Doctor:
    """Runs the command with a configuration, and keeps what it printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.code = -1
        self.printed = ""
        self._capsys = capsys

    def __call__(self, settings: Mapping[str, Any], *words: str) -> list[dict[str, str]]:
        file = self.folder / "gateway.yaml"
        own = {"server": {"port": free_port()}, "store": {"url": str(self.folder / "data")}}
        file.write_text(yaml.safe_dump({"custom": {**own, **settings}}), encoding="utf-8")
        file.chmod(0o600)
        self.code = main(["doctor", "--config", str(file), "--json", *words])
        self.printed = self._capsys.readouterr().out
        found: list[dict[str, str]] = json.loads(self.printed)["findings"]
        assert all(each["todo"] for each in found if each["result"] in ("warn", "fail"))
        return found


@pytest.fixture(name="doctor")
def _doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(tmp_path, capsys)


def of(found: list[dict[str, str]], check: str, *results: str) -> list[str]:
    """The texts of a check's findings, those with these results if any are named."""
    return [each["text"] for each in found if each["check"] == check and each["result"] in (results or ("ok",))]


def at(fake: FakeTes, **more: Any) -> dict[str, Any]:
    return {"instances": [{"id": "fake", "url": fake.url, **more}]}


def test_what_is_well_is_ok_and_nothing_is_made(doctor: Doctor, fake: FakeTes) -> None:
    found = doctor(at(fake))
    assert doctor.code == 0
    assert of(found, "instance", "warn", "fail") == []
    texts = " ".join(of(found, "instance"))
    assert "dialect node" in texts
    assert "version 1.0" in texts
    assert "takes our credentials (none)" in texts
    assert of(found, "store", "skip") == ["there is no store yet: the first start makes it"]
    assert of(found, "gateway", "skip")
    assert of(found, "broker", "skip")
    assert not (doctor.folder / "data").exists()
    assert fake.posts == 0


def test_a_configuration_that_cannot_be_used_is_the_one_failure(doctor: Doctor) -> None:
    found = doctor({"server": {"prot": 1}})
    assert doctor.code == 1
    assert "custom.server.prot" in of(found, "configuration", "fail")[0]
    assert len(found) == 1


def test_a_store_is_tried_and_left_as_it_was(doctor: Doctor, fake: FakeTes) -> None:
    stores = create_stores(str(doctor.folder / "data"))
    try:
        found = doctor(at(fake))
        assert any("written and read" in each for each in of(found, "store"))
        assert any("free on its disk" in each for each in of(found, "store"))
        assert list(stores.records.scan("doctor", "", datetime.now(UTC))) == []
    finally:
        stores.close()


@pytest.mark.parametrize(("version", "result", "word"), [(1, "skip", "next start"), (999, "fail", "newer")])
def test_a_store_of_another_version_is_not_touched(
    doctor: Doctor, fake: FakeTes, version: int, result: str, word: str
) -> None:
    folder = doctor.folder / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "protes.db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = (folder / "protes.db").read_bytes()
    found = doctor(at(fake))
    assert any(word in text for text in of(found, "store", result))
    assert (folder / "protes.db").read_bytes() == before


def test_a_store_that_is_none_is_a_failure(doctor: Doctor, fake: FakeTes) -> None:
    folder = doctor.folder / "data"
    folder.mkdir()
    (folder / "protes.db").write_text("this is no database " * 100, encoding="utf-8")
    assert of(doctor(at(fake)), "store", "fail")
    assert doctor.code == 1


def test_an_instance_that_does_not_answer_is_a_failure_and_others_are_looked_at(doctor: Doctor, fake: FakeTes) -> None:
    dead = {"id": "dead", "url": f"http://127.0.0.1:{free_port()}"}
    found = doctor({"instances": [dead, *at(fake)["instances"]]})
    assert doctor.code == 1
    assert [each["subject"] for each in found if each["result"] == "fail"] == ["dead"]
    assert of(found, "instance")


def test_credentials_that_are_refused_are_a_failure(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", CANARY)
    with FakeTes(token="another-one") as fake:
        found = doctor(at(fake, credentials={"type": "bearer", "secret_env": "SITE_TOKEN"}))
    assert of(found, "instance", "fail") == ["it refuses our credentials"]
    assert CANARY not in doctor.printed


def test_an_open_service_info_does_not_hide_refused_credentials(doctor: Doctor, fake: FakeTes) -> None:
    fake.fault("list", problem(401, "who are you?"), times=5)
    [text] = of(doctor(at(fake)), "instance", "fail")
    assert text.startswith("service-info is open, its tasks are not")


def test_a_secret_that_is_missing_is_a_failure_of_that_instance(doctor: Doctor, fake: FakeTes) -> None:
    found = doctor(at(fake, credentials={"type": "bearer", "secret_env": "NOT_SET_ANYWHERE"}))
    assert "NOT_SET_ANYWHERE is not set" in of(found, "instance", "fail")[0]


def test_what_is_no_tes_is_a_failure(doctor: Doctor) -> None:
    with FakeRegistry() as other:
        url = other.server.url
        found = doctor({"instances": [{"id": "other", "url": url}]})
    assert "no TES API" in of(found, "instance", "fail")[0]


def test_a_clock_that_is_wrong_is_a_warning(doctor: Doctor, fake: FakeTes) -> None:
    hour_ago = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    fake.fault("list", answer_json({"tasks": []}, 200, Date=hour_ago), times=2)
    [text] = of(doctor(at(fake)), "instance", "warn")
    assert text.startswith("its clock is 3")
    assert text.endswith("s behind ours")
    assert doctor.code == 0


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Tue, 01 Jan 2030 12:00:00 GMT", 0.0),
        ("Tue, 01 Jan 2030 12:00:03 GMT", 0.0),
        ("Tue, 01 Jan 2030 12:00:24 GMT", 20.0),
        ("Tue, 01 Jan 2030 11:59:59 GMT", 0.0),
        ("Tue, 01 Jan 2030 11:59:29 GMT", -30.0),
        ("soon", None),
        (None, None),
    ],
)
def test_what_lies_between_question_and_answer_is_no_skew(date: str | None, skew: float | None) -> None:
    asked = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
    headers = {} if date is None else {"date": date}
    assert skew_seconds(headers, asked, asked + timedelta(seconds=4)) == skew


def test_registries_are_asked_and_their_instances_probed(doctor: Doctor, fake: FakeTes) -> None:
    dead = service_entry(f"http://127.0.0.1:{free_port()}", service_id="dead")
    entries = [service_entry(fake.url, service_id="well"), dead, service_entry("http://x.example", artifact="drs")]
    with FakeRegistry(entries) as registry:
        found = doctor({"registries": [{"url": registry.url}]})
    assert of(found, "registry") == ["it lists 3 services, 2 of them TES instances"]
    assert len({each["subject"] for each in found if each["check"] == "instance"}) == 2
    assert len(of(found, "instance", "fail")) == 1


def test_a_registry_that_fails_is_a_failure(doctor: Doctor) -> None:
    with FakeRegistry() as registry:
        registry.server.inject("GET", registry.path("/services"), problem(500), times=10)
        found = doctor({"registries": [{"url": registry.url}]})
    assert of(found, "registry", "fail")
    assert of(found, "instance", "warn") == ["there is none"]


@pytest.mark.parametrize(("mode", "result"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warn")])
def test_secrets_are_not_for_everybody(doctor: Doctor, fake: FakeTes, mode: int, result: str) -> None:
    file = doctor.folder / "token"
    file.write_text(CANARY, encoding="utf-8")
    file.chmod(mode)
    found = doctor(at(fake, credentials={"type": "bearer", "secret_file": str(file)}))
    [text] = of(found, "secrets", result)
    assert "custom.instances[0].credentials.secret_file" in text
    assert CANARY not in doctor.printed


def test_a_configuration_with_a_secret_in_it_is_looked_at_too(doctor: Doctor, fake: FakeTes) -> None:
    found = doctor({**at(fake), "server": {"port": free_port(), "operator_token": CANARY}})
    assert any("custom.server.operator_token" in text for text in of(found, "secrets"))
    assert CANARY not in doctor.printed


def test_a_secret_of_the_environment_or_of_a_file_is_not_in_the_configuration(
    doctor: Doctor, fake: FakeTes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (doctor.folder / "token").write_text(CANARY, encoding="utf-8")
    (doctor.folder / "token").chmod(0o604)
    found = doctor({**at(fake), "server": {"port": free_port(), "operator_token": f"file:{doctor.folder / 'token'}"}})
    assert of(found, "secrets", "warn") == [
        "a secret that settings refer to (token): every user of this machine can read it"
    ]
    monkeypatch.setenv("PROTES_SERVER__OPERATOR_TOKEN", CANARY)
    assert of(doctor(at(fake)), "secrets") == ["no setting names a file with a secret"]
    assert CANARY not in doctor.printed


def test_a_broker_that_is_away_is_a_failure_without_its_password(doctor: Doctor, fake: FakeTes) -> None:
    url = f"amqp://user:{CANARY}@127.0.0.1:{free_port()}//"
    found = doctor({**at(fake), "runner": {"kind": "celery", "broker_url": url}})
    assert of(found, "broker", "fail")
    assert CANARY not in doctor.printed


def test_a_gateway_that_is_not_there_is_a_failure_where_it_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    out = capsys.readouterr().out
    assert "fail  gateway" in out
    assert "-> start it" in out
    assert "0 warnings, 1 failure\n" in out


def test_a_gateway_that_serves_is_looked_at(doctor: Doctor, fake: FakeTes) -> None:
    stores = create_stores(str(doctor.folder / "data"))
    gateway = create_gateway(load([], {}, at(fake)), stores=stores)
    gateway.start()
    try:
        wait_until(lambda: gateway.services.federation.view().instances[0].status == "ok", "the instance is found")
        with serve_wsgi(gateway.wsgi) as url:
            found = doctor(at(fake), "--url", url)
            assert doctor.code == 0, doctor.printed
            texts = " ".join(of(found, "gateway"))
            for words in ("its clock agrees", "reaches its store", "as this program is", "1 of 1 instances are well"):
                assert words in texts
            assert "a process leads: due work is looked for" in of(found, "store")
            assert main(["doctor", "--url", url]) == 0
    finally:
        gateway.close()


def test_a_gateway_that_nobody_works_for_is_a_failure(doctor: Doctor, fake: FakeTes) -> None:
    stores = create_stores(str(doctor.folder / "data"))
    gateway = create_gateway(load([], {}, at(fake)), stores=stores)
    try:
        with serve_wsgi(gateway.wsgi) as url:
            found = doctor(at(fake), "--url", url)
        assert doctor.code == 1
        assert "no process leads" in " ".join(of(found, "store", "fail"))
        assert "0 of 1 instances are well" in of(found, "gateway", "fail")
    finally:
        gateway.close()


def test_a_gateway_that_stops_answering_in_the_middle_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer() as server:
        server.on("GET", "/healthz", answer_json({"status": "ok"}))
        server.on("GET", "/readyz", HangUp())
        assert main(["doctor", "--json", "--url", server.url]) == 1
    [finding] = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["result"], finding["text"]) == ("fail", "it stopped answering (/readyz)")
