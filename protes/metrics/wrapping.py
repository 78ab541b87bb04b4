"""Parts with something around some of their methods, put there where everything is wired together."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

Part = TypeVar("Part")


class _Wrapped:
    """A part, with other functions in the place of some of its methods."""

    def __init__(self, part: object, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._part = part
        self.__dict__.update(methods)  # found before `__getattr__` is asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __repr__(self) -> str:
        return repr(self._part)


def wrapped(part: Part, methods: Mapping[str, Callable[..., Any]]) -> Part:
    """Return what behaves like `part`, but for these methods; what has the part itself goes around them."""
    return cast(Part, _Wrapped(part, methods))


def public_methods(protocol: type) -> tuple[str, ...]:
    """Return the names of the methods of a protocol."""
    return tuple(name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_"))
