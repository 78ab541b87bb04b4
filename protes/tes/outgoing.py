"""Further headers of the POST /tasks that this thread is about to send, from whoever accompanies it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_NONE: Mapping[str, str] = {}
_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("protes_outgoing", default=_NONE)


def headers_of(via: Sequence[str]) -> dict[str, str]:
    """Return them, and `Via` (RFC 9110, 7.6.3) with the ids of these gateways, if any."""
    passed = {"Via": ", ".join(f"1.1 {gateway}" for gateway in via)} if via else {}
    return {**_HEADERS.get(), **passed}


@contextmanager
def accompanied(extra: Mapping[str, str]) -> Iterator[None]:
    """Have these headers sent along while the block lasts; never a secret, since every instance may get them."""
    token = _HEADERS.set(extra)
    try:
        yield
    finally:
        _HEADERS.reset(token)
