"""Filter `feasible`: leaves out what cannot run a task, before anything is scored (ESTIMATES.md, "Feasible first").

What an instance does not declare never excludes it, but for strict backend parameters. What a document and a
declaration decide is permanent; health, load, what a data server said and how long the task may run are not (DESIGN.md
section 4).

What depends on the task alone is worked out once per task: the filter is asked about a thousand candidates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from middleware import feasible_dialect
from middleware.errors import OptionError
from middleware.feasible_paths import bare_paths
from middleware.kinds import Filter, Judge
from middleware.needs import scheme_of
from middleware.types import Candidate, Context, Reason, TaskView

__all__ = ["create"]

Complaint = tuple[str, str]
"""Code and text of one reason."""

Part = Callable[[Candidate], Iterable[Complaint] | None]
"""Judges candidates in one respect; None, at once, where nothing is wrong."""


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
    exclude_unknown = unknown_zone == "exclude"

    def prepare(task: TaskView, context: Context) -> Judge:
        lasting = [
            part
            for part in (
                _resources(task),
                _schemes(task, context),
                bare_paths(task, context),
                _zones(task, context, exclude_unknown),
                _parameters(task),
                feasible_dialect.executors(task),
                feasible_dialect.features(task),
                feasible_dialect.shape(task),
                _tokens(context),
            )
            if part is not None
        ]
        passing = [
            part for part in (_fetched(task, context), feasible_dialect.run_time(context), _state) if part is not None
        ]

        def judge(candidate: Candidate) -> Reason | None:
            return _reason(lasting, candidate, permanent=True) or _reason(passing, candidate, permanent=False)

        return judge

    return Filter.prepared(prepare)


def _reason(parts: list[Part], candidate: Candidate, *, permanent: bool) -> Reason | None:
    complaints: list[Complaint] = []
    for part in parts:
        found = part(candidate)
        if found is not None:
            complaints.extend(found)
    if not complaints:
        return None
    return Reason(code=complaints[0][0], text="; ".join(text for _, text in complaints), permanent=permanent)


def _resources(task: TaskView) -> Part | None:
    asked = task.resources
    cpu_cores, ram_gb, disk_gb = asked.cpu_cores or 0, asked.ram_gb or 0, asked.disk_gb or 0
    if not cpu_cores and not ram_gb and not disk_gb:
        return None

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        limits = candidate.limits
        cores, ram, disk = limits.max_cpu_cores, limits.max_ram_gb, limits.max_disk_gb
        if (
            (cores is None or cpu_cores <= cores)
            and (ram is None or ram_gb <= ram)
            and (disk is None or disk_gb <= disk)
        ):
            return None
        asked_and_had = (("cpu_cores", cpu_cores, cores), ("ram_gb", ram_gb, ram), ("disk_gb", disk_gb, disk))
        return _too_much(asked_and_had)

    return judge


def _too_much(amounts: Iterable[tuple[str, float, float | None]]) -> Iterator[Complaint]:
    for name, need, have in amounts:
        if have is not None and need > have:
            yield "resources", f"needs {_number(need)} {name}, declares {_number(have)}"


def _number(value: float) -> str:
    return str(int(value)) if value % 1 == 0 else str(value)


def _schemes(task: TaskView, context: Context) -> Part | None:
    """Schemes that no rewrite can mend, but for `file`: there it depends on the path."""
    mended = context.provides
    elsewhere_in, elsewhere_out = mended.input_schemes | {"file"}, mended.output_schemes | {"file"}
    inputs = {name: at for name, at in task.needs.input_schemes.items() if name not in elsewhere_in}
    outputs = {name: at for name, at in task.needs.output_schemes.items() if name not in elsewhere_out}
    if not inputs and not outputs:
        return None

    needed_in, needed_out = frozenset(inputs), frozenset(outputs)

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        taken_in, taken_out = candidate.limits.input_schemes, candidate.limits.output_schemes
        if (taken_in is None or needed_in <= taken_in) and (taken_out is None or needed_out <= taken_out):
            return None
        return [*_not_taken("inputs", inputs, taken_in), *_not_taken("outputs", outputs, taken_out)]

    return judge


def _not_taken(what: str, needed: Mapping[str, str], taken: frozenset[str] | None) -> Iterator[Complaint]:
    for scheme, field in needed.items():
        if taken is not None and scheme not in taken:
            name = f"{scheme} URLs" if scheme else "relative paths"
            yield "schemes", f"takes no {name} for {what} ({field}), declares {_listed(taken)}"


def _fetched(task: TaskView, context: Context) -> Part | None:
    """Inputs whose scheme a rewrite mends: it can only turn them into what their replicas are read by."""
    mended = context.provides.input_schemes & task.needs.input_schemes.keys()
    ways: dict[tuple[str, frozenset[str]], str] = {}
    for index, item in enumerate(task.inputs if mended else ()):
        if item.content is not None or item.url is None or (own := scheme_of(item.url)) not in mended:
            continue
        known = context.data.get(item.url)
        schemes = frozenset(scheme_of(each.url) for each in known.replicas) if known is not None else frozenset()
        # A replica under the input's own scheme gets its URL at the time of use: what that will be is not known yet.
        if schemes and own not in schemes:
            ways.setdefault((own, schemes), f"inputs[{index}].url")
    if not ways:
        return None

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        taken = candidate.limits.input_schemes
        if taken is None:
            return None
        return [
            ("schemes", f"takes no {_listed(schemes)} URLs, by which {field} can be read, declares {_listed(taken)}")
            for (own, schemes), field in ways.items()
            if own not in taken and taken.isdisjoint(schemes)
        ]

    return judge


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _zones(task: TaskView, context: Context, exclude_unknown: bool) -> Part | None:
    """Compare zones without regard to case: country codes and cloud regions are written either way."""
    allowed, asked = context.preference.allowed_zones, task.resources.zones
    if not allowed and not asked:
        return None
    folded, listed = {each.casefold() for each in allowed}, ", ".join(allowed)

    def complaints(candidate: Candidate) -> Iterator[Complaint]:
        zone, served = candidate.zone, candidate.limits.zones
        if allowed and zone is not None and zone.casefold() not in folded:
            yield "zones", f"is in zone {zone}, allowed are {listed}"
        elif allowed and zone is None and exclude_unknown:
            yield "zones", f"declares no zone, allowed are {listed}"
        if asked and served is not None and served.isdisjoint(asked):
            yield "zones", f"serves none of the zones in resources.zones, declares {_listed(served)}"

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        if not asked and candidate.zone in allowed:
            return None
        return complaints(candidate)

    return judge


def _parameters(task: TaskView) -> Part | None:
    asked = task.resources
    if not asked.backend_parameters_strict or not asked.backend_parameters:
        return None

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        known = candidate.limits.backend_parameters or frozenset()
        unknown = frozenset(asked.backend_parameters) - known
        if not unknown:
            return None
        text = f"does not know the strict backend_parameters {_listed(unknown)}, declares {_listed(known)}"
        return [("backend_parameters", text)]

    return judge


def _tokens(context: Context) -> Part:
    needed, has = context.token_kinds, context.has_token

    def judge(candidate: Candidate) -> Iterable[Complaint] | None:
        taken = candidate.limits.token_kinds
        if candidate.limits.needs_token and not has:
            return [("token", "runs tasks with their callers' own tokens, and this one has none that is valid")]
        if taken is None or needed <= taken:
            return None
        return [("token", f"does not take {_listed(needed - taken)} tokens, takes {_listed(taken)}")]

    return judge


def _state(candidate: Candidate) -> Iterable[Complaint] | None:
    bound, found = candidate.max_in_flight, []
    if candidate.ejected is not None:
        found.append(("ejected", f"takes no tasks at the moment: {candidate.ejected}"))
    if bound is not None and candidate.in_flight >= bound:
        found.append(("full", f"is full: {candidate.in_flight} tasks in flight, at most {bound}"))
    return found
