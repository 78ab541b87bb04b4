"""The chain: steps composed into one function, the laws they keep, and what happens when a step fails.

Laws (DESIGN.md section 5): a chain never invents a candidate, never loses one without a reason, and gives the same
answer for the same set of candidates and the same seed, whatever their order.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal

from middleware.errors import ChainError, LawBroken, NotApplicable, describe
from middleware.kinds import AnyMiddleware, Rewrite, kind_of, lift
from middleware.types import (
    Candidate,
    Context,
    Distribution,
    DistributionRequest,
    Kind,
    Middleware,
    Next,
    Offer,
    Outcome,
    PathMapping,
    Provides,
    TaskView,
    TraceEntry,
)

__all__ = ["Chain", "OnError", "Rewritten", "Step", "compose"]

_LOG = logging.getLogger(__name__)

OnError = Literal["fail", "skip"]


def compose(chain: Sequence[Middleware], last: Next) -> Next:
    """Fold raw middleware into one function: the first is outermost, an empty chain is `last` itself."""

    def around(inner: Next, outer: Middleware) -> Next:
        return lambda request: outer(request, inner)

    return reduce(around, reversed(chain), last)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain: a middleware and its alternatives, the first one that works is used.

    Raises:
        ValueError: There is no middleware, or rewrites are mixed with other kinds.
    """

    choices: tuple[tuple[str, AnyMiddleware], ...]
    """Name and middleware, in the order in which they are tried."""
    on_error: OnError = "fail"
    """What it means when one failed and none worked: the end of the choice, or as if the step were not there."""

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("a step needs a middleware")
        if len({kind_of(each) == "rewrite" for _, each in self.choices}) > 1:
            raise ValueError("a rewrite can only have rewrites as alternatives")

    @property
    def name(self) -> str:
        """Name of the step: that of its first middleware."""
        return self.choices[0][0]

    @property
    def kind(self) -> Kind:
        """Kind of its first middleware."""
        return kind_of(self.choices[0][1])

    def entry(self, name: str, outcome: Outcome, text: str) -> TraceEntry:
        """Make a trace entry about the step as a whole; `name` is the middleware that was tried."""
        return TraceEntry(step=name, kind=self.kind, outcome=outcome, text=text)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A task as it is to be forwarded, and what the rewrites did."""

    task: TaskView
    trace: tuple[TraceEntry, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain, complete and frozen once it is made; safe to use from many threads if its middleware is."""

    steps: tuple[Step, ...]
    provides: Provides = field(init=False)
    """What its rewrites can mend."""
    _run: Next = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        choosing = [_guard(step) for step in self.steps if step.kind != "rewrite"]
        object.__setattr__(self, "_run", compose(choosing, _last))
        object.__setattr__(self, "provides", _provided(self.steps))

    def distribute(self, request: DistributionRequest) -> Distribution:
        """Decide which candidates may run the task, and in which order.

        Raises:
            ValueError: Two candidates have the same id.
            ChainError: A step failed whose `on_error` is `fail`.
        """
        if len({candidate.id for candidate in request.candidates}) != len(request.candidates):
            raise ValueError("two candidates have the same id")
        # One order for all callers: no middleware can depend on how the candidates happened to arrive.
        candidates = tuple(sorted(request.candidates, key=lambda each: (each.url, each.id)))
        context = replace(request.context, provides=self.provides)
        return self._run(replace(request, candidates=candidates, context=context))

    def rewrite(self, task: TaskView, candidate: Candidate, context: Context) -> Rewritten:
        """Apply the rewrites, in order, for the chosen candidate.

        Raises:
            ChainError: A rewrite failed whose `on_error` is `fail`.
        """
        done = Rewritten(task, ())
        for step in self.steps:
            if step.kind == "rewrite":
                result = _rewrite_once(step, done.task, candidate, context)
                done = Rewritten(result.task, done.trace + result.trace)
        return done


def _last(request: DistributionRequest) -> Distribution:
    """End a chain: all candidates that are left, in the order they have now."""
    offers = request.context.offers
    return Distribution(
        task=request.task,
        ranked=tuple(offers.get(each.id) or Offer(candidate_id=each.id) for each in request.candidates),
    )


def _guard(step: Step) -> Middleware:
    """Run a step's alternatives until one works, hold it to the laws, and do what `on_error` says."""
    lifted = [(name, lift(name, each), kind_of(each)) for name, each in step.choices]

    def run(request: DistributionRequest, call_next: Next) -> Distribution:
        trace: list[TraceEntry] = []
        failure: Exception | None = None
        for name, middleware, kind in lifted:
            try:
                result = middleware(request, call_next)
                if kind == "raw":  # what is lifted keeps the laws by its making
                    _check_laws(request, result)
            except ChainError:
                raise  # an inner step has failed for good; it is not this one's to mend
            except NotApplicable as reason:
                trace.append(step.entry(name, "not_applicable", str(reason)))
            except Exception as error:  # noqa: BLE001  what a step means by failing is for `on_error` to say
                failure = error
                trace.append(_failed(step, name, error))
            else:
                if kind == "raw":
                    trace.append(step.entry(name, "passed", f"{len(result.ranked)} remain"))
                return result.after(tuple(trace))
        _give_up(step, failure, trace)
        return call_next(request).after(tuple(trace))

    return run


def _rewrite_once(step: Step, task: TaskView, candidate: Candidate, context: Context) -> Rewritten:
    trace: list[TraceEntry] = []
    failure: Exception | None = None
    for name, middleware in step.choices:
        if not isinstance(middleware, Rewrite):
            continue
        try:
            rewritten = middleware.apply(task, candidate, context)
            if not isinstance(rewritten, TaskView) or rewritten.id != task.id:
                raise LawBroken("a rewrite returns the same task, changed")
        except NotApplicable as reason:
            trace.append(step.entry(name, "not_applicable", str(reason)))
        except Exception as error:  # noqa: BLE001  what a step means by failing is for `on_error` to say
            failure = error
            trace.append(_failed(step, name, error))
        else:
            text = "left as it was" if rewritten == task else "changed"
            return Rewritten(rewritten, (*trace, step.entry(name, "rewritten", text)))
    _give_up(step, failure, trace)
    return Rewritten(task, tuple(trace))


def _failed(step: Step, name: str, error: Exception) -> TraceEntry:
    _LOG.warning(
        "middleware %s failed: %s",
        name,
        describe(error),
        extra={"action": "middleware_failed", "middleware": name},
    )
    return step.entry(name, "failed", describe(error))


def _give_up(step: Step, failure: Exception | None, trace: list[TraceEntry]) -> None:
    """End the choice where a failed step may not be skipped; else note that it is."""
    if failure is None:
        return
    if step.on_error == "fail":
        raise ChainError(step.name, failure) from failure
    trace.append(step.entry(step.name, "skipped", "the chain goes on without this step"))


def _check_laws(request: DistributionRequest, result: Distribution) -> None:
    """Compare what came out of a step with what went in.

    Raises:
        LawBroken: A candidate was lost, invented or doubled, or is both ranked and rejected.
    """
    if not isinstance(result, Distribution):
        raise LawBroken("a middleware returns a Distribution")
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in result.metadata.items()):
        raise LawBroken("metadata is a map of strings")
    before = {candidate.id for candidate in request.candidates}
    ranked = {offer.candidate_id for offer in result.ranked}
    if len(ranked) != len(result.ranked):
        raise LawBroken("a candidate was ranked twice")
    if not result.rejected.keys().isdisjoint(ranked):
        raise LawBroken("a candidate was both ranked and rejected")
    after = ranked | result.rejected.keys()
    if not after <= before:
        raise LawBroken("a candidate was invented")
    if not before <= after:
        raise LawBroken("a candidate was lost without a reason")


def _provided(steps: Sequence[Step]) -> Provides:
    """Sum up what the rewrites can mend; of alternatives, what each of them can, since any may be the one used."""
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    paths: list[PathMapping] = []
    for step in steps:
        each = [made.provides for _, made in step.choices if isinstance(made, Rewrite)]
        if each:
            inputs |= frozenset.intersection(*(one.input_schemes for one in each))
            outputs |= frozenset.intersection(*(one.output_schemes for one in each))
            paths += [path for path in each[0].paths if all(path in one.paths for one in each)]
    return Provides(input_schemes=inputs, output_schemes=outputs, paths=tuple(paths))
