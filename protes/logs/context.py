"""What the log lines of this thread are about: request, task, instance, trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import NamedTuple


class About(NamedTuple):
    """Ids, each None where there is none.

    Attributes:
        request_id: of the request, as in the header `X-Request-ID`.
        task_id: of the task.
        instance_id: of the instance.
        trace_id: of the trace (W3C Trace Context).
    """

    request_id: str | None = None
    task_id: str | None = None
    instance_id: str | None = None
    trace_id: str | None = None


_NOTHING = About()
_ABOUT: ContextVar[About] = ContextVar("protes_about", default=_NOTHING)


def now() -> About:
    """Return what it is about now."""
    return _ABOUT.get()


def begin(about: About) -> Token[About]:
    """Say what it is about from now on in this thread, until `end`."""
    return _ABOUT.set(about)


def end(token: Token[About]) -> None:
    """Make it what it was before the `begin` that returned this token."""
    _ABOUT.reset(token)


def add(**ids: str | None) -> None:
    """Add ids to what was said by `begin`; they go with its `end`."""
    _ABOUT.set(_ABOUT.get()._replace(**ids))


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Add ids while the block lasts."""
    token = begin(_ABOUT.get()._replace(**ids))
    try:
        yield
    finally:
        end(token)
