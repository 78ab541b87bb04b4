"""What a task document asks of an instance beyond amounts: URL schemes, and features that some TES servers lack."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from middleware.immutable import immutable

if TYPE_CHECKING:
    from middleware.task import ExecutorView, InputView, Resources, TaskView

__all__ = ["Feature", "Needs", "needs_of", "scheme_of"]

Feature = Literal[
    "backend_parameters",
    "blanks",
    "content",
    "directory_content",
    "empty_content",
    "fractional_ram",
    "ignore_error",
    "path_like_arguments",
    "path_prefix",
    "stderr",
    "stdin",
    "stdout",
    "volumes",
    "workdir",
]
"""A part of TES that some servers reject, drop or corrupt (`Limits.unsupported`).

`blanks` is white space where a command line for containers is put together of it: in `env`, `workdir`, `image`,
`volumes` and the paths of inputs and outputs. `content` is inline content of inputs, `directory_content` one with type
DIRECTORY, `empty_content` one with `content: ""`, `fractional_ram` a `ram_gb` that is not whole, `path_prefix`
wildcards in outputs, `path_like_arguments` command arguments that change when read as a path (empty, `a//b`, `a/./b`,
`./a`, `a/`). The others are the fields of that name.
"""

_BLANK = re.compile(r"\s")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case; `file` for a bare absolute path, empty where there is none."""
    if url.startswith("/"):
        return "file"
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Schemes and features a task uses, each with the path of the first field that uses it."""

    input_schemes: Mapping[str, str]
    """URL scheme -> field, for inputs without inline content."""
    output_schemes: Mapping[str, str]
    """URL scheme -> field, for outputs."""
    features: Mapping[Feature, str]
    """Feature -> field."""


def needs_of(task: "TaskView") -> Needs:
    """Find what a task asks of an instance."""
    inputs: dict[str, str] = {}
    for index, item in enumerate(task.inputs):
        if item.content is None and item.url is not None:
            inputs.setdefault(scheme_of(item.url), f"inputs[{index}].url")
    outputs: dict[str, str] = {}
    for index, output in enumerate(task.outputs):
        outputs.setdefault(scheme_of(output.url), f"outputs[{index}].url")
    features: dict[Feature, str] = {}
    for feature, path in _features(task):
        features.setdefault(feature, path)
    return Needs(input_schemes=immutable(inputs), output_schemes=immutable(outputs), features=immutable(features))


def _features(task: "TaskView") -> Iterator[tuple[Feature, str]]:
    for index, item in enumerate(task.inputs):
        yield from _of_input(item, f"inputs[{index}]")
    for index, output in enumerate(task.outputs):
        if output.path_prefix is not None:
            yield "path_prefix", f"outputs[{index}].path_prefix"
    for index, executor in enumerate(task.executors):
        yield from _of_executor(executor, f"executors[{index}]")
    yield from _of_resources(task.resources)
    if task.volumes:
        yield "volumes", "volumes"
    for path, text in _mounted(task):
        if _BLANK.search(text):
            yield "blanks", path


def _mounted(task: "TaskView") -> Iterator[tuple[str, str]]:
    """Paths that are mounted into containers."""
    yield from ((f"inputs[{index}].path", item.path) for index, item in enumerate(task.inputs))
    yield from (
        (f"outputs[{index}].path", output.path_prefix or output.path) for index, output in enumerate(task.outputs)
    )
    yield from ((f"volumes[{index}]", path) for index, path in enumerate(task.volumes))


def _of_input(item: "InputView", path: str) -> Iterator[tuple[Feature, str]]:
    if item.content is not None:
        yield "content", f"{path}.content"
        if not item.content:
            yield "empty_content", f"{path}.content"
        if item.type == "DIRECTORY":
            yield "directory_content", f"{path}.content"


def _of_executor(executor: "ExecutorView", path: str) -> Iterator[tuple[Feature, str]]:
    if executor.ignore_error:
        yield "ignore_error", f"{path}.ignore_error"
    if executor.workdir:
        yield "workdir", f"{path}.workdir"
    if executor.stdin:
        yield "stdin", f"{path}.stdin"
    if executor.stdout:
        yield "stdout", f"{path}.stdout"
    if executor.stderr:
        yield "stderr", f"{path}.stderr"
    if any(map(_BLANK.search, (executor.workdir or "", executor.image))):
        yield "blanks", f"{path}.{'image' if _BLANK.search(executor.image) else 'workdir'}"
    if any(_BLANK.search(text) for pair in executor.env.items() for text in pair):
        yield "blanks", f"{path}.env"
    for index, argument in enumerate(executor.command):
        if _changes_as_path(argument):
            yield "path_like_arguments", f"{path}.command[{index}]"
            break


def _of_resources(resources: "Resources") -> Iterator[tuple[Feature, str]]:
    if resources.ram_gb is not None and resources.ram_gb % 1:
        yield "fractional_ram", "resources.ram_gb"
    if resources.backend_parameters:
        yield "backend_parameters", "resources.backend_parameters"


def _changes_as_path(argument: str) -> bool:
    """Tell whether a server that reads arguments as paths would change this one (`/` and `.` alone it would not)."""
    if argument in ("", "/"):
        return not argument
    first, *others = argument.split("/")
    return (first == "." and bool(others)) or "" in others or "." in others
