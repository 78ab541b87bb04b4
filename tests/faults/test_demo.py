"""`make run` does what the README says."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import requests


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PROTES_")}
    command = [sys.executable, "-m", "protes", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, check=False)


@pytest.mark.timeout(250)
def test_every_task_of_the_demo_ends_as_expected() -> None:
    done = _demo("--once", "--port", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "budget" in lines["checksum, weight 0"]
    assert "standard" in lines["checksum, weight 0.5"]
    assert "express" in lines["checksum, weight 1"]
    assert "express" in lines["checksum, weight 1 in the URL"]
    assert "EXECUTOR_ERROR" in lines["fails with exit code 3"]
    assert "CANCELED" in lines["cancelled while it runs"]
    assert "sorted: True" in lines["pipeline, step 2: count"]


def test_a_taken_port_is_a_clear_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _demo("--once", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_none_is_a_clear_message() -> None:
    done = _demo("--once", "--port", "99999")
    assert done.returncode == 1
    assert "99999 is no port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_the_demo_its_servers_end_with_it(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "protes", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "gateway   " in line)
        url = line.split()[-1]
        assert requests.get(f"{url}/service-info", timeout=60).status_code == 200
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(200) in (0, 130)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/service-info", timeout=60)
