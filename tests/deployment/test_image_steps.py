"""The Dockerfile's steps, carried out for real in roots of their own, and what they make: run as a container would be.

There is no container engine in it, so this says nothing of the base image; `clean_root.py` says what stands for it.
"""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import protes
from tests.deployment.building import Builder
from tests.deployment.clean_root import Root, Running, why_not
from tests.deployment.dockerfile import Stage, health_command, main_command, read
from tests.support.services import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]

CHECKOUT = Path(__file__).parents[2]
_PATIENT, _GRACE = 240.0, 60.0
STAGES = {each.name: each for each in read((CHECKOUT / "deployment" / "Dockerfile").read_text(encoding="utf-8"))}
FINAL: Stage = STAGES["final"]


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """What the last stage makes; it takes minutes and a package index, so only where it is asked for."""
    if not request.config.getoption("--require-services"):
        pytest.skip("the image is made under --require-services only: make services")
    folder = tmp_path_factory.mktemp("image")
    reason = why_not(folder / "trial")
    if reason is not None:
        missing(request, reason)
    builder = Builder(folder, CHECKOUT)
    return [builder.build(stage) for stage in STAGES.values()][-1]


@pytest.fixture
def container(image: Root, tmp_path: Path) -> Root:
    """The image as `docker run --read-only --tmpfs /tmp -v ...:/data` has it, without a network."""
    uid, gid = (int(each) for each in image.user.split(":"))
    os.chown(tmp_path, uid, gid)
    return dataclasses.replace(image, isolated=True, volume=tmp_path)


@pytest.fixture
def serving(container: Root) -> Iterator[Running]:
    """The image's own command, when its health check says that it is well."""
    with container.start(main_command(FINAL)) as running:
        wait_until(lambda: "serves TES at" in running.text, "it serves", _PATIENT)
        yield running


def test_the_program_is_there_and_what_installs_it_is_not(image: Root) -> None:
    assert image.run(["protes", "--version"]).stdout.strip() == f"protes {protes.__version__}"
    for python in ("/opt/protes/bin/python", "/usr/local/bin/python"):
        assert "No module named pip" in image.run([python, "-m", "pip"]).stdout
    assert image.run(["sh", "-c", "id -u; id -g; id -nu"]).stdout.split() == ["10001", "10001", "protes"]


def test_it_runs_on_what_it_brings(image: Root) -> None:
    said = image.run(["python", "-c", "import protes, sys; print(protes.__file__, sys.prefix)"]).stdout.split()
    packages = f"/opt/protes/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    assert said == [f"{packages}/protes/__init__.py", "/opt/protes"]


def test_it_serves_as_process_1_and_ends_in_order(serving: Running) -> None:
    healthy = serving.inside(health_command(FINAL))
    assert healthy.returncode == 0, healthy.stdout
    ready = "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8080, timeout=20); "
    ready += "c.request('GET', '/readyz'); print(c.getresponse().status)"
    assert serving.inside(["python", "-c", ready]).stdout.strip() == "200"
    arguments = main_command(FINAL)[1:]
    assert serving.inside(["cat", "/proc/1/cmdline"]).stdout.split("\0")[-len(arguments) - 1 : -1] == arguments
    first = serving.inside(["cat", "/proc/1/status"]).stdout
    assert "Uid:\t10001\t10001\t10001\t10001" in first
    assert "CapEff:\t0000000000000000" in first
    assert serving.stop(_GRACE) == 0
    assert "Traceback" not in serving.text


def test_it_writes_to_its_volume_alone(serving: Running, tmp_path: Path) -> None:
    for place in ("/", "/opt/protes", "/usr/local", "/etc"):
        assert "Read-only" in serving.inside(["touch", f"{place}/x"]).stdout
    assert serving.inside(["sh", "-c", "touch /tmp/x && touch /data/x"]).returncode == 0
    assert (tmp_path / "protes.db").is_file()


def test_an_unhealthy_one_is_found_out(container: Root) -> None:
    with container.start(["sh", "-c", "echo up && exec sleep 60"]) as running:
        wait_until(lambda: "up" in running.text, "it runs", _PATIENT)
        assert running.inside(health_command(FINAL)).returncode == 1


def test_a_worker_is_process_1_too(container: Root) -> None:
    broker = {"PROTES_RUNNER__KIND": "celery", "PROTES_RUNNER__BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1//"}
    worker = dataclasses.replace(container, variables={**container.variables, **broker})
    with worker.start(["protes", "worker", "--data", "/data"]) as running:
        wait_until(lambda: "takes jobs from the broker" in running.text, "it works", _PATIENT)
        assert running.stop(_GRACE) == 0


def test_a_node_runs_in_the_same_image(container: Root) -> None:
    (container.volume / "token").write_text("a-token-for-tests", encoding="utf-8")
    words = ["protes", "node", "--host", "0.0.0.0", "--token-file", "/data/token", "--directory", "/data/node"]
    with container.start(words) as running:
        wait_until(lambda: "serves TES at" in running.text, "it serves", _PATIENT)
        assert running.stop(_GRACE) == 0


def test_the_registry_of_compose_runs_in_the_same_image(container: Root) -> None:
    compose = yaml.safe_load((CHECKOUT / "deployment" / "docker-compose.yaml").read_text(encoding="utf-8"))
    for name in ("registry.py", "services.json"):
        shutil.copy(CHECKOUT / "deployment" / "compose" / name, container.volume)
    words = [each.replace("/etc/registry", "/data") for each in compose["services"]["registry"]["entrypoint"]]
    with container.start(words) as running:
        wait_until(lambda: "Listening at" in running.text, "it listens", _PATIENT)
        get = "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8080, timeout=20); "
        get += "c.request('GET', '/ga4gh/registry/v1/services'); print(c.getresponse().read().decode())"
        answer = running.inside(["python", "-c", get])
        assert [each["name"] for each in json.loads(answer.stdout)] == ["budget", "express"]
        assert running.stop(_GRACE) == 0
