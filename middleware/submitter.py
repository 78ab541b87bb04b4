"""`submitter`: which workflow engine a task comes from, told from the task itself, and which run and step it is.

What engines send is in the comments of the functions below; none of it is a standard, and none of it decides where a
task runs. A person who copies an engine's tags is taken for it, which does no harm.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from middleware.cromwell import seen_by
from middleware.types import Distribution, DistributionRequest, Middleware, Next, TaskView

__all__ = ["LONGEST", "Submitter", "create", "recognise"]

LONGEST = 256
"""Longest text that is handed on, characters."""

_CROMWELL_PATH = re.compile(r"/([^/]+)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/call-([^/]+)/")
_NEXTFLOW_CONTROL = re.compile(r"(?:^|[/\s])\.command\.(?:run|sh|log)\b")
_SNAKEMAKE_NAME = re.compile(r"snakejob\.(.+)\.[^.]+\.sh", re.DOTALL)
_SNAKEMAKE_SCRIPT = "/tmp/run_snakemake.sh"  # noqa: S108  a path in the task's container
_RUN_TAGS = ("workflow_id", "run_id", "wes_run_id", "nextflow.io/sessionId", "nextflow.io/runName")
"""Tags by which people and WES servers name a run where the engine itself does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Where a task comes from; None is what the engine does not say."""

    engine: str
    """`cromwell`, `nextflow`, `snakemake`, `toil`, `cwl-tes`, `galaxy` or `sprocket`."""
    workflow_id: str | None = None
    """The run of the workflow."""
    workflow_name: str | None = None
    step: str | None = None
    """The step of the workflow: process, rule, call or tool."""


def recognise(task: TaskView) -> Submitter | None:
    """Tell which engine sent a task; None where it looks like none that is known.

    Of engines inside others the inner one is seen: cwl-WES sends what cwl-tes does, Planemo what the engine that it
    drives does.
    """
    found = next((found for look in _LOOKS if (found := look(task)) is not None), None)
    if found is None:
        return None
    run = found.workflow_id or next((task.tags[name] for name in _RUN_TAGS if task.tags.get(name)), None)
    return Submitter(
        engine=found.engine,
        workflow_id=_bounded(run),
        workflow_name=_bounded(found.workflow_name),
        step=_bounded(found.step),
    )


def create() -> Middleware:
    """Make the middleware; it has no options.

    It adds `submitter.engine`, `.workflow_id`, `.workflow_name` and `.step`, those that are known, to the metadata of
    the context for inner steps, and to that of the answer. It belongs first. For Cromwell's tasks the same stands under
    the names of the Azure Batch TES too (`ms-submitter-name` and so on), wherever they run.
    """
    return _run


def _run(request: DistributionRequest, call_next: Next) -> Distribution:
    found = recognise(request.task)
    if found is None:
        return call_next(request)
    metadata = _metadata(found)
    context = replace(request.context, metadata={**request.context.metadata, **metadata})
    return call_next(replace(request, context=context)).after((), metadata=metadata)


def _metadata(found: Submitter) -> Mapping[str, str]:
    texts = {
        "submitter.engine": found.engine,
        "submitter.workflow_id": found.workflow_id,
        "submitter.workflow_name": found.workflow_name,
        "submitter.step": found.step,
    }
    if found.engine == "cromwell":
        texts |= {
            "ms-submitter-name": found.engine,
            "ms-submitter-workflow-id": found.workflow_id,
            "ms-submitter-workflow-name": found.workflow_name,
            "ms-submitter-workflow-stage": found.step,
        }
    return {name: text for name, text in texts.items() if text}


def _bounded(text: str | None) -> str | None:
    if not text:
        return None
    return "".join(each if each.isprintable() else " " for each in text[:LONGEST]).strip() or None


def _cromwell(task: TaskView) -> Submitter | None:
    """What the Azure servers take for Cromwell's; or labels as tags, `root_workflow_id` among them, or its usual paths.

    Paths are `.../<workflow>/<run id>/call-<step>/...`. The run is the root workflow's, which the tag alone names.
    """
    run = task.tags.get("root_workflow_id")
    seen = seen_by("tesazure", task) or seen_by("ga4gh-tes", task)
    if seen is not None:
        return Submitter(
            engine="cromwell",
            workflow_id=run or seen.workflow_id,
            workflow_name=seen.workflow_name,
            step=seen.call,
        )
    match = next((match for path in _paths(task) if (match := _CROMWELL_PATH.search(path))), None)
    if not run and (match is None or "/cromwell-executions/" not in match.string):
        return None
    workflow, own_run, call = match.groups() if match is not None else (None, None, None)
    first, dot, last = (task.name or "").partition(".")
    return Submitter(
        engine="cromwell",
        workflow_id=run or own_run,
        workflow_name=workflow or (first if dot else None),
        step=call or (last if dot else task.name),
    )


def _nextflow(task: TaskView) -> Submitter | None:
    """Runs `.command.run` in `/work`; the name is the process, with its scopes, and a tag in parentheses."""
    if not any(_NEXTFLOW_CONTROL.search(text) for text in (*_commands(task), *_paths(task))):
        return None
    process = (task.name or "").partition(" (")[0]
    workflow, colon, _ = process.partition(":")
    return Submitter(engine="nextflow", workflow_name=workflow if colon else None, step=process)


def _snakemake(task: TaskView) -> Submitter | None:
    """A job script `/tmp/run_snakemake.sh`, or a name `snakejob.<rule>.<job>.sh`."""
    match = _SNAKEMAKE_NAME.fullmatch(task.name or "")
    if match is None and not any(item.path == _SNAKEMAKE_SCRIPT for item in task.inputs):
        return None
    return Submitter(engine="snakemake", step=match.group(1) if match is not None else task.name)


def _toil(task: TaskView) -> Submitter | None:
    """Runs `_toil_contained_executor` in Toil's own image."""
    ours = any(
        (each.command and each.command[0].startswith("_toil_")) or "/ucsc_cgl/toil:" in each.image
        for each in task.executors
    )
    return Submitter(engine="toil", step=task.name) if ours else None


def _galaxy(task: TaskView) -> Submitter | None:
    """Pulsar's steps (staging, tool, finish), which share the volume `/pulsar_staging`."""
    if "/pulsar_staging" not in task.volumes and not any("pulsar-pod-staging" in each.image for each in task.executors):
        return None
    return Submitter(engine="galaxy", step=task.name)


def _sprocket(task: TaskView) -> Submitter | None:
    """The tag `crankshaft-task-group`, one per run."""
    group = task.tags.get("crankshaft-task-group")
    return Submitter(engine="sprocket", workflow_id=group, step=task.name) if group else None


def _cwl_tes(task: TaskView) -> Submitter | None:
    """The tag `CWLDocumentId`, where the document has an id; works in `/var/spool/cwl`."""
    document = task.tags.get("CWLDocumentId")
    if document is None and not any((each.workdir or "").startswith("/var/spool/cwl") for each in task.executors):
        return None
    name = re.split(r"[/#]", document.partition("#")[0].rstrip("/"))[-1] if document else None
    return Submitter(engine="cwl-tes", workflow_name=name, step=task.name)


_LOOKS: tuple[Callable[[TaskView], Submitter | None], ...] = (
    _toil,
    _galaxy,
    _snakemake,
    _nextflow,
    _cromwell,
    _sprocket,
    _cwl_tes,
)
"""The most certain signs first: Toil may run CWL, and tags may be anybody's."""


def _paths(task: TaskView) -> Iterator[str]:
    """Return what may hold an engine's own paths."""
    for item in task.inputs:
        yield item.path
        yield item.url or ""
    for output in task.outputs:
        yield output.path
        yield output.url
    for executor in task.executors:
        yield from (executor.stdout or "", executor.stderr or "")


def _commands(task: TaskView) -> Iterator[str]:
    return (argument for executor in task.executors for argument in executor.command)
