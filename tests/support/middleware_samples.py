"""Tasks, candidates and requests for the tests of the middleware."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from middleware import (
    Candidate,
    Chain,
    Context,
    Distribution,
    DistributionRequest,
    ExecutorView,
    Preference,
    Prices,
    StepSpec,
    TaskView,
    build_chain,
)

ECHO = ExecutorView(image="alpine", command=("echo", "hello"))


def task(**fields: Any) -> TaskView:
    """Make a task; one harmless executor unless told otherwise."""
    return TaskView(**{"id": "task-1", "executors": (ECHO,), **fields})


def candidate(name: str, **fields: Any) -> Candidate:
    """Make a candidate of this id."""
    return Candidate(**{"id": name, "url": f"https://{name}.example/ga4gh/tes/v1", **fields})


def prices(cpu: str | None = None, *, currency: str = "EUR", **fields: Any) -> Prices:
    """Make prices, of which those not named are unknown."""
    return Prices(currency=currency, cpu_core_hour=None if cpu is None else Decimal(cpu), **fields)


def request(
    candidates: Iterable[Candidate],
    *,
    of: TaskView | None = None,
    preference: Preference | None = None,
    seed: str = "task-1",
    rates: Mapping[str, Decimal] | None = None,
) -> DistributionRequest:
    """Make a request."""
    context = Context(seed=seed, preference=preference or Preference(), rates=rates or {})
    return DistributionRequest(task=of or task(), candidates=tuple(candidates), context=context)


def chain(*names: str, **options: Any) -> Chain:
    """Build a chain of installed middleware; the options are the last step's."""
    specs = [StepSpec(name) for name in names[:-1]]
    return build_chain([*specs, StepSpec(names[-1], options)])


def order(distribution: Distribution) -> list[str]:
    """Return the ids of the ranked candidates, best first."""
    return [offer.candidate_id for offer in distribution.ranked]
