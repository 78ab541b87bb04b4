"""Filter `feasible`: leaves out what cannot run a task, before anything is scored (ESTIMATES.md, "Feasible first").

What an instance does not declare never excludes it, but for strict backend parameters. What a document and a
declaration decide is permanent; health and load are not (DESIGN.md section 4).
"""

from collections.abc import Callable, Iterator, Mapping

from middleware.errors import OptionError
from middleware.kinds import Filter
from middleware.needs import Feature
from middleware.types import Candidate, Context, Reason, TaskView

__all__ = ["create"]

Complaint = tuple[str, str]
"""Code and text of one reason."""

_FEATURES: Mapping[Feature, str] = {
    "backend_parameters": "any backend_parameters",
    "content": "inputs with content",
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


def create(*, unknown_zone: str = "allow") -> Filter:
    """Make the filter.

    Args:
        unknown_zone: What becomes of an instance whose zone is not known when the client names allowed zones: `allow`,
            as with everything that is not declared, or `exclude`, where residency must be certain.

    Raises:
        OptionError: `unknown_zone` is neither.
    """
    if unknown_zone not in ("allow", "exclude"):
        raise OptionError("unknown_zone", "allow or exclude")
    zone_check = _zone_check(unknown_zone == "exclude")

    def check(task: TaskView, candidate: Candidate, context: Context) -> Reason | None:
        complaints = [
            *_resources(task, candidate),
            *_schemes(task, candidate, context),
            *zone_check(task, candidate, context),
            *_parameters(task, candidate),
            *_dialect(task, candidate),
        ]
        if complaints:
            return _reason(complaints, permanent=True)
        passing = list(_passing(candidate))
        return _reason(passing, permanent=False) if passing else None

    return Filter(check)


def _reason(complaints: list[Complaint], *, permanent: bool) -> Reason:
    return Reason(code=complaints[0][0], text="; ".join(text for _, text in complaints), permanent=permanent)


def _resources(task: TaskView, candidate: Candidate) -> Iterator[Complaint]:
    asked, limits = task.resources, candidate.limits
    for name, need, have in (
        ("cpu_cores", asked.cpu_cores, limits.max_cpu_cores),
        ("ram_gb", asked.ram_gb, limits.max_ram_gb),
        ("disk_gb", asked.disk_gb, limits.max_disk_gb),
    ):
        if need is not None and have is not None and need > have:
            yield "resources", f"needs {_number(need)} {name}, declares {_number(have)}"


def _number(value: float) -> str:
    return str(int(value)) if value % 1 == 0 else str(value)


def _schemes(task: TaskView, candidate: Candidate, context: Context) -> Iterator[Complaint]:
    limits, mended = candidate.limits, context.provides
    for what, needed, taken, provided in (
        ("inputs", task.needs.input_schemes, limits.input_schemes, mended.input_schemes),
        ("outputs", task.needs.output_schemes, limits.output_schemes, mended.output_schemes),
    ):
        if taken is None:
            continue
        for scheme, field in needed.items():
            if scheme not in taken and scheme not in provided:
                listed = ", ".join(sorted(taken)) or "none"
                name = f"{scheme} URLs" if scheme else "relative paths"
                yield "schemes", f"takes no {name} for {what} ({field}), declares {listed}"


def _zone_check(exclude_unknown: bool) -> Callable[[TaskView, Candidate, Context], Iterator[Complaint]]:
    def check(task: TaskView, candidate: Candidate, context: Context) -> Iterator[Complaint]:
        allowed, zone = context.preference.allowed_zones, candidate.zone
        if allowed and zone is not None and not _within(zone, allowed):
            yield "zones", f"is in zone {zone}, allowed are {', '.join(allowed)}"
        elif allowed and zone is None and exclude_unknown:
            yield "zones", f"declares no zone, allowed are {', '.join(allowed)}"
        asked, served = task.resources.zones, candidate.limits.zones
        if asked and served is not None and served.isdisjoint(asked):
            listed = ", ".join(sorted(served)) or "none"
            yield "zones", f"serves none of the zones in resources.zones, declares {listed}"

    return check


def _within(zone: str, allowed: tuple[str, ...]) -> bool:
    """Compare zones without regard to case: country codes and cloud regions are written either way."""
    return zone.casefold() in {each.casefold() for each in allowed}


def _parameters(task: TaskView, candidate: Candidate) -> Iterator[Complaint]:
    asked = task.resources
    if not asked.backend_parameters_strict or not asked.backend_parameters:
        return
    known = candidate.limits.backend_parameters or frozenset()
    unknown = sorted(asked.backend_parameters.keys() - known)
    if unknown:
        listed = ", ".join(sorted(known)) or "none"
        yield (
            "backend_parameters",
            f"does not know the strict backend_parameters {', '.join(unknown)}, declares {listed}",
        )


def _dialect(task: TaskView, candidate: Candidate) -> Iterator[Complaint]:
    limits = candidate.limits
    if limits.max_executors is not None and len(task.executors) > limits.max_executors:
        yield "dialect", f"runs {limits.max_executors} executor(s) per task, needs {len(task.executors)}"
    if limits.unsupported:
        for feature, field in task.needs.features.items():
            if feature in limits.unsupported:
                yield "dialect", f"does not support {_FEATURES[feature]} ({field})"


def _passing(candidate: Candidate) -> Iterator[Complaint]:
    if candidate.ejected is not None:
        yield "ejected", f"takes no tasks at the moment: {candidate.ejected}"
    bound = candidate.max_in_flight
    if bound is not None and candidate.in_flight >= bound:
        yield "full", f"is full: {candidate.in_flight} tasks in flight, at most {bound}"
