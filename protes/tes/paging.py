"""Goes through the pages of a task list without being caught in a ring (DIALECTS.md 2.5)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from protes.tes.dialects.base import Dialect
from protes.tes.read import Page, read_page

Entry = tuple[str, Mapping[str, Any]]
"""A task's id, and its entry in a list."""

Query = Sequence[tuple[str, str]]


class Walk:
    """One walk through a list.

    Attributes:
        complete: whether the page yielded last is the last of the list, and no entry so far was left out for its id.
        token: that of the page after the one yielded last; None where the walk ends with it.
    """

    def __init__(self, fetch: Callable[[Query], object], dialect: Dialect, *, max_pages: int) -> None:
        """Walk later, page by page.

        Args:
            fetch: asks for one page and returns its parsed JSON.
            dialect: says where a list ends.
            max_pages: pages at most.
        """
        self.complete = False
        self.token: str | None = None
        self._fetch = fetch
        self._dialect = dialect
        self._max_pages = max_pages

    def pages(self, query: Query, page_size: int | None, token: str | None = None) -> Iterator[tuple[Entry, ...]]:
        """Yield the new entries of each page.

        The walk ends where the dialect says so, where a token comes for a second time, and at a page that repeats old
        entries and brings no new one. A page with no entry at all is not yet the end: DynamoDB filters afterwards.

        Args:
            query: filters and view, the same for each page.
            page_size: asked for; None leaves it to the server.
            token: where to start; None at the beginning.

        Raises:
            BadAnswer: a page is not one.
        """
        ids: set[str] = set()
        tokens: set[str] = set()
        left_out = 0
        for _ in range(self._max_pages):
            page = read_page(self._fetch([*query, *_paging(page_size, token)]))
            left_out += page.left_out
            by_id = dict(page.entries)
            new = tuple(entry for entry in by_id.items() if entry[0] not in ids)
            ids.update(by_id)
            token = self._dialect.next_token(page, page_size)
            ends = token is None or token in tokens or _turns_in_a_ring(page, new)
            self.complete = token is None and not left_out
            self.token = None if ends else token
            if new:
                yield new
            if ends or token is None:
                return
            tokens.add(token)


def _turns_in_a_ring(page: Page, new: tuple[Entry, ...]) -> bool:
    return bool(page.entries) and not new


def _paging(page_size: int | None, token: str | None) -> Query:
    size = [] if page_size is None else [("page_size", str(page_size))]
    return size if token is None else [*size, ("page_token", token)]
