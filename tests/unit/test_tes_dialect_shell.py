"""Commands protected by `sh -c`: a real shell runs them as they were meant, and nothing in them reads as a path."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protes.tes.build import build_request
from protes.tes.dialects.shell import changes_as_path, wrapped
from protes.tes.dialects.table import DIALECTS

SHOW = 'printf "[%s]" "$@"'
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def sent(executor: Mapping[str, Any], dialect: str = "tesp-sh") -> dict[str, Any]:
    document = {"executors": [executor]}
    request = build_request(document, DIALECTS[dialect], marker="m-1", gateways=("here",))
    [made] = request["executors"]
    return dict(made)


def run(executor: Mapping[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **executor.get("env", {})}
    return subprocess.run(executor["command"], env=env, cwd=folder, capture_output=True, text=True, timeout=60)


def test_a_shell_runs_it_as_it_was_meant(tmp_path: Path) -> None:
    given, out, err = tmp_path / "in", tmp_path / "out", tmp_path / "err"
    given.write_text("abc")
    command = ["sh", "-c", "cat; printf ' [%s]' \"$@\"; echo bad >&2; exit 3", "sh", "", "a//b", "./x", "/d/", "$HOME"]
    streams = {"stdin": str(given), "stdout": str(out), "stderr": str(err)}
    made = sent({"image": "i", "command": command, **streams, "env": {"PROTES_0": "mine"}})
    assert not {"stdin", "stdout", "stderr"} & made.keys()
    assert made["env"]["PROTES_0"] == "mine"
    done = run(made, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert out.read_text() == "abc [] [a//b] [./x] [/d/] [$HOME]"
    assert err.read_text() == "bad\n"


@pytest.mark.parametrize("written", ["{}/log", "{}/./log", "{}//log", "/{}/log"])
def test_one_file_for_both_streams_gets_all_of_both(tmp_path: Path, written: str) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "echo first; echo second >&2; echo third; echo fourth >&2"]
    made = sent({"image": "i", "command": command, "stdout": str(log), "stderr": written.format(tmp_path)})
    assert run(made, tmp_path).returncode == 0
    assert log.read_text() == "first\nsecond\nthird\nfourth\n"


@settings(max_examples=20, deadline=None)
@given(st.lists(WORDS, max_size=4))
def test_any_arguments_arrive(words: list[str]) -> None:
    made = wrapped({"image": "i", "command": ["sh", "-c", SHOW, "sh", *words]})
    assert not any(map(changes_as_path, made["command"]))
    assert run(made, Path()).stdout.encode() == (
        "".join(f"[{word}]" for word in words).encode() if words else b"[]"
    ).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize(
    ("executor", "wraps"),
    [
        ({"command": ["echo", "a b"]}, False),
        ({"command": ["sh", "-c", "cd /x && ls"]}, False),
        ({"command": ["curl", "https://h/x"]}, True),
        ({"command": ["run", ""]}, True),
        ({"command": ["run"], "stdout": "/o"}, True),
    ],
)
def test_only_what_would_be_changed_is_wrapped(executor: dict[str, Any], wraps: bool) -> None:
    made = sent({"image": "i", **executor})
    assert (made["command"] != executor["command"]) is wraps
    assert [str(PurePosixPath(each)) for each in made["command"]] == made["command"]
    assert sent({"image": "i", **executor}, "tesp")["command"] == executor["command"]
