"""Imports go one way (DESIGN.md section 3), and importing does nothing."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protes", "middleware", "service_registry_client", "openapi")

FOR_ALL = (
    "protes",
    "protes.clock",
    "protes.config",
    "protes.outbound",
    "protes.secrets",
    "protes.tes",
    "protes.store.records",
)
"""What every part of protes may import: values and settings, which know nothing of the other parts."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "protes.clock": (),
    "protes.config": ("middleware",),  # the grammar of the weight
    "protes.secrets": (),
    "protes.outbound": ("service_registry_client",),
    "protes.tes": ("service_registry_client",),
    "protes.store": ("protes.store",),
    "protes.runner": (),
    "protes.identity": ("protes.store",),
    "protes.leader": ("protes.store",),
    "protes.learning": ("protes.store", "middleware"),
    "protes.sources": ("protes.store", "middleware"),
    "protes.federation": ("protes.store", "service_registry_client"),
    "protes.planning": ("protes.federation", "protes.learning", "protes.sources", "protes.store", "middleware"),
    # Of middleware: the error of a chain that fails.
    "protes.dispatch": ("protes.planning", "protes.store", "protes.federation", "middleware"),
    "protes.relay": ("protes.planning", "protes.store", "protes.federation"),
    "protes.callbacks": ("protes.events", "protes.outbound", "protes.store"),
    "protes.telling": ("protes.callbacks", "protes.events", "protes.runner", "protes.store"),
    "protes.events": ("protes.outbound", "protes.store"),
    "protes.offers": ("protes.planning", "protes.federation", "protes.store", "middleware"),
    "protes.quotas": ("protes.store",),
    "protes.api": (
        "protes.callbacks",
        "protes.events",
        "protes.logs",
        "protes.metrics.port",
        "protes.metrics.catalogue",
        "protes.tracing.port",
        "protes.quotas",
        "protes.offers",
        "protes.planning",
        "protes.sources",
        "protes.store",
        "protes.runner",
        "protes.federation",
        "middleware",
    ),
    # Who calls, found out in front of the API: it knows callers and problem details, and no endpoint.
    "protes.auth": ("protes.api.callers", "protes.api.problems"),
    # What observes knows what it observes, and nobody knows it but through the wiring.
    "protes.logs": (),
    "protes.tracing": ("protes.store",),
    "protes.metrics": ("protes.federation", "protes.learning", "protes.store", "service_registry_client"),
    "protes.observing": ("protes", "middleware"),
    "protes.exposing": ("protes",),
    "protes.http_server": ("protes.http_arrival", "protes.http_waiting"),
    "protes.http_waiting": ("protes.http_arrival", "protes.http_turns"),
    "protes.http_arrival": (),
    "protes.http_turns": (),
    # A server of its own: it shares the guard and the problem details with the gateway.
    "protes.node": ("protes.api.guard", "protes.api.problems", "protes.http_server"),
    # The composition root, and what it wires together.
    "protes.jobs": (
        "protes.dispatch",
        "protes.federation",
        "protes.leader",
        "protes.learning",
        "protes.relay",
        "protes.runner",
        "protes.store",
    ),
    # In front of the API, with its problem details; what it shows comes from the API over HTTP.
    "protes.dashboard": ("protes.api.ingress", "protes.api.problems"),
    "protes.current": (),
    "protes.reload": ("protes.current", "protes.store", "middleware"),
    "protes.parts": ("protes", "middleware", "openapi"),
    "protes.app": ("protes", "middleware", "openapi"),
    "protes.wsgi": ("protes.app", "protes.api.ingress"),
    "protes.cli": ("protes", "middleware"),
    "protes.demo": ("protes", "service_registry_client"),
    "protes.__main__": ("protes.cli",),
    "middleware": (),
    "service_registry_client": (),
    "openapi": (),
}
"""What each part may import of our own, beside itself and FOR_ALL."""


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(part + ".")


def part_of(module: str) -> str:
    """Return the part of ALLOWED that the module belongs to."""
    fitting = [part for part in ALLOWED if within(module, part)]
    assert fitting or module == "protes", f"{module} belongs to no part: add it to the table"
    return max(fitting, key=len, default=module)


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in MODULES else str(node.module) for each in full]
        else:
            continue
        yield from (name for name in names if any(within(name, package) for package in PACKAGES))


def may_import(importer: str, target: str) -> bool:
    part = part_of(importer)
    if within(target, part):
        return True
    if within(importer, "protes") and (target == "protes" or any(within(target, each) for each in FOR_ALL[1:])):
        return True
    return any(within(target, each) for each in ALLOWED.get(part, ()))


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    wrong = sorted({target for target in imported(MODULES[module]) if not may_import(module, target)})
    assert not wrong, f"{module} must not import {', '.join(wrong)}"


def test_the_packages_that_stand_alone_know_nothing_of_protes() -> None:
    for module, path in MODULES.items():
        if not within(module, "protes"):
            assert not [target for target in imported(path) if within(target, "protes")], module


def test_every_part_exists() -> None:
    parts = {part_of(module) for module in MODULES}
    assert set(ALLOWED) <= parts, f"no such part: {set(ALLOWED) - parts}"


def test_the_checks_can_fail() -> None:
    assert not may_import("middleware.chain", "protes.clock")
    assert not may_import("protes.planning.planner", "protes.api.views")
    assert not may_import("protes.api.tes", "protes.dispatch.dispatcher")
    assert not may_import("protes.relay.sweeping", "protes.app")
    assert may_import("protes.relay.sweeping", "protes.store.protocols")


CHECK = """
import importlib, os, sys

def audit(event, args):
    if event.startswith(("socket.", "subprocess.", "urllib.")) or event in ("os.system", "os.exec", "os.fork"):
        raise AssertionError(f"{event} while importing")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise AssertionError(f"{args[0]} opened for writing while importing")
    if event in ("os.mkdir", "os.remove", "os.rename", "os.putenv"):
        raise AssertionError(f"{event} while importing")

class Environment(dict):
    def read(self, *args):
        frame = sys._getframe(1)
        while frame.f_globals.get("__name__") == "os":
            frame = frame.f_back
        reader = frame.f_globals.get("__name__", "")
        if reader.split(".")[0] in PACKAGES:  # pydantic reads it with each model
            raise AssertionError(f"{reader} reads the environment while importing")
        return args[1] if len(args) > 1 else None

    __getitem__ = __contains__ = __iter__ = get = items = keys = values = copy = pop = setdefault = read

for name in DEPENDENCIES:
    importlib.import_module(name)
sys.addaudithook(audit)
os.environ = Environment()
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

# What other projects do when they are imported is not ours; all of ours comes after them.
DEPENDENCIES = (
    "foca",
    "connexion",
    "flask",
    "flask_cors",
    "requests",
    "gunicorn.app.base",
    "tes",
    "jsonschema",
    "prometheus_client",
)


def test_importing_any_module_does_nothing() -> None:
    """In an empty environment, without sockets, processes or writes; `__main__` modules run when imported."""
    names = [module for module in MODULES if not module.endswith("__main__")]
    script = f"DEPENDENCIES, PACKAGES = {DEPENDENCIES}, {PACKAGES}" + CHECK
    ended = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", script, *names],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key in ("SYSTEMROOT", "LD_LIBRARY_PATH")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout == ""
