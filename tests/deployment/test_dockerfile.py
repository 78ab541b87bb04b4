"""The Dockerfile as it stands: what can be seen without building it."""

from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.version import Version

from tests.deployment.dockerfile import Context, Stage, assignments, health_command, label_text, main_command, read
from tests.deployment.locked import FILE, needed, normal, requirements

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "deployment" / "Dockerfile").read_text(encoding="utf-8")
CONTEXT = Context(CHECKOUT)


@pytest.fixture
def final() -> Stage:
    """The last stage."""
    return read(TEXT)[-1]


def test_the_base_is_pinned_by_tag_and_can_be_by_digest() -> None:
    assert {each.base for each in read(TEXT)} == {"python:3.11-slim-bookworm"}
    pinned = {each.base for each in read(TEXT, {"BASE_DIGEST": "sha256:abc"})}
    assert pinned == {"python:3.11-slim-bookworm@sha256:abc"}


def test_it_runs_as_nobody_in_particular_by_number(final: Stage) -> None:
    assert final.last("USER").text == "10001:10001"
    assert main_command(final) == ["protes", "serve", "--host", "0.0.0.0", "--allow-anonymous", "--data", "/data"]
    assert final.last("VOLUME").words() == ["/data"]


def test_the_last_stage_installs_nothing(final: Stage) -> None:
    runs = " ".join(each.text for each in final.steps if each.name == "RUN")
    for word in ("apt-get", "pip install", "curl", "wget"):
        assert word not in TEXT if word in ("curl", "wget") else word not in runs
    assert "pip uninstall --yes" in runs


def test_it_looks_after_its_health_itself(final: Stage) -> None:
    python, option, program = health_command(final)
    assert (python, option) == ("python", "-c")
    compile(program, "HEALTHCHECK", "exec")
    assert "/healthz" in program


def test_it_says_what_it_is(final: Stage) -> None:
    labels = label_text(final, {"VERSION": "1.2.3", "REVISION": "abc"})
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert labels["org.opencontainers.image.revision"] == "abc"


def test_no_environment_variable_overrules_a_configuration(final: Stage) -> None:
    variables = [name for step in final.steps if step.name == "ENV" for name in assignments(step)]
    assert not [each for each in variables if each.startswith("PROTES_")]


def test_every_source_is_there_and_seen() -> None:
    copies = [step for stage in read(TEXT) for step in stage.steps if step.name == "COPY"]
    sources = [word for step in copies if "--from" not in step.text for word in step.words()[:-1]]
    assert {"protes/", "middleware/", "service_registry_client/", "openapi/"} <= set(sources)
    for source in sources:
        assert CONTEXT.files(source), source


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "data/protes.db",
        "deployment/secrets/node-token",
        "deployment/docker-compose.yaml",
        "protes/__pycache__/app.pyc",
        "protes/api/stale.pyc",
        "tests/conftest.py",
        ".env",
    ],
)
def test_what_is_no_part_of_it_is_not_sent(path: str) -> None:
    assert not CONTEXT.sees(path)


@pytest.mark.parametrize("path", ["protes/app.py", "protes/config/defaults.yaml", "openapi/tes.yaml", "setup.cfg"])
def test_what_is_part_of_it_is_sent(path: str) -> None:
    assert CONTEXT.sees(path)


def test_every_package_is_pinned() -> None:
    """Where one is missing: `python -m tests.deployment.locked > deployment/requirements.txt`.

    Versions that came out since may need other packages; they are none of the image's business.
    """
    lines = [each for each in FILE.read_text(encoding="utf-8").splitlines() if not each.startswith("#")]
    pinned = dict(each.split("==") for each in lines)
    for requirement in requirements(distribution("protes")):
        assert requirement.specifier.contains(Version(pinned[normal(requirement.name)])), requirement
    for package in needed():
        if pinned.get(normal(package.name)) == package.version:
            assert {normal(each.name) for each in requirements(package)} <= pinned.keys(), package.name
