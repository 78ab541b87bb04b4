"""The part of `feasible` that is about what an instance's make rejects, drops or corrupts (DIALECTS.md 2.2). Pure."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from middleware.needs import Feature
from middleware.types import Candidate, Context, TaskView

__all__ = ["FEATURES", "document_bytes", "executors", "features", "run_time", "shape"]

Complaint = tuple[str, str]
"""Code and text of one reason."""

Part = Callable[[Candidate], Iterable[Complaint] | None]

FEATURES: Mapping[Feature, str] = {
    "backend_parameters": "any backend_parameters",
    "blanks": "white space in env, workdir, image or paths",
    "content": "inputs with content",
    "directory_content": "inputs with content that are directories",
    "empty_content": "inputs with empty content",
    "fractional_ram": "a ram_gb that is not whole",
    "ignore_error": "ignore_error",
    "path_like_arguments": "arguments that change when read as a path (empty, //, /./, leading ./, trailing /)",
    "path_prefix": "wildcards in outputs",
    "stderr": "stderr",
    "stdin": "stdin",
    "stdout": "stdout",
    "volumes": "volumes",
    "workdir": "workdir",
}
"""What people call them."""

_COMPUTED = "needs"
_PUNCTUATION_BYTES = 4
"""Of a field in JSON: a colon, a comma and the spaces that some writers put there."""


def executors(task: TaskView) -> Part:
    """Judge by how many executors run."""
    needed = len(task.executors)

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        most = candidate.limits.max_executors
        if most is None or needed <= most:
            return None
        return [("dialect", f"runs {most} executor(s) per task, needs {needed}")]

    return judge


def features(task: TaskView) -> Part | None:
    """Judge by the parts of TES that the task uses; None where it uses none that any server lacks."""
    used = task.needs.features
    if not used:
        return None

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        lacking = candidate.limits.unsupported
        if lacking.isdisjoint(used):
            return None
        return [
            ("dialect", f"does not support {FEATURES[feature]} ({field})")
            for feature, field in used.items()
            if feature in lacking
        ]

    return judge


def shape(task: TaskView) -> Part:
    """Judge by the size of the task itself, and by where its inputs and outputs lie in the container."""
    known: dict[str, list[Complaint]] = {}
    size: list[int] = []

    def outside(root: str) -> list[Complaint]:
        if root not in known:
            known[root] = list(_outside(task, root))
        return known[root]

    def too_big(most: int) -> list[Complaint]:
        if not size:
            size.append(document_bytes(task))
        if size[0] <= most:
            return []
        return [("dialect", f"takes tasks of {most} bytes of JSON at most, this one has about {size[0]}")]

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        most, root = candidate.limits.max_document_bytes, candidate.limits.path_root
        if most is None and root is None:
            return None
        return [*(too_big(most) if most is not None else ()), *(outside(root) if root is not None else ())]

    return judge


def run_time(context: Context) -> Part | None:
    """Judge by how long the task is expected to run there; None where nothing is known of that.

    What is expected may be wrong, and speeds and learned run times change: never a permanent reason.
    """
    learned = context.runtime.value if context.runtime is not None else None
    seconds = context.preference.runtime_seconds or learned
    if not seconds:
        return None

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        most = candidate.limits.max_runtime_seconds
        if most is None:
            return None
        expected = seconds / (candidate.speed or 1.0)
        if expected <= most:
            return None
        text = f"gives up a task after {most:g} s, this one is expected to run {math.ceil(expected)} s there"
        return [("dialect", text)]

    return judge


def document_bytes(task: TaskView) -> int:
    """Return about how many bytes of UTF-8 the task has as JSON; never too few for what the view has."""
    return _bytes(task)


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return 2 + sum(_bytes(key) + _bytes(each) + _PUNCTUATION_BYTES for key, each in value.items())
    if isinstance(value, tuple):
        return 2 + sum(_bytes(each) + 2 for each in value)
    if is_dataclass(value):
        used = {each.name: getattr(value, each.name) for each in fields(value) if each.name != _COMPUTED}
        return _bytes({name: each for name, each in used.items() if each not in (None, (), False)})
    return len(str(value))


def _outside(task: TaskView, root: str) -> Iterator[Complaint]:
    """The first path that is not below the root."""
    below = root.rstrip("/") + "/"
    paths = [
        *((f"inputs[{index}].path", item.path) for index, item in enumerate(task.inputs)),
        *((f"outputs[{index}].path", output.path) for index, output in enumerate(task.outputs)),
    ]
    for field, path in paths:
        if not path.startswith(below):
            yield "dialect", f"mounts only {root} into containers ({field})"
            return
