"""The engines: what each is started with, and what it does. Their scripts are in `workflows` and docs/engines.md."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines.runs import WORKFLOWS, Run, environment, running

_CWL = {f"cwl/{name}.cwl" for name in ["upper", "count", "join", "breaking", "slow", "steady", "result", "broken"]}


@dataclass(frozen=True, slots=True)
class Case:
    """One engine, and one kind of workflow where it has several.

    Attributes:
        name: of the folder with its scripts.
        environment: what it is installed in.
        files: of the workflow, below `workflows`.
        tasks: tasks that the goal `result` takes.
        base: where its requests go, below the URL it is given.
        cancels: whether it cancels its tasks when it is interrupted.
        words: where it expects its input, in the folder of a run.
        made: where its results are, in the folder of a run.
        says: what it writes when a step has failed.
        streams: whether a failing step writes to its task's standard error; Toil keeps that in its job store.
        carrier: how its weight is given: `url`, `tag` or `backend_parameter`.
    """

    name: str
    environment: str
    files: frozenset[str]
    tasks: int
    base: str
    cancels: bool = True
    words: str = "words.txt"
    made: str = "."
    says: str = "broken"
    label: str = ""
    carrier: str = "url"
    streams: bool = True

    def root(self, weight: str) -> str:
        """Return the path of the gateway's root to configure for a weight, which may say it."""
        if self.name == "pulsar":
            return "/profiles/pulsar"  # which shows it no QUEUED
        return f"/w/{weight}" if self.carrier == "url" else ""

    def prepare(self, folder: Path, weight: str) -> None:
        """Fill a new folder with the workflow."""
        folder.mkdir()
        for script in (f"{self.name}/run.sh", f"{self.name}/local.sh", *self.files):
            shutil.copy(WORKFLOWS / script, folder)
        (folder / self.words).parent.mkdir(exist_ok=True)
        for place in {"words.txt", self.words}:
            shutil.copy(WORKFLOWS / "words.txt", folder / place)
        if self.carrier == "backend_parameter":
            destination = folder / "destination.json"
            destination.write_text(destination.read_text().replace('"0.3"', f'"{weight}"'))

    def result(self, folder: Path, goal: str = "result") -> bytes:
        """Return what a run has made."""
        return (folder / self.made / f"{goal}.txt").read_bytes()


CASES: Mapping[str, Case] = {
    case.label or case.name: case
    for case in (
        Case(
            "snakemake7",
            "snakemake7",
            frozenset({"snakemake/Snakefile"}),
            tasks=3,
            base="/ga4gh/tes/v1",
            says="Task errored",
        ),
        Case(
            "snakemake9",
            "snakemake9",
            frozenset({"snakemake/Snakefile"}),
            tasks=3,
            base="/v1",
            words="storage/words.txt",
            made="storage",
            says="Error in rule broken",
        ),
        Case(
            "toil",
            "toil",
            frozenset({"toil/workflow.py"}),
            tasks=4,
            base="/v1",
            says="broken on purpose",
            streams=False,
        ),
        Case("toil-cwl", "toil", frozenset(_CWL), tasks=3, base="/v1", says="permanentFail", streams=False),
        Case("cwl-tes", "cwl-tes", frozenset(_CWL), tasks=3, base="/ga4gh/tes/v1", cancels=False, says="permanentFail"),
        Case(
            "py-tes",
            "py-tes-0.4.2",
            frozenset({"py-tes/workflow.py"}),
            tasks=3,
            base="/v1",
            says="broken on purpose",
            label="py-tes-0.4.2",
            carrier="tag",
        ),
        Case(
            "py-tes",
            "py-tes-1.1.4",
            frozenset({"py-tes/workflow.py"}),
            tasks=3,
            base="/ga4gh/tes/v1",
            says="broken on purpose",
            label="py-tes-1.1.4",
            carrier="tag",
        ),
        Case(
            "pulsar",
            "pulsar",
            frozenset({"pulsar/workflow.py", "pulsar/destination.json"}),
            tasks=1,
            base="/v1",
            says="failed",
            carrier="backend_parameter",
        ),
    )
}


@contextmanager
def started(
    request: pytest.FixtureRequest, case: Case, folder: Path, goal: str, gateway: str | None, weight: str = "0"
) -> Iterator[Run]:
    """Run a workflow in a new folder over a gateway with a weight, or locally where there is no gateway."""
    engine = environment(request, case.environment)
    with run_of(case, engine, folder, goal, None if gateway is None else gateway + case.root(weight), weight) as run:
        yield run


@contextmanager
def run_of(case: Case, engine: Path, folder: Path, goal: str, tes_url: str | None, weight: str = "0") -> Iterator[Run]:
    """Run a workflow in a new folder at a TES URL, or locally where there is none."""
    case.prepare(folder, weight)
    script = "local.sh" if tes_url is None else "run.sh"
    tags = f"protes.weight={weight}" if case.carrier == "tag" else ""
    with running(["sh", script, goal], engine, folder, {"TES_URL": tes_url or "", "TAGS": tags}) as run:
        yield run
