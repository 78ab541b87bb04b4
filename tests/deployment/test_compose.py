"""docker-compose.yaml as Compose reads it, and as the gateway, the nodes and the registry take it."""

import argparse
import json
import runpy
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from protes.cli.main import main
from protes.config.loading import load
from protes.node.command import add_arguments
from tests.peers import install
from tests.support.services import missing

FOLDER = Path(__file__).parents[2] / "deployment"
OURS = ("api", "worker", "registry", "node-budget", "node-express")
NODES = ("node-budget", "node-express")
Project = dict[str, Any]


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Project:
    """The file as Compose reads it, with nothing set in the environment."""
    if not install.COMPOSE.is_file():
        missing(request, "the reader of Compose files is not there: make services-install")
    done = subprocess.run(
        [str(install.COMPOSE), str(FOLDER / "docker-compose.yaml")],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: Project = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    make_secrets(folder)
    return folder


def make_secrets(folder: Path) -> str:
    """Run the script."""
    script = str(FOLDER / "make-secrets.sh")
    return subprocess.run([script, str(folder)], check=True, capture_output=True, text=True, timeout=60).stdout


services = pytest.mark.services


@services
def test_only_the_gateway_is_published_and_on_loopback_only(project: Project) -> None:
    published = {name: each["ports"] for name, each in project["services"].items() if each.get("ports")}
    assert published.keys() == {"api"}
    assert [(each["host_ip"], each["target"]) for each in published["api"]] == [("127.0.0.1", 8080)]
    inner = {name for name, each in project["networks"].items() if each.get("internal")}
    for name, service in project["services"].items():
        outward = {"api": {"front", "egress"}, "worker": {"egress"}}
        assert service["networks"].keys() - inner == outward.get(name, set())
        assert "network_mode" not in service
    # The nodes run commands for whoever has their token; the database and the broker are not for them.
    for name in NODES:
        assert project["services"][name]["networks"].keys() == {"federation"}
    assert "federation" not in project["services"]["mongodb"]["networks"]


@services
def test_every_service_is_confined(project: Project) -> None:
    for name, service in project["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["restart"] in ("unless-stopped", "on-failure:5"), name
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name
        if name in OURS:
            assert service["read_only"] is True, name
            assert any(each.startswith("/tmp:") for each in service["tmpfs"]), name
            assert service.get("user") is None, name  # the image's own
        else:
            assert service["user"] == "999:999", name


@services
def test_what_waits_waits_for_what_can_be_seen(project: Project) -> None:
    services = project["services"]
    for name, service in services.items():
        health = service.get("healthcheck")
        built_in = name == "api"
        assert built_in or health is not None or name == "mongodb-init", name
        for other, condition in (service.get("depends_on") or {}).items():
            if condition["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"], other
            else:
                assert services[other]["restart"].startswith("on-failure"), other
                assert condition["condition"] == "service_completed_successfully"
    assert services["worker"]["healthcheck"] == {"disable": True}
    assert services["api"]["depends_on"].keys() == services["worker"]["depends_on"].keys()


@services
def test_no_password_stands_in_it(project: Project) -> None:
    for name, service in project["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            assert "PASS" not in variable or variable.endswith("_FILE"), name
            assert "TOKEN" not in variable, name
            assert not str(value).startswith(("mongodb://", "amqp://")), name


@services
def test_every_secret_and_file_is_there(project: Project, secrets: Path) -> None:
    for secret in project["secrets"].values():
        assert (secrets / Path(secret["file"]).name).is_file(), secret
    for config in project["configs"].values():
        assert Path(config["file"]).is_file(), config
    used = {each["source"] for service in project["services"].values() for each in service.get("secrets") or ()}
    assert used == project["secrets"].keys()


@services
def test_the_gateway_takes_its_files(project: Project, secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = project["services"]["api"]
    arguments = [_outside(each, project, "api", secrets) for each in api["command"][1:]]
    code = main(["check-config", *arguments])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    settings = json.loads(shown.out)
    assert settings["runner"]["kind"] == "celery"
    assert settings["runner"]["execute"] is False
    assert settings["server"]["host"] == "0.0.0.0"
    for file, scheme in ((settings["runner"]["broker_url_file"], "amqp"), (settings["store"]["url_file"], "mongodb")):
        outside = Path(_outside(file, project, "api", secrets))
        assert outside.read_text(encoding="utf-8").startswith(f"{scheme}://protes:")
    for name in ("api", "worker"):
        targets = {each["target"] for each in project["services"][name]["secrets"]}
        assert {settings["runner"]["broker_url_file"], settings["store"]["url_file"]} <= targets
        assert {each["credentials"]["secret_file"] for each in settings["instances"]} <= targets
    assert project["services"]["worker"]["command"][1:] == api["command"][2:4]


@services
def test_the_nodes_are_what_the_configuration_and_the_registry_call_them(project: Project) -> None:
    settings = load([FOLDER / "compose" / "gateway.yaml"], {}).settings
    listed = json.loads((FOLDER / "compose" / "services.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    addresses = {}
    for name in NODES:
        arguments = parser.parse_args(project["services"][name]["command"][1:])
        assert arguments.allowed_host == [name]
        assert not arguments.open
        assert {each["target"] for each in project["services"][name]["secrets"]} == {str(arguments.token_file)}
        assert str(arguments.directory).startswith(project["services"][name]["volumes"][0]["target"])
        addresses[arguments.name] = (f"http://{name}:{arguments.port}", arguments.speed)
    assert {each.id: each.url for each in settings.instances} == {name: url for name, (url, _) in addresses.items()}
    assert {each["name"]: (each["url"].removesuffix("/ga4gh/tes/v1"), each["protes"]["speed"]) for each in listed} == (
        addresses
    )


def test_the_registry_serves_its_file() -> None:
    app: Any = runpy.run_path(str(FOLDER / "compose" / "registry.py"))["app"]
    answer = app.test_client().get("/ga4gh/registry/v1/services")
    assert [each["name"] for each in answer.get_json()] == ["budget", "express"]
    settings = load([FOLDER / "compose" / "gateway.yaml"], {}).settings
    assert settings.registries[0].url.endswith("/ga4gh/registry/v1")


def test_secrets_are_random_kept_and_nobody_elses(secrets: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    before = {each.name: each.read_text(encoding="utf-8") for each in secrets.iterdir()}
    assert make_secrets(secrets) == make_secrets(secrets)
    assert {each.name: each.read_text(encoding="utf-8") for each in secrets.iterdir()} == before
    make_secrets(tmp_path / "other")
    drawn = [name for name in before if name != ".gitignore"]
    assert all((tmp_path / "other" / name).read_text(encoding="utf-8") != before[name] for name in drawn)
    passwords = [before[name] for name in ("node-token", "mongodb-password", "rabbitmq-password", "operator-token")]
    assert len(set(passwords)) == 4
    assert all(len(each) >= 40 and each.isalnum() for each in passwords)
    # Containers have users of their own.
    assert {stat.S_IMODE(each.stat().st_mode) for each in secrets.iterdir()} == {0o444}
    assert (secrets / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_the_urls_have_the_passwords(secrets: Path) -> None:
    def text(name: str) -> str:
        return (secrets / name).read_text(encoding="utf-8")

    given = yaml.safe_load(text("gateway-secrets.yaml"))["custom"]
    assert f":{text('mongodb-password')}@mongodb:27017/protes" in text("store-url")
    assert given["server"]["operator_token"] == text("operator-token")
    assert f":{text('rabbitmq-password')}@rabbitmq:5672/" in text("broker-url")
    assert f"default_pass = {text('rabbitmq-password')}\n" in text("rabbitmq-users.conf")


def _outside(argument: str, project: Project, service: str, secrets: Path) -> str:
    """Put the file outside in the place of the one in the container."""
    used = project["services"][service]
    for each in used["secrets"]:
        argument = argument.replace(
            each["target"], str(secrets / Path(project["secrets"][each["source"]]["file"]).name)
        )
    for each in used["configs"]:
        argument = argument.replace(each["target"], project["configs"][each["source"]]["file"])
    return argument
