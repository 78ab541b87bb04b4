"""Conventions that a program can check (CONTRIBUTING.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.sleep", "asyncio.sleep"}

MAY_READ_THE_CLOCK = {
    "protes/clock.py": "the gateway's clock",
    "service_registry_client/clock.py": "the client is used on its own, and takes another clock as an argument",
    "protes/demo/play.py": "a play for a person, outside the gateway's process",
}
"""Every other file is handed a clock, so that tests can move time."""

MAY_SLEEP = {
    "tests/bench/__main__.py": "measures, and is no test",
    "tests/bench/reading.py": "measures, and is no test",
    "tests/engines/workflows/pulsar/workflow.py": "is what an engine's user writes",
    "tests/engines/workflows/toil/workflow.py": "is what an engine's user writes",
    "tests/support/gateway_tasks.py": "asks whole processes for minutes, up to a deadline of its own",
    "tests/faults/test_whole.py": "asks whole processes for minutes, up to a deadline of its own",
}

LONGEST_FILE = 350
LONGEST_FUNCTION = 60


def paths(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


SOURCE = paths("protes", "middleware", "service_registry_client", "openapi")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[str]:
    """The last two names of every call, such as `datetime.now`, whatever stands before them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            yield f"{name}.{node.func.attr}"


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def reads_the_clock(tree: ast.AST) -> bool:
    return bool(CLOCKS & ({*calls(tree)} | {*imported_names(tree)}))


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_only_the_clock_reads_the_time_and_sleeps(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert reads_the_clock(tree) == (name_of(path) in MAY_READ_THE_CLOCK)


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("import datetime\nx = datetime.datetime.now()", True),
        ("from datetime import datetime, UTC\nx = datetime.now(UTC)", True),
        ("import time\ntime.sleep(1)", True),
        ("from time import sleep", True),
        ("import time\ntime.monotonic()", False),
        ("clock.now()", False),
        ("self._clock.sleep(1)", False),
    ],
)
def test_the_check_of_the_clock_can_fail(code: str, reads: bool) -> None:
    assert reads_the_clock(ast.parse(code)) is reads


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_files_and_functions_have_one_job(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, "which second job crept in?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in SOURCE if path.name == "__init__.py"], ids=name_of)
def test_packages_only_hand_on_names(path: Path) -> None:
    """No logic in `__init__.py`: imports, `__all__`, constants, a docstring."""
    if name_of(path) == "openapi/__init__.py":
        return  # a package of documents: its one function says where they lie
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), ast.unparse(node)


@pytest.mark.parametrize("path", [*SOURCE, *paths("tests")], ids=name_of)
def test_fakes_are_servers_and_not_mocks(path: Path) -> None:
    names = {*imported_names(ast.parse(path.read_text(encoding="utf-8")))}
    assert not [name for name in names if name.startswith(("unittest", "mock", "pytest_mock"))]


@pytest.mark.parametrize("path", paths("tests"), ids=name_of)
def test_tests_wait_with_a_deadline_and_never_for_a_fixed_time(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    sleeps = "time.sleep" in {*calls(tree), *imported_names(tree)}
    assert sleeps == (name_of(path) in MAY_SLEEP), "see tests/support/waiting.py"


@pytest.mark.parametrize("package", ["protes", "middleware", "service_registry_client", "openapi"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
