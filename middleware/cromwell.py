"""How the two Azure TES servers tell that a task is Cromwell's (DIALECTS.md 3.2 and 3.3). Pure.

Both then map bare paths to storage and look for further inputs in the execution directory, so a task that one of them
recognises must reach it as Cromwell wrote it: description, order of outputs, `url` and `path`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from middleware.task import InputView, TaskView

__all__ = ["WORK_ROOT", "CromwellCall", "CromwellRule", "seen_by"]

CromwellRule = Literal["tesazure", "ga4gh-tes"]
"""Whose rule it is."""

WORK_ROOT = "/tes-wd"
"""Where tesazure's nodes have their work; the root that its Cromwell must be configured with."""

_LONGEST_PATH = 4096
"""What is longer is no path on Linux, and would be slow to match."""

_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_RC_PATHS = {
    "tesazure": re.compile(rf"{WORK_ROOT}(?:/.*)?/([^/]+)/({_UUID})/call-([^/]+)(?:/.*)?/execution/rc"),
    "ga4gh-tes": re.compile(rf"/.+/([^/]+)/({_UUID})/call-([^/]+)(?:/shard-[0-9]+)?(?:/attempt-[0-9]+)?/execution/rc"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CromwellCall:
    """What the path of a task's return code says."""

    workflow_id: str
    """UUID of the workflow's run, of the innermost one where workflows are nested."""
    workflow_name: str
    call: str
    """Name of the task in the workflow."""


def seen_by(rule: CromwellRule, task: "TaskView") -> CromwellCall | None:
    """Tell whether a server takes a task for Cromwell's, and which call it then sees."""
    outputs = _outputs_of_tesazure(task) if rule == "tesazure" else _outputs_of_ga4gh_tes(task)
    run = (task.description or "").partition(":")[0]
    for path in outputs:
        match = _RC_PATHS[rule].fullmatch(path) if len(path) <= _LONGEST_PATH else None
        if match is not None and match.group(2) == run:
            name, workflow_id, call = match.groups()
            return CromwellCall(workflow_id=workflow_id, workflow_name=name, call=call)
    return None


def _outputs_of_tesazure(task: "TaskView") -> Iterator[str]:
    """Paths that may be the return code's; none where the outputs are not Cromwell's."""
    paths = [output.path for output in task.outputs]
    ends = ("execution/stdout", "execution/stderr")
    if all(output.url == output.path for output in task.outputs) and all(_any_ends(paths, end) for end in ends):
        yield from paths


def _outputs_of_ga4gh_tes(task: "TaskView") -> Iterator[str]:
    """Paths that may be the return code's; none without the script and what it writes."""
    names = {output.name for output in task.outputs}
    if {"rc", "stdout", "stderr"} <= names and any(_is_script(item) for item in task.inputs):
        yield from (output.path for output in task.outputs if output.name == "rc")


def _is_script(item: "InputView") -> bool:
    return (
        item.type == "FILE"
        and item.name == "commandScript"
        and (item.description or "").endswith(".commandScript")
        and item.path.endswith("/script")
    )


def _any_ends(paths: list[str], end: str) -> bool:
    return any(path.endswith(end) for path in paths)
