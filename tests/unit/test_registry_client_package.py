"""The library as others meet it: names, independence, command line, README."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import service_registry_client
from service_registry_client import RegistryClient
from service_registry_client.__main__ import main
from tests.support.fake_registry import FakeRegistry, service_entry, verification
from tests.support.scripted_server import problem

PACKAGE = Path(service_registry_client.__file__).parent


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    services = [
        service_entry("https://tes.example.org/ga4gh/tes/v1", name="TES\x1b[31m"),
        service_entry("https://drs.example.org", artifact="drs", organization=None),
        {"id": "broken"},
    ]
    with FakeRegistry(services) as fake:
        yield fake


def test_public_names() -> None:
    assert service_registry_client.__all__ == [
        "AddressRefused",
        "CachedRegistry",
        "ExternalService",
        "InvalidURL",
        "Limits",
        "Listing",
        "Organization",
        "Provenance",
        "RegistryAnswer",
        "RegistryBody",
        "RegistryClient",
        "RegistryError",
        "RegistryRedirect",
        "RegistryTimeout",
        "RegistryTree",
        "RegistryUnreachable",
        "Service",
        "ServiceType",
        "Snapshot",
        "Verification",
        "filter_services",
        "normalise_url",
        "verified_services",
    ]
    assert all(hasattr(service_registry_client, name) for name in service_registry_client.__all__)
    assert (PACKAGE / "py.typed").exists()


def test_nothing_of_the_gateway_is_imported() -> None:
    allowed = {*sys.stdlib_module_names, "requests", "urllib3", "idna", "service_registry_client"}
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


def test_the_error_tree_is_the_one_drawn() -> None:
    drawn = service_registry_client.errors.__doc__ or ""
    for name in service_registry_client.__all__:
        kind = getattr(service_registry_client, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert re.search(rf"\b{name}\b", drawn)


def test_a_table_for_people(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([registry.url], {}) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "NAME            TYPE                 URL                                   ORGANIZATION",
        "TES?[31m        org.ga4gh:tes:1.1.0  https://tes.example.org/ga4gh/tes/v1  Example",
        "Service JOMGD2  org.ga4gh:drs:1.1.0  https://drs.example.org",
    ]
    assert "entry 2" in shown.err


def test_json_for_programs(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([registry.url, "--artifact", "TES", "--json"], {}) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document == registry.services[0]


def test_only_what_is_verified(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.verifications = [verification(registry.services[1])]
    assert main([registry.url, "--verified"], {}) == 0
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == ["NAME", "Service"]
    assert "not verified them: 1" in shown.err
    registry.verifications = None
    assert main([registry.url, "--verified"], {}) == 1
    assert "HTTP 404" in capsys.readouterr().err


def test_what_nested_registries_list(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    broken = service_entry("http://127.0.0.2:1", artifact="service-registry")
    with FakeRegistry([service_entry(registry.url, artifact="service-registry"), broken]) as above:
        assert main([above.url, "--nested", "--artifact", "tes"], {}) == 0
    shown = capsys.readouterr()
    heading, line = shown.out.splitlines()
    assert heading.split()[-1] == "REGISTRY"
    assert line.split()[-1] == registry.url
    assert "http://127.0.0.2:1: in trouble" in shown.err


def test_a_token_from_the_environment(registry: FakeRegistry) -> None:
    assert main([registry.url, "--token-env", "TOKEN"], {"TOKEN": "canary"}) == 0
    assert registry.server.requests()[0].headers["Authorization"] == "Bearer canary"


def test_a_registry_that_fails(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.server.on("GET", "*", problem(500))
    assert main([registry.url], {}) == 1
    shown = capsys.readouterr()
    assert (shown.out, "HTTP 500" in shown.err) == ("", True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "URL"),
        (["ftp://registry.example.org"], "http"),
        (["https://registry.example.org", "--token-env", "NONE"], "NONE is not set"),
        (["https://registry.example.org", "--token-env", "BAD"], "BAD: the token"),
        (["https://registry.example.org", "--nonsense"], "nonsense"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {"BAD": "canary\n"})
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert text in error
    assert "canary" not in error


def test_the_module_runs(registry: FakeRegistry) -> None:
    command = [sys.executable, "-W", "error", "-m", "service_registry_client", registry.url, "--artifact", "drs"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=PACKAGE.parent, env={**os.environ})
    assert run.returncode == 0, run.stderr
    assert "https://drs.example.org" in run.stdout


def test_the_readmes_examples_run(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.verifications = [verification(registry.services[1])]
    examples = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    for example in examples:
        exec(example.replace("https://registry.example.org/ga4gh/registry/v1", registry.url), names)
    assert capsys.readouterr().out.splitlines() == [
        "TES\x1b[31m https://tes.example.org/ga4gh/tes/v1",
        "2 False None",
        f"{registry.url} https://tes.example.org/ga4gh/tes/v1",
        f"{registry.url} https://drs.example.org",
    ]
    assert [service.url for service in names["services"]] == ["https://drs.example.org"]


def test_the_readme_begins_with_three_lines() -> None:
    first = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)[0]
    assert len(first.split("\n\n")[1].splitlines()) == 3


def test_importing_opens_nothing() -> None:
    code = (
        "import socket, os\n"
        "def refuse(*_): raise AssertionError('socket')\n"
        "socket.socket.connect = refuse; os.environ.clear()\n"
        "import service_registry_client, service_registry_client.__main__\n"
        "service_registry_client.CachedRegistry(service_registry_client.RegistryClient('https://r.example')).close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100, cwd=PACKAGE.parent)


def test_a_client_shows_its_registry(registry: FakeRegistry) -> None:
    with RegistryClient(registry.url) as client:
        assert repr(client) == f"RegistryClient('{registry.url}')"
