"""Rewrite `drs`: turns `drs://` inputs into URLs that the chosen instance can fetch, just before forwarding.

As late as possible, because such URLs expire. Only the forwarded copy changes; the client's document stays as it is.
"""

from dataclasses import replace

from middleware.errors import NotApplicable, Unavailable
from middleware.kinds import Rewrite
from middleware.needs import scheme_of
from middleware.types import AccessPort, Candidate, Context, InputView, Provides, Replica, TaskView

__all__ = ["create"]

_SCHEME = "drs"


def create() -> Rewrite:
    """Make the rewrite; it has no options.

    An instance that declares the input scheme `drs`, or that names such storage in service-info, gets its inputs as
    they are. The replica is the one that the ranker chose (`Estimate.replicas`), any where it chose none.

    The rewrite raises `Unavailable` where there is no URL for an input now, so that the next instance is tried.
    """
    return Rewrite(_apply, Provides(input_schemes=frozenset({_SCHEME})))


def _apply(task: TaskView, candidate: Candidate, context: Context) -> TaskView:
    taken = candidate.limits.input_schemes
    mend = [index for index, item in enumerate(task.inputs) if _is_drs(item)]
    if not mend or candidate.limits.takes_drs or (taken is not None and _SCHEME in taken):
        return task
    if context.access is None:
        raise NotApplicable("nothing here resolves drs:// inputs")
    inputs = list(task.inputs)
    for index in mend:
        url = _fetchable(
            context.access, inputs[index].url or "", _chosen(index, inputs[index], candidate, context), taken
        )
        if url is None:
            listed = "" if taken is None else f" among {', '.join(sorted(taken)) or 'none'}"
            raise Unavailable(f"no URL with a scheme{listed} can be had for inputs[{index}].url now")
        inputs[index] = replace(inputs[index], url=url)
    return replace(task, inputs=tuple(inputs))


def _is_drs(item: InputView) -> bool:
    return item.content is None and item.url is not None and scheme_of(item.url) == _SCHEME


def _chosen(index: int, item: InputView, candidate: Candidate, context: Context) -> Replica | None:
    offer, known = context.offers.get(candidate.id), context.data.get(item.url or "")
    if offer is None or known is None or index >= len(offer.estimate.replicas):
        return None
    place = offer.estimate.replicas[index]
    return known.replicas[place] if 0 <= place < len(known.replicas) else None


def _fetchable(port: AccessPort, url: str, replica: Replica | None, taken: frozenset[str] | None) -> str | None:
    found = port.access(url, replica, taken)
    if found is None or scheme_of(found) == _SCHEME or (taken is not None and scheme_of(found) not in taken):
        return None
    return found
