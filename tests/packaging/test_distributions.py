"""Wheel and source distribution hold what is needed, and run where the checkout is not."""

import ast
import email
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from protes import __version__
from tests.packaging.building import PACKAGES, ROOT, Built, clean_environment
from tests.support.services import missing

# Whichever test comes first builds and installs.
pytestmark = pytest.mark.timeout(600)


def wanted() -> set[str]:
    """Every file of the packages: code and data."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def in_wheel(built: Built) -> set[str]:
    with zipfile.ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


def test_the_wheel_has_every_file_of_the_packages(built: Built) -> None:
    assert wanted() - in_wheel(built) == set(), "name them in [options.package_data] of setup.cfg"


def test_the_wheel_has_nothing_else(built: Built) -> None:
    tops = {name.split("/")[0] for name in in_wheel(built)}
    assert tops - {f"protes-{__version__}.dist-info"} == set(PACKAGES)
    assert not [name for name in in_wheel(built) if "__pycache__" in name or name.endswith(".pyc")]


def test_the_source_distribution_has_every_file_of_the_packages(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert wanted() - names == set()
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/index.md"} <= names
    assert not [name for name in names if "deployment/secrets/" in name or name.endswith(".pyc")]


def test_metadata(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        text = wheel.read(f"protes-{__version__}.dist-info/METADATA").decode()
        entry_points = wheel.read(f"protes-{__version__}.dist-info/entry_points.txt").decode()
    metadata = email.message_from_string(text)
    assert metadata["Name"] == "protes"
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "protes = protes.cli.main:main" in entry_points


def test_the_version_is_said_in_one_place() -> None:
    quoted = f'"{__version__}"'
    found = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == __version__
    ]
    assert found == ["protes/__init__.py"]
    assert quoted not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "version = attr: protes.__version__" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def run(programs: Path, *words: str, folder: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [str(programs / words[0]), *words[1:]]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def test_it_is_installed_from_the_wheel(programs: Path, tmp_path: Path) -> None:
    code = "import protes, middleware, openapi; print(protes.__file__); openapi.document('tes.yaml')"
    ended = run(programs, "python", "-c", code, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(str(programs.parent))


def test_the_program_runs(programs: Path, tmp_path: Path) -> None:
    assert run(programs, "protes", "--version", folder=tmp_path).stdout == f"protes {__version__}\n"
    ended = run(programs, "protes", "check-config", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["server"]["port"] == 8080
    ended = run(programs, "protes", "doctor", "--json", folder=tmp_path)
    assert json.loads(ended.stdout)["version"] == __version__


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(programs: Path, tmp_path: Path) -> None:
    ended = run(programs, "protes", "demo", "--once", "--port", "0", folder=tmp_path, seconds=240)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "tasks ended as expected" in ended.stdout


@pytest.mark.services
@pytest.mark.timeout(900)
def test_the_wheel_installs_with_what_it_needs(built: Built, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """As pipx does it: an environment of its own, everything from the package index."""
    subprocess.run(["python3", "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    programs = tmp_path / "venv" / "bin"
    command = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", str(built.wheel)]
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=800, check=False)
    if ended.returncode != 0 and "Could not find a version" in ended.stderr:
        missing(request, "there is no package index")
    assert ended.returncode == 0, ended.stderr
    assert run(programs, "protes", "--version", folder=tmp_path).stdout == f"protes {__version__}\n"
    assert run(programs, "pip", "check", folder=tmp_path).returncode == 0
    assert run(programs, "protes", "check-config", folder=tmp_path).returncode == 0
