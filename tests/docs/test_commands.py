"""The commands of the documentation, carried out against a demo federation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protes.demo.federation import DemoFederation
from tests.docs.explained import BEFORE, NOT_RUN, RUN
from tests.docs.snippets import snippets
from tests.docs.test_snippets import SHELL, commands_of

_TASK = '{"name": "t", "executors": [{"image": "alpine", "command": ["true"]}], "resources": {"cpu_cores": 1}}'
# What a command answers with 4xx or 5xx is a failure of the page.
_STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n'
_SECONDS = 600


def _script(page: str, gateway: str) -> str:
    blocks = [commands_of(each) for each in snippets(*SHELL) if each.page == page and (page, each.first) not in NOT_RUN]
    text = _STRICT + BEFORE.get(page, "") + "\n" + "\n".join(blocks)
    return text.replace("http://127.0.0.1:8080", gateway).replace("http://localhost:8080", gateway)


def _files(page: str, folder: Path, federation: DemoFederation) -> None:
    """Write what a page takes for granted: a task, the gateway's configuration, files that the page shows."""
    folder.mkdir()
    (folder / "task.json").write_text(_TASK, encoding="utf-8")
    shutil.copy(federation.folder / "gateway.yaml", folder / "gateway.yaml")
    for each in snippets("yaml"):
        if each.page == page and each.first == "# request.yaml":
            (folder / "request.yaml").write_text(each.text, encoding="utf-8")


def _environment(gateway: str, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROTES_")}
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PATH": programs, "PROTES_URL": gateway, "PROTES_STORE__URL": str(folder / "data"), "TERM": "dumb"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_commands_do_what_the_pages_say(federation: DemoFederation, tmp_path: Path) -> None:
    failed = []
    for page in RUN:
        folder = tmp_path / page
        _files(page, folder, federation)
        ended = subprocess.run(
            ["bash", "-c", _script(page, federation.gateway_url)],
            cwd=folder,
            env=_environment(federation.gateway_url, folder),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if ended.returncode != 0:
            failed.append(f"== {page}: {ended.returncode}\n{ended.stdout[-1500:]}\n{ended.stderr[-1500:]}")
    assert not failed, "\n".join(failed)


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_the_python_of_users_works(federation: DemoFederation, tmp_path: Path) -> None:
    [snippet] = [each for each in snippets("python") if each.page == "users.md"]
    environment = _environment(federation.gateway_url, tmp_path)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", snippet.text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("hello\n")
