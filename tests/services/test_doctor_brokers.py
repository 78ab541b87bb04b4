"""`protes doctor` and real brokers: what is right is ok, a wrong password is a failure, and neither is printed."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import yaml

from protes.cli.main import main
from tests.support.runners import Brokers

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

WRONG = "not-the-password-canary"


def examined(folder: Path, broker_url: str, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Return what was found of the broker, and all that was printed."""
    runner = {"kind": "celery", "broker_url": broker_url, "queue_prefix": f"doctor-{os.getpid()}"}
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump({"custom": {"runner": runner, "server": {"port": 9}}}), encoding="utf-8")
    file.chmod(0o600)
    main(["doctor", "--config", str(file), "--data", str(folder / "data"), "--json"])
    printed = capsys.readouterr().out
    found = [each for each in json.loads(printed)["findings"] if each["check"] == "broker"]
    return [each["result"] for each in found], printed


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{password}@{place}"))


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_brokers(
    kind: str, brokers: Brokers, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    url = brokers.url(kind, request)
    results, printed = examined(tmp_path, url, capsys)
    assert results == ["ok", "ok"], printed
    password = urlsplit(url).password
    if not password:
        return
    assert password not in printed
    results, printed = examined(tmp_path, with_password(url, WRONG), capsys)
    assert results == ["fail"], printed
    assert WRONG not in printed
