"""Every block of the documentation is executed, or validated, or explained (explained.py)."""

import base64
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

import openapi
from middleware import build_chain
from protes.cli.parser import build_parser
from protes.config.loading import load
from protes.config.planning import StepSettings
from protes.config.settings import Settings
from tests.docs.explained import COMPILED, NOT_RUN, OPAQUE, OTHER_YAML, PAGES_NOT_RUN, RUN
from tests.docs.snippets import Snippet, snippets

SHELL = ("bash", "sh", "console")
KNOWN = {*SHELL, "yaml", "json", "python", "toml", *OPAQUE}
_REFERENCE = re.compile(r"\b(?:azure-key-vault:|file:/(?!/))[^\s,\]}]+")
_HERE_DOCUMENT = re.compile(r"^[^\n]*<<'?(\w+)'?\n.*?^\1$", re.MULTILINE | re.DOTALL)


def parametrize(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("snippet", snippets(*languages), ids=str)


@pytest.mark.parametrize("snippet", snippets(), ids=str)
def test_every_block_is_in_a_language_that_is_looked_at(snippet: Snippet) -> None:
    assert snippet.language in KNOWN, "test it, or add it to explained.py with a reason"


@parametrize("yaml")
def test_yaml_is_a_configuration_that_loads(snippet: Snippet, tmp_path: Path) -> None:
    document = yaml.safe_load(snippet.text)
    if snippet.first.partition(";")[0] in OTHER_YAML:
        return
    if isinstance(document, list):
        build_chain([StepSettings.model_validate(step) for step in document])
        return
    if set(document) <= set(Settings.model_fields):  # a section alone
        Settings.model_validate(document)
        return
    assert set(document) <= {"custom", "server", "log"}, "what is this? see explained.py"
    file = tmp_path / "gateway.yaml"
    # What references lead to is elsewhere: all of them lead to one secret here.
    file.write_text(_REFERENCE.sub("env:A_SECRET", snippet.text), encoding="utf-8")
    load([file], {"A_SECRET": base64.b64encode(bytes(32)).decode()})


def _task_schema() -> dict[str, Any]:
    components = openapi.document("tes.yaml")["components"]
    return {"components": components, "$ref": "#/components/schemas/tesTask"}


@parametrize("json")
def test_json_is_a_task_that_is_valid_or_at_least_json(snippet: Snippet) -> None:
    document = json.loads(snippet.text)
    if "executors" in document:
        Draft7Validator(_task_schema()).validate(document)


def test_the_schema_can_refuse() -> None:
    assert not Draft7Validator(_task_schema()).is_valid({"executors": [{"image": "alpine"}]})


@parametrize("toml")
def test_toml_is_toml(snippet: Snippet) -> None:
    assert tomllib.loads(snippet.text)


def commands_of(snippet: Snippet) -> str:
    """What a person would type."""
    if snippet.language != "console":
        return snippet.text
    lines: list[str] = []
    typed = False
    for line in snippet.text.splitlines():
        typed = line.startswith("$ ") or (typed and lines[-1].endswith("\\"))
        if typed:
            lines.append(line.removeprefix("$ "))
    return "\n".join(lines) + "\n"


@parametrize(*SHELL)
def test_commands_are_read_by_a_shell_and_ours_by_the_parser(snippet: Snippet) -> None:
    text = commands_of(snippet)
    ended = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stderr == ""
    for words in _ours(text):
        build_parser({}).parse_args(words)


def _ours(text: str) -> list[list[str]]:
    """The arguments of each `protes ...` in a script."""
    text = _HERE_DOCUMENT.sub("", text).replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        for part in re.split(r"\$\(|<\(|[|;)]|&&", line.partition(" #")[0]):
            words = part.rstrip("& ").split()
            if words and Path(words[0]).name == "protes":
                found.append(shlex.split(" ".join(words[1:])))
    return found


def test_commands_of_ours_are_found() -> None:
    lines = ("protes list --json | cat", "ID=$(protes submit - )", '.venv/bin/protes show "$ID" # why')
    text = "\n".join([*lines, "cat <<END", "protes no", "END", ""])
    assert _ours(text) == [["list", "--json"], ["submit", "-"], ["show", "$ID"]]


def test_what_is_not_run_is_explained() -> None:
    with_commands = {each.page for each in snippets(*SHELL)}
    assert with_commands - {*RUN, *PAGES_NOT_RUN} == set(), "run these pages, or say in explained.py why not"
    assert set(RUN) <= with_commands
    assert not set(RUN) & set(PAGES_NOT_RUN)


def test_explanations_are_of_what_is_there() -> None:
    there = {(each.page, each.first) for each in snippets(*SHELL)}
    assert set(NOT_RUN) <= there
    firsts = {each.first.partition(";")[0] for each in snippets("yaml")}
    assert set(OTHER_YAML) <= firsts
    assert set(COMPILED) <= {(each.page, each.first) for each in snippets("python")}
    assert all([*COMPILED.values(), *NOT_RUN.values(), *PAGES_NOT_RUN.values(), *OPAQUE.values(), *OTHER_YAML.values()])


PYTHON_PAGES = sorted({each.page for each in snippets("python")} - {"users.md"})


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_runs(page: str, tmp_path: Path) -> None:
    """Blocks of a page, in order, in one folder; one that begins with `# name.py` is that file."""
    for number, snippet in enumerate(each for each in snippets("python") if each.page == page):
        if (page, snippet.first) in COMPILED:
            compile(snippet.text, str(snippet), "exec")
            continue
        named = re.fullmatch(r"# (\w+\.py)", snippet.first)
        file = tmp_path / (named[1] if named else f"block_{number}.py")
        file.write_text(snippet.text, encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-W", "error::SyntaxWarning", str(file)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ended.returncode == 0, f"{snippet}: {ended.stderr}"
