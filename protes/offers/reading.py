"""Reading a document of the Execution Broker field by field: everything that is wrong is collected with its path.

A field that is null is as good as absent; what is wrong reads as absent, so that reading goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

_LONGEST_TEXT = 4096
_T = TypeVar("_T")


class Node:
    """An object in a document, with where it stands."""

    def __init__(self, value: Mapping[str, Any], path: str, errors: list[tuple[str, str]]) -> None:
        """Read `value`, which stands at `path`; errors go to `errors`."""
        self._value = value
        self.path = path
        self.errors = errors

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, detail: str) -> None:
        """Note what is wrong with a field."""
        self.errors.append((self.at(name), detail))

    def names(self) -> list[str]:
        """List the fields that are there."""
        return [name for name, value in self._value.items() if value is not None]

    def raw(self, name: str) -> Any:
        """Return a field as it is."""
        return self._value.get(name)

    def whole(self) -> Mapping[str, Any]:
        """Return the object as it is."""
        return self._value

    def object(self, name: str) -> "Node | None":
        """Return a field that is an object."""
        value = self._value.get(name)
        if value is None or isinstance(value, Mapping):
            return None if value is None else Node(value, self.at(name), self.errors)
        self.wrong(name, "must be an object")
        return None

    def objects(self, name: str) -> Iterator["Node"]:
        """Return the objects of a field that is a list."""
        for index, value in enumerate(self._list(name)):
            if isinstance(value, Mapping):
                yield Node(value, f"{self.at(name)}[{index}]", self.errors)
            else:
                self.wrong(f"{name}[{index}]", "must be an object")

    def text(self, name: str) -> str | None:
        """Return a field that is a text."""
        value = self._value.get(name)
        if value is None or (isinstance(value, str) and len(value) <= _LONGEST_TEXT):
            return value
        self.wrong(name, f"must be a text of at most {_LONGEST_TEXT} characters")
        return None

    def texts(self, name: str, most: int) -> list[str]:
        """Return a field that is a list of texts; numbers and booleans, as YAML reads them, are put as texts."""
        values = self._list(name)
        if len(values) > most:
            self.wrong(name, f"must hold at most {most} entries")
            return []
        for index, value in enumerate(values):
            if not isinstance(value, str | int | float):
                self.wrong(f"{name}[{index}]", "must be a text")
        return [_as_text(value) for value in values if isinstance(value, str | int | float)]

    def text_map(self, name: str) -> dict[str, str]:
        """Return a field that is a map of texts, values put as texts as in `texts`."""
        node = self.object(name)
        if node is None:
            return {}
        for key, value in node.whole().items():
            if value is not None and not isinstance(value, str | int | float):
                node.wrong(key[:60], "must be a text")
        return {key: _as_text(value) for key, value in node.whole().items() if isinstance(value, str | int | float)}

    def number(self, name: str, low: float, high: float) -> int | float | None:
        """Return a field that is a number from `low` to `high`."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.wrong(name, f"must be a number from {low:g} to {high:g}")
            return None
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a field that is a whole number from `low` to `high`."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(name, f"must be a whole number from {low} to {high}")
            return None
        return value

    def read(self, name: str, reader: Callable[[str], _T]) -> _T | None:
        """Return a field that is a text of a grammar; `reader` raises ValueError that says what is right."""
        text = self.text(name)
        try:
            return None if text is None else reader(text)
        except ValueError as error:
            self.wrong(name, str(error))
            return None

    def _list(self, name: str) -> list[Any]:
        value = self._value.get(name)
        if value is None or isinstance(value, list):
            return value or []
        self.wrong(name, "must be a list")
        return []


def _as_text(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
