"""What people expect of a command line, against a running gateway: pipes, following, watching, progress."""

import io
import json
import threading
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

TASK = {"name": "habits", "executors": [{"image": "alpine", "command": ["true"]}], "tags": {"run": "7"}}


@pytest.fixture(name="fake")
def _fake() -> Iterator[FakeTes]:
    with FakeTes() as fake:
        yield fake


@pytest.fixture(name="gateway")
def _gateway(fake: FakeTes) -> Iterator[Gateway]:
    settings = {"instances": [{"id": "fake", "url": fake.url}], "relay": {"log_tail_bytes": 4096}}
    gateway = create_gateway(load([], {}, settings), stores=create_stores("memory:"))
    gateway.start()
    wait_until(lambda: gateway.services.federation.view().instances[0].status == "ok", "the instance is found")
    yield gateway
    gateway.close()


@pytest.fixture(name="url")
def _url(gateway: Gateway) -> Iterator[str]:
    with serve_wsgi(gateway.wsgi) as url:
        yield url


def say(monkeypatch: pytest.MonkeyPatch, document: Any) -> None:
    """Put a document on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO(document if isinstance(document, str) else json.dumps(document)))


def submit(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    say(monkeypatch, TASK)
    assert main(["submit", "-", "--url", url]) == 0
    return capsys.readouterr().out.strip()


def test_a_task_comes_from_standard_input(
    url: str, fake: FakeTes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(url, monkeypatch, capsys)
    wait_until(lambda: fake.creates() == 1, "the task is forwarded")
    say(monkeypatch, TASK)
    assert main(["offers", "-", "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["offers"]
    say(monkeypatch, "{")
    assert main(["submit", "-", "--url", url]) == 2
    assert "standard input: not JSON" in capsys.readouterr().err
    assert main(["submit", "-", "-", "--url", url]) == 2
    assert "once" in capsys.readouterr().err


def test_waiting_says_how_far_it_is_on_standard_error(
    url: str, fake: FakeTes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.auto(1)
    say(monkeypatch, TASK)
    assert main(["submit", "-", "--url", url, "--wait", "--json"]) == 0
    printed = capsys.readouterr()
    task = json.loads(printed.out)
    lines = printed.err.splitlines()
    assert lines[0] == f"{task['id']}: submitted"
    assert lines[-1] == f"{task['id']}: COMPLETE"


def test_logs_are_followed_to_the_end(
    url: str, fake: FakeTes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = submit(url, monkeypatch, capsys)
    wait_until(lambda: fake.creates() == 1, "the task is forwarded")
    copy = next(iter(fake.tasks))
    codes: list[int] = []
    following = threading.Thread(
        target=lambda: codes.append(main(["logs", task_id, "--follow", "--url", url, "--interval", "0.05"]))
    )
    following.start()
    fake.finish(copy, exit_code=1, stdout="one\ntwo\n", stderr="why\n")
    following.join(30)
    assert codes == [0]
    printed = capsys.readouterr()
    assert printed.out == "one\ntwo\n"
    assert printed.err == "why\n"
    assert main(["logs", task_id, "--url", url, "--stream", "stdout", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["state"] == "EXECUTOR_ERROR"
    assert document["logs"][0]["executors"] == [{"exit_code": 1, "stdout": "one\ntwo\n", "stderr": "why\n"}]
    assert main(["logs", "none", "--url", url]) == 1


def test_a_task_without_output_says_so(
    url: str, fake: FakeTes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = submit(url, monkeypatch, capsys)
    assert main(["logs", task_id, "--url", url]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "has no output" in printed.err


def test_a_task_is_watched_until_it_has_ended(
    url: str, fake: FakeTes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.auto(3)
    task_id = submit(url, monkeypatch, capsys)
    assert main(["show", task_id, "--url", url, "--watch", "--json", "--interval", "0.05"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert documents[-1]["state"] == "COMPLETE"
    assert len(documents) > 1


def test_the_list_is_filtered_by_tags(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = submit(url, monkeypatch, capsys)
    for words, found in ((["--tag", "run=7"], [task_id]), (["--tag", "run"], [task_id]), (["--tag", "run=8"], [])):
        assert main(["list", "--url", url, "--json", *words]) == 0
        assert [each["id"] for each in json.loads(capsys.readouterr().out)] == found
    assert main(["list", "--url", url, "--state", "nonsense"]) == 2
    assert "states are UNKNOWN, QUEUED" in capsys.readouterr().err


def test_colours_are_asked_for(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    submit(url, monkeypatch, capsys)
    for words, coloured in (([], False), (["--color", "always"], True), (["--color", "never"], False)):
        assert main(["list", "--url", url, *words]) == 0
        assert ("\x1b[" in capsys.readouterr().out) is coloured
    assert main(["--color", "always", "instances", "--url", url]) == 0
    assert "\x1b[32mok" in capsys.readouterr().out
