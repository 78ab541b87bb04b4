"""The site builds without a warning, and asks no other host for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")

ROOT = Path(__file__).parents[2]
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]+\bsrc=[\"']?(?:https?:)?//[^\"' >]+"
    r"|<link[^>]+\bhref=[\"']?(?:https?:)?//[^\"' >]+"
    r"|@import[^;]+//[^;]+|url\(\s*[\"']?(?:https?:)?//[^)]+"
)
"""What a browser fetches by itself; links that a person clicks are none of these."""


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def test_it_builds_without_a_warning(site: Path) -> None:
    assert (site / "index.html").is_file()
    assert {each.stem for each in (ROOT / "docs").glob("*.md")} <= {each.stem for each in site.glob("*.html")}


def test_no_page_asks_another_host(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert files
    for file in files:
        assert _LOADED.findall(file.read_text(encoding="utf-8")) == [], file.name


def test_the_check_can_fail() -> None:
    assert _LOADED.findall('<link href="https://fonts.example.org/x.css" rel="stylesheet">')
    assert _LOADED.findall("<script async src='//cdn.example.org/x.js'></script>")
    assert not _LOADED.findall('<a href="https://example.org/">a link</a>')


def test_links_of_the_checkout_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page.name}: {target}"
