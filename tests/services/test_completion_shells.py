"""Completion in the shells that it is for, as a person at a terminal has it."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.cli.completion import script
from protes.cli.parser import build_parser
from tests.support.services import missing

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

_PATIENCE = 60.0
_TELL = """
PROMPT='%%%% '
tell() { zle complete-word; print -r -- "TOLD[$BUFFER]"; BUFFER=''; }
zle -N tell; bindkey '^T' tell
print -r -- 'RE''ADY'
"""
"""Ctrl-T completes what was typed, and tells the line as it is then."""


class Zsh:
    """A zsh at a terminal of its own."""

    def __init__(self, program: str, home: Path) -> None:
        """Start it, with the completion in its start-up file as the page says."""
        (home / "completion.zsh").write_text(script("zsh", build_parser({})), encoding="utf-8")
        (home / ".zshrc").write_text(f"source {home}/completion.zsh\n{_TELL}", encoding="utf-8")
        variables = {"HOME": str(home), "TERM": "vt100", "PATH": os.environ["PATH"], "COLUMNS": "200", "LINES": "50"}
        # Not forked by us: other tests' threads may be alive.
        ours, theirs = pty.openpty()
        command = ["setsid", "--ctty", program, "-o", "no_global_rcs", "-i"]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, cwd=home, close_fds=True
        )
        os.close(theirs)
        self._terminal = ours
        self._until("READY")

    def complete(self, line: str) -> str:
        """Type a line and complete it; return the line as it is then."""
        os.write(self._terminal, f"{line}\x14".encode())
        [told] = re.findall(r"TOLD\[([^\]]*)\]", self._until(r"TOLD\[[^\]]*\]"))
        return str(told)

    def listed(self, line: str, wanted: str) -> str:
        """Type a line and have what is possible listed; return what is shown up to what is wanted."""
        os.write(self._terminal, f"{line}\t".encode())
        return self._until(wanted)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _until(self, wanted: str) -> str:
        said, until = "", time.monotonic() + _PATIENCE
        while re.search(wanted, said) is None:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, until - time.monotonic()))
            assert ready, said
            said += os.read(self._terminal, 65536).decode(errors="replace").replace("\0", "")
        return said


@pytest.fixture
def zsh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Zsh]:
    """A zsh with the completion."""
    program = shutil.which("zsh")
    if program is None:
        missing(request, "there is no zsh: python -m tests.peers.install zsh")
    shell = Zsh(program, tmp_path)
    yield shell
    shell.close()


def test_zsh_completes(zsh: Zsh, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").touch()
    for typed, completed in (
        ("protes sub", "protes submit "),
        ("protes --color always ser", "protes --color always serve "),
        ("protes submit --off", "protes submit --offer "),
        ("protes azure provision-s", "protes azure provision-status "),
        ("protes logs some-id --stream stde", "protes logs some-id --stream stderr "),
        ("protes completion f", "protes completion fish "),
        ("protes serve --config gate", "protes serve --config gateway.yaml "),
        ("protes submit --weight gate", "protes submit --weight gate"),
    ):
        assert zsh.complete(typed) == completed


def test_zsh_says_what_options_are_for(zsh: Zsh) -> None:
    listed = zsh.listed("protes submit --", "wait for the end and print the output")
    assert "run the task as offered" in listed
    assert "--routing" not in listed  # that is an option of another command


def _fish(request: pytest.FixtureRequest, home: Path, line: str) -> dict[str, str]:
    """Return what fish offers for the end of a line, with what it says of each."""
    program = shutil.which("fish")
    if program is None:
        missing(request, "there is no fish: python -m tests.peers.install fish")
    (home / "completion.fish").write_text(script("fish", build_parser({})), encoding="utf-8")
    done = subprocess.run(
        [program, "--no-config", "--command", f"source {home}/completion.fish; complete --do-complete '{line}'"],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return {word: said for word, _, said in (each.partition("\t") for each in done.stdout.splitlines())}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("protes sub", {"submit"}),
        ("protes --color always ser", {"serve"}),
        ("protes --ver", {"--version"}),
        ("protes azure ", {"provision", "provision-status"}),
        ("protes logs some-id --stream ", {"stdout", "stderr"}),
        ("protes completion ", {"bash", "zsh", "fish"}),
        ("protes serve --config gate", {"gateway.yaml"}),
        ("protes submit --profile list --ro", set()),
        ("protes show --profile list --ro", {"--routing"}),
    ],
)
def test_fish_completes(request: pytest.FixtureRequest, tmp_path: Path, line: str, offered: set[str]) -> None:
    (tmp_path / "gateway.yaml").touch()
    assert _fish(request, tmp_path, line).keys() == offered


def test_fish_says_what_options_are_for(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    assert _fish(request, tmp_path, "protes submit --off") == {"--offer": "run the task as offered"}
