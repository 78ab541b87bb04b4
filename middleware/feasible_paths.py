"""The part of `feasible` that is about bare paths: whether an instance takes, maps, or is given URLs for them. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from middleware.cromwell import WORK_ROOT, seen_by
from middleware.needs import scheme_of
from middleware.path_mapping import PathMapping, is_below, joined, longest, own_path_judge, path_of
from middleware.types import Candidate, Context, Limits, TaskView

__all__ = ["bare_paths"]

Complaint = tuple[str, str]
"""Code and text of one reason."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An input or output whose URL is a bare path or a `file` URL."""

    what: str
    field: str
    path: str
    """Empty where the URL names another host."""


def bare_paths(task: TaskView, context: Context) -> Callable[[Candidate], Iterable[Complaint] | None] | None:
    """Return a function that judges candidates; None where the task has no such URL.

    An instance may have one that it maps itself, that a rewrite maps to a scheme it takes, or where it takes `file`.
    What declares no schemes takes all but paths of Cromwell's that mean something to tesazure alone (DIALECTS.md 3.2).
    """
    places = list(_places(task, context))
    if not places:
        return None
    mappings = [(each, each.judge()) for each in context.provides.paths]
    judge = _Judge(places, own_path_judge(task), seen_by("tesazure", task) is not None)
    # Many candidates declare the same, and a task may have many inputs.
    known: dict[object, list[Complaint]] = {}

    def complaints(candidate: Candidate) -> Iterable[Complaint] | None:
        limits = candidate.limits
        applied = tuple(mapping for mapping, is_for in mappings if is_for(candidate))
        key = (limits.input_schemes, limits.output_schemes, limits.own_paths, limits.own_paths_rule, applied)
        found = known.get(key)
        if found is None:
            found = known[key] = list(judge.complaints(limits, applied))
        return found or None

    return complaints


def _places(task: TaskView, context: Context) -> Iterator[_Place]:
    """What no rewrite mends whatever the path; each path once."""
    mended = context.provides
    urls = [
        ("inputs", f"inputs[{index}].url", item.url)
        for index, item in enumerate(task.inputs)
        if item.content is None and item.url is not None and "file" not in mended.input_schemes
    ]
    if "file" not in mended.output_schemes:
        urls += [("outputs", f"outputs[{index}].url", output.url) for index, output in enumerate(task.outputs)]
    for what, field, url in urls:
        if scheme_of(url) == "file":
            yield _Place(what, field, path_of(url) or "")


@dataclass(frozen=True, slots=True)
class _Judge:
    places: Sequence[_Place]
    maps_itself: Callable[[Limits, str], bool]
    is_for_tesazure: bool

    def complaints(self, limits: Limits, mappings: Sequence[PathMapping]) -> Iterator[Complaint]:
        """Say what stands in the way, the first field of each kind."""
        said: set[str] = set()
        for place in self.places:
            taken = limits.input_schemes if place.what == "inputs" else limits.output_schemes
            problem = self._problem(place, limits, taken, mappings)
            if problem is not None and problem[0] not in said:
                said.add(problem[0])
                yield "schemes", problem[1]

    def _problem(
        self, place: _Place, limits: Limits, taken: frozenset[str] | None, mappings: Sequence[PathMapping]
    ) -> tuple[str, str] | None:
        """What is wrong with one, with its kind in front."""
        if self.maps_itself(limits, place.path):
            return None
        mapping = longest(place.path, mappings)
        if mapping is not None and (taken is None or mapping.scheme in taken):
            if joined("", mapping.prefix, place.path) is None:
                return mapping.prefix, f"gets no URL for {place.field}, no clean path below {mapping.prefix}"
            return None
        if taken is not None and "file" not in taken:
            listed = ", ".join(sorted(taken)) or "none"
            return place.what, f"takes no file URLs for {place.what} ({place.field}), declares {listed}"
        if taken is None and self.is_for_tesazure and is_below(place.path, WORK_ROOT):
            return WORK_ROOT, f"maps no paths below {WORK_ROOT} to storage ({place.field})"
        return None
