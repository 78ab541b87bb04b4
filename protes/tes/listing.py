"""The list of an instance's active tasks, page by page, that can be left and taken up again (DIALECTS.md 2.5)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import Self

from protes.tes.dialects.base import Dialect, Listing
from protes.tes.errors import DownstreamError
from protes.tes.paging import Query, Walk
from protes.tes.read import SeenTask, read_seen


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on.

    Attributes:
        state: which of the dialect's lists by state it is, counted from 0.
        token: the page's token; None for the first page.
    """

    state: int = 0
    token: str | None = None


class ActiveList(Iterator[tuple[SeenTask, ...]]):
    """The pages, each the tasks that no page before has shown; asked for one by one, when they are wanted.

    Only ids and states are read.

    Attributes:
        place: where the page after the last one begins; None when the list has ended.
    """

    def __init__(
        self,
        fetch: Callable[[Query], object],
        dialect: Dialect,
        listing: Listing,
        base_url: str,
        place: Place,
    ) -> None:
        """Begin at a place; nothing is asked yet.

        Args:
            fetch: asks for a page in the listing's view and returns its JSON.
            dialect: of the instance.
            listing: how it lists.
            base_url: of the instance, for errors.
            place: where to begin.
        """
        self.place: Place | None = place
        self._fetch = fetch
        self._dialect = dialect
        self._listing = listing
        self._base_url = base_url
        self._pages = self._walk(place)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[SeenTask, ...]:
        """Return the next page. Raises DownstreamError: any but NotSent and TaskMissing."""
        try:
            return next(self._pages)
        except DownstreamError as error:
            error.instance = self._base_url  # the readers are pure and do not know it
            raise

    def _walk(self, start: Place) -> Iterator[tuple[SeenTask, ...]]:
        states = self._listing.states or (None,)
        for number in range(start.state, len(states)):
            state = states[number]
            walk = Walk(self._fetch, self._dialect, max_pages=self._listing.max_pages)
            token = start.token if number == start.state else None
            for entries in walk.pages([("state", state)] if state else [], self._listing.page_size, token):
                self.place = self._after(walk, number, len(states))
                yield tuple(starmap(read_seen, entries))
        self.place = None

    def _after(self, walk: Walk, number: int, count: int) -> Place | None:
        if walk.token is not None:
            return Place(number, walk.token)
        return Place(number + 1) if number + 1 < count else None
