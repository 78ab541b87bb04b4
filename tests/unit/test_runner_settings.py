"""Settings of the runner: what goes together, and a broker's URL that nobody may see."""

from pathlib import Path
from typing import Any

import pytest

from protes.cli.main import main
from protes.config.loading import ConfigError, broker_url, load
from protes.config.settings import Settings

PASSWORD = "brokers-password-nobody-may-see"
URL = f"amqps://user:{PASSWORD}@rabbit.example:5671/protes"


def settings(**runner: Any) -> Settings:
    return load([], {}, {"runner": runner}).settings


def refusal(**runner: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(**runner)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_by_default_threads_execute() -> None:
    runner = Settings().runner
    assert (runner.kind, runner.execute, runner.broker_url) == ("threads", True, None)


def test_the_url_comes_from_the_environment_and_is_not_shown() -> None:
    environ = {"PROTES_RUNNER__KIND": "celery", "PROTES_RUNNER__BROKER_URL": URL}
    loaded = load([], environ).settings
    assert broker_url(loaded.runner).get_secret_value() == URL
    assert PASSWORD not in repr(loaded) + loaded.model_dump_json()


@pytest.mark.parametrize("url", [f"http://user:{PASSWORD}@h/", f"amqp://user:{PASSWORD}@h:no/", PASSWORD, "amqp:///x"])
def test_what_is_no_url_of_a_broker_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    assert "amqps://" in refusal(kind="celery", broker_url=url)
    file = tmp_path / "url"
    file.write_text(url, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        broker_url(settings(kind="celery", broker_url_file=str(file)).runner)
    assert PASSWORD not in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_url_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    runner = settings(kind="celery", broker_url_file=str(file)).runner
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        broker_url(runner)
    file.write_text(f"{URL}\n", encoding="utf-8")
    assert broker_url(runner).get_secret_value() == URL
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no text"):
        broker_url(runner)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    assert "exactly one of broker_url and broker_url_file" in refusal(kind="celery")
    assert "exactly one of" in refusal(kind="celery", broker_url=URL, broker_url_file="there")
    assert "needs kind celery" in refusal(execute=False)
    with pytest.raises(ConfigError, match="needs a shared store"):
        load([], {}, {"runner": {"kind": "celery", "broker_url": URL}, "store": {"url": "memory:"}})


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["worker"], "a worker takes jobs from a broker"),
        (["serve", "--api-only"], "without workers nobody executes jobs"),
    ],
)
def test_without_a_broker_there_is_neither_a_worker_nor_an_api_alone(
    command: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--data", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
