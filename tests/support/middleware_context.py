"""Requests whose context says more than a preference."""

from collections.abc import Iterable
from typing import Any

from middleware import Candidate, Context, DistributionRequest, Replica, TaskView
from tests.support.middleware_samples import task


def asking(candidates: Iterable[Candidate], *, of: TaskView | None = None, **context: Any) -> DistributionRequest:
    """Make a request; the further fields are the context's."""
    surroundings = Context(**{"seed": "task-1", **context})
    return DistributionRequest(task=of or task(), candidates=tuple(candidates), context=surroundings)


class FakeAccess:
    """An access port that knows some URLs, and what it was asked."""

    def __init__(self, **urls: str) -> None:
        """Answer with these URLs, by the last part of the input's."""
        self._urls = urls
        self.asked: list[tuple[str, Replica | None, frozenset[str] | None]] = []

    def access(self, url: str, replica: Replica | None, schemes: frozenset[str] | None) -> str | None:
        """Return what is known."""
        self.asked.append((url, replica, schemes))
        return self._urls.get(url.rpartition("/")[2])
