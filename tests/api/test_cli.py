"""The command line against a running gateway (DESIGN.md section 6)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protes.app import Gateway, create_gateway
from protes.cli.main import main
from protes.config.loading import load
from protes.store.factory import create_stores
from tests.support.fake_tes import FakeTes
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

TASK = {"name": "cli", "executors": [{"image": "alpine", "command": ["true"]}]}


@pytest.fixture(name="fake")
def _fake() -> Iterator[FakeTes]:
    with FakeTes() as fake:
        yield fake


@pytest.fixture(name="gateway")
def _gateway(fake: FakeTes) -> Iterator[Gateway]:
    instances = [{"id": "fake", "url": fake.url, "prices": {"cpu_core_hour": "0.5"}, "speed": 2}]
    settings = {"instances": instances, "profiles": {"nowhere": {"instances": ["elsewhere"]}, "cheap": {"weight": "0"}}}
    gateway = create_gateway(load([], {}, settings), stores=create_stores("memory:"))
    gateway.start()
    wait_until(lambda: gateway.services.federation.view().instances[0].status == "ok", "the instance is found")
    yield gateway
    gateway.close()


@pytest.fixture(name="url")
def _url(gateway: Gateway) -> Iterator[str]:
    with serve_wsgi(gateway.wsgi) as url:
        yield url


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> str:
    path = tmp_path / "task.json"
    path.write_text(json.dumps(TASK), encoding="utf-8")
    return str(path)


def _json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_submit_and_wait_prints_the_output(
    url: str, fake: FakeTes, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.auto(2, stdout="hello")
    assert main(["submit", file, "--url", url, "--weight", "0.3", "--wait", "--timeout", "30"]) == 0
    out = capsys.readouterr().out
    assert "COMPLETE" in out
    assert "stdout: hello" in out
    assert "protes.weight: 0.3" in out


def test_a_task_that_fails_is_exit_code_1(
    url: str, fake: FakeTes, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.auto(1, exit_code=3)
    assert main(["submit", file, "--url", url, "--wait", "--json"]) == 1
    assert _json(capsys)["state"] == "EXECUTOR_ERROR"


def test_show_list_cancel(url: str, fake: FakeTes, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", file, "--url", url]) == 0
    task_id = capsys.readouterr().out.strip()
    wait_until(lambda: fake.creates() == 1, "the task is forwarded")
    assert main(["list", "--url", url, "--name-prefix", "cli"]) == 0
    assert task_id in capsys.readouterr().out
    assert main(["show", task_id, "--url", url, "--routing"]) == 0
    shown = capsys.readouterr().out
    assert "weight 0.5 (default)" in shown
    assert "fake" in shown
    assert main(["cancel", task_id, "--url", url]) == 0
    capsys.readouterr()
    wait_until(lambda: next(iter(fake.tasks.values())).state == "CANCELED", "the copy is cancelled")
    assert main(["list", "--url", url, "--state", "canceled", "--json"]) == 0
    assert isinstance(_json(capsys), list)


def test_instances_and_offers(url: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instances", "--url", url]) == 0
    table = capsys.readouterr().out
    assert "fake" in table
    assert "configuration" in table
    assert main(["offers", file, "--url", url, "--weight", "1", "--json"]) == 0
    answer = _json(capsys)
    assert answer["weight"] == "1"
    assert answer["offers"][0]["instance"] == "fake"
    assert answer["offers"][0]["cost"]["currency"] == "EUR"


def test_an_offer_is_taken_up(url: str, fake: FakeTes, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    fake.auto(2)
    assert main(["offers", file, "--url", url]) == 0
    assert "OFFER" in capsys.readouterr().out
    assert main(["offers", file, "--url", url, "--profile", "cheap", "--json"]) == 0
    answer = _json(capsys)
    assert (answer["weight"], answer["carrier"]) == ("0", "profile")
    offer = answer["offers"][0]["offer"]
    assert main(["submit", file, "--url", url, "--offer", offer, "--wait", "--timeout", "30", "--json"]) == 0
    task = _json(capsys)
    assert task["tags"] == {"protes.offer": offer}
    assert main(["show", task["id"], "--url", url, "--routing"]) == 0
    out = capsys.readouterr().out
    assert "estimated: " in out
    assert "actual: " in out
    assert main(["submit", file, "--url", url, "--offer", "unknown-1"]) == 1
    assert "tags.protes.offer" in capsys.readouterr().err


def test_offers_without_any_are_exit_code_1(url: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["offers", file, "--url", url, "--profile", "nowhere"]) == 1
    assert "is not among the instances of the task's profile" in capsys.readouterr().out


def test_a_refusal_is_a_sentence_and_exit_code_1(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"executors": []}', encoding="utf-8")
    assert main(["submit", str(path), "--url", url]) == 1
    assert "executors: must hold at least one executor" in capsys.readouterr().err
    assert main(["show", "nothing", "--url", url]) == 1
    assert "no task with this id" in capsys.readouterr().err


def test_wrong_files_are_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", str(tmp_path / "none.json")]) == 2
    assert "No such file" in capsys.readouterr().err
    path = tmp_path / "text.json"
    path.write_text("{", encoding="utf-8")
    assert main(["offers", str(path)]) == 2
    assert "not JSON" in capsys.readouterr().err


def test_a_gateway_that_is_not_there_is_exit_code_3(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", file, "--url", "http://127.0.0.1:9"]) == 3
    assert main(["list", "--url", "http://127.0.0.1:9"]) == 3
    assert "does not answer" in capsys.readouterr().err


def test_check_config_prints_settings_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("custom: {server: {operator_token: a-very-secret-canary}}", encoding="utf-8")
    assert main(["check-config", "--config", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "canary" not in printed
    assert json.loads(printed)["server"]["port"] == 8080


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("custom: {server: {prot: 1}}", "custom.server.prot"),
        ("custom: {chain: [{use: feasibel}]}", "feasibel"),
        ("custom: {chain: [{use: random, options: {sede: 1}}]}", "sede"),
        ("custom: {instances: [{id: a, url: 'ftp://x'}]}", "a"),
        ("instances: []", "instances"),
        ("custom: {server: {operator_token: short-canary}}", "operator_token"),
    ],
)
def test_a_bad_configuration_is_named_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, word: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["check-config", "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert "canary" not in said


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> list[str]:
    """Task files, the second of which is no task, all of one run."""
    paths = [tmp_path / f"task-{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_text(json.dumps({**TASK, "name": f"many-{number}", "tags": {"run": "7"}}), encoding="utf-8")
    paths[1].write_text(json.dumps({"executors": []}), encoding="utf-8")
    return [str(path) for path in paths]


def test_many_files_are_one_call_and_a_wrong_one_stops_no_other(
    url: str, fake: FakeTes, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *files, "--url", url, "--weight", "0.3"]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.split()) == 2
    assert f"{files[1]}: 400 Bad Request: executors" in printed.err
    wait_until(lambda: fake.creates() == 2, "both are forwarded")
    assert main(["submit", files[0], files[2], "--url", url, "--json"]) == 0
    results = _json(capsys)["results"]
    assert [set(each) for each in results] == [{"id"}, {"id"}]


def test_many_files_are_waited_for(
    url: str, fake: FakeTes, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.auto(1)
    assert main(["submit", files[0], files[2], "--url", url, "--wait", "--json", "--timeout", "30"]) == 0
    assert [(task["name"], task["state"]) for task in _json(capsys)] == [("many-0", "COMPLETE"), ("many-2", "COMPLETE")]


def test_a_file_that_cannot_be_read_leaves_nothing_submitted(
    url: str, gateway: Gateway, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", files[0], "/nowhere.json", "--url", url]) == 2
    assert "/nowhere.json" in capsys.readouterr().err
    assert gateway.stores.tasks.count() == 0


def test_tasks_are_cancelled_by_tag_and_by_ids(url: str, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", files[0], files[2], "--url", url]) == 0
    ids = capsys.readouterr().out.split()
    assert main(["cancel", "--tag", "run=8", "--url", url]) == 0
    assert capsys.readouterr().out == ""
    assert main(["cancel", "--tag", "run=7", "--tag", "run", "--url", url, "--json"]) == 0
    assert {each["id"] for each in _json(capsys)["results"]} == set(ids)
    assert main(["cancel", *ids, "none", "--url", url]) == 1
    assert capsys.readouterr().out.splitlines() == [
        *(f"{task_id}: cancellation requested" for task_id in ids),
        "none: id: there is no task with this id",
    ]
    assert main(["cancel", "--url", url]) == 2
    assert main(["cancel", ids[0], "--tag", "run=7", "--url", url]) == 2
