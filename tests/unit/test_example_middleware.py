"""The example package is installed as a user would, found by its entry points, and used."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_middleware"

RUN = """
import json, sys
from middleware import (
    Candidate, Context, DistributionRequest, ExecutorView, MiddlewareConfigError, StepSpec, TaskView, build_chain,
)

steps = [StepSpec(use, options) for use, options in json.load(sys.stdin)]
try:
    chain = build_chain(steps)
except MiddlewareConfigError as error:
    sys.exit(str(error))
task = TaskView(id="t", executors=(ExecutorView(image="alpine", command=("true",)),))
candidates = tuple(
    Candidate(id=name, url=f"https://{name}.example", zone=zone)
    for name, zone in (("a", "DE"), ("b", "DE"), ("c", "SE"), ("d", None))
)
context = Context(seed="t")
result = chain.distribute(DistributionRequest(task=task, candidates=candidates, context=context))
sent = chain.rewrite(task, candidates[1], context).task
print(json.dumps({
    "ranked": [offer.candidate_id for offer in result.ranked],
    "timed": all(offer.time_ms is not None for offer in result.ranked),
    "rejected": {name: reason.text for name, reason in result.rejected.items()},
    "sent": dict(sent.resources.backend_parameters),
}))
"""

GOOD: list[tuple[str, dict[str, object]]] = [
    ("feasible", {}),
    ("maintenance", {"closed": ["a"], "text": "moves"}),
    ("cost_runtime", {}),
    ("carbon", {"grams_per_kwh": {"de": 350, "SE": 20}}),
    ("site_labels", {"labels": {"b": {"queue": "gateway"}}}),
]


def _builds_wheels() -> bool:
    """Tell whether what is installed can build a wheel: setuptools can since 70.1, with `wheel` before."""
    try:
        new = tuple(map(int, version("setuptools").split(".")[:2])) >= (70, 1)
        return new or bool(version("wheel"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def installed_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a folder of its own; from a copy, since building leaves files beside the source."""
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("target")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    flags = ["--no-build-isolation"] if _builds_wheels() else []
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *flags]
    done = subprocess.run(
        [*pip, "--target", str(target), str(source)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return target


def run(installed_at: Path, steps: list[tuple[str, dict[str, object]]]) -> subprocess.CompletedProcess[str]:
    """Build a chain of these steps in a process that sees the package, and run a task through it."""
    return subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(steps),
        env={**os.environ, "PYTHONPATH": str(installed_at)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_task_goes_through_steps_found_by_name(installed_at: Path) -> None:
    done = run(installed_at, GOOD)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "ranked": ["c", "b", "d"],
        "timed": True,
        "rejected": {"a": "moves"},
        "sent": {"queue": "gateway"},
    }


@pytest.mark.parametrize(
    ("use", "options", "text"),
    [
        ("maintainance", {}, "step 1 (maintainance): no middleware has this name; installed: access,"),
        ("maintenance", {"shut": []}, "step 1 (maintenance): unknown option shut; allowed: closed, text"),
        ("maintenance", {}, "step 1 (maintenance): missing option closed"),
        ("maintenance", {"closed": "secret"}, "option closed must be a list of ids of instances"),
        ("carbon", {"grams_per_kwh": {"DE": "secret"}}, "option grams_per_kwh must be a map of zones"),
        ("site_labels", {"labels": ["secret"]}, "option labels must be a map of ids"),
    ],
)
def test_a_bad_name_or_option_stops_with_a_clear_message(
    installed_at: Path, use: str, options: dict[str, object], text: str
) -> None:
    done = run(installed_at, [(use, options)])
    assert done.returncode == 1
    assert text in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    if "no middleware" in text:
        assert "maintenance" in done.stderr.partition("installed:")[2]
