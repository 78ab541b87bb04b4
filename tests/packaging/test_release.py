"""The release script: what it refuses, and that a dry run leaves everything as it was."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools.release import Distributions, Refused, changes_of, check_distributions, check_tree, main, version_of

CHANGES = """# Changelog

## Unreleased

## 1.2.3 - 2030-01-31

### Added

- A thing.

## 1.2.2 - 2030-01-01

- Old.
"""


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    ended = subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True, timeout=60)
    return ended.stdout


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """A small project in a repository, ready for its release."""
    root = tmp_path / "project"
    for name, text in {
        "protes/__init__.py": '__version__ = "1.2.3"\n',
        "protes/py.typed": "",
        "protes/config/defaults.yaml": "custom: {}\n",
        "protes/dashboard/static/index.html": "<!doctype html>\n",
        "openapi/__init__.py": "",
        "openapi/tes.yaml": "openapi: 3.0.1\n",
        "CHANGELOG.md": CHANGES,
        "README.md": "# protes\n\n" + "A gateway. " * 20 + "\n",
        ".gitignore": "dist/\nbuild/\n*.egg-info/\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        "setup.cfg": "[metadata]\nname = protes\nversion = attr: protes.__version__\ndescription = A gateway\n"
        "license = Apache-2.0\nlong_description = file: README.md\nlong_description_content_type = text/markdown\n"
        "[options]\npackages = protes, openapi\npython_requires = >=3.11\ninclude_package_data = False\n"
        "[options.package_data]\nprotes = py.typed, config/*.yaml, dashboard/static/*\nopenapi = *.yaml\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "all")
    return root


def test_a_dry_run_builds_and_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("build")
    assert main([], root) == 0
    printed = capsys.readouterr().out
    assert "- A thing." in printed
    assert "Old." not in printed
    assert "nothing was tagged" in printed
    assert git(root, "tag", "--list") == ""
    assert git(root, "status", "--porcelain") == ""
    assert {each.name for each in (root / "dist").iterdir()} == {"protes-1.2.3.tar.gz", "protes-1.2.3-py3-none-any.whl"}


def test_a_folder_with_other_things_in_it_is_not_emptied(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dist", "."], root) == 1
    assert "more in it than distributions" in capsys.readouterr().err
    assert (root / "CHANGELOG.md").exists()


def test_what_is_not_committed_is_not_released(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "openapi" / "new.yaml").write_text("x: 1\n", encoding="utf-8")
    assert main([], root) == 1
    assert "openapi/new.yaml" in capsys.readouterr().err


def test_a_version_is_released_once(root: Path) -> None:
    git(root, "tag", "v1.2.3")
    with pytest.raises(Refused, match=r"raise __version__"):
        check_tree(root, "1.2.3")


def test_the_chart_is_of_the_same_version(root: Path) -> None:
    chart = root / "deployment" / "helm" / "protes" / "Chart.yaml"
    chart.parent.mkdir(parents=True)
    chart.write_text('appVersion: "1.2.2"\n', encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "chart")
    with pytest.raises(Refused, match=r"appVersion"):
        check_tree(root, "1.2.3")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CHANGES.replace("## Unreleased\n", "## Unreleased\n\n- Another thing.\n"), "Unreleased"),
        (CHANGES.replace("1.2.3", "1.2.4"), "no section"),
        (CHANGES.replace("1.2.3 - 2030-01-31", "1.2.3"), "no section"),
        (CHANGES.replace("\n### Added\n\n- A thing.\n", ""), "no section"),
    ],
)
def test_changes_are_told(root: Path, text: str, why: str) -> None:
    (root / "CHANGELOG.md").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=why):
        changes_of(root, "1.2.3")


@pytest.mark.parametrize("version", ["1.2", "1.2.3.dev0", "next"])
def test_only_releases_are_released(root: Path, version: str) -> None:
    (root / "protes" / "__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
    with pytest.raises(Refused, match=r"no version of a release"):
        version_of(root)


def test_a_wheel_without_its_data_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "protes-1.2.3-py3-none-any.whl"
    lines = [
        "Name: protes",
        "Version: 1.2.3",
        "Summary: s",
        "License: x",
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
        "",
        "words " * 30,
    ]
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("protes-1.2.3.dist-info/METADATA", "\n".join(lines))
    with pytest.raises(Refused, match=r"openapi/tes\.yaml"):
        check_distributions(Distributions(tmp_path / "protes-1.2.3.tar.gz", wheel), "1.2.3")


def test_nothing_is_uploaded_without_a_tag(root: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--upload"], root)
