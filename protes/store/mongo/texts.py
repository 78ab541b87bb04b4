"""Texts that may be large, such as documents and logs: small ones inline, others in parts of their own.

A change of state does not write a large text again, a head does not read it, and no text is too large for a document of
MongoDB (16 MiB). Parts never change: who replaces a text writes new parts first, then the document that names them,
and then removes the old ones. So whoever misses a part of a document that was read has only to read it again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from protes.store.ids import new_token

Text = str | dict[str, Any]
"""The text, or `{"parts": [ids]}`."""

INLINE_CHARACTERS = 16 * 1024
PART_CHARACTERS = 3 * 1024 * 1024
"""In UTF-8 at most 12 MiB."""


class TextWriter:
    """Writes the texts of one task and collects the parts that must be stored for them."""

    def __init__(self, task_id: str) -> None:
        """Start with none."""
        self._task_id = task_id
        self.parts: list[dict[str, Any]] = []

    def write(self, text: str) -> Text:
        """Return what stands for the text in the task's document."""
        if len(text) <= INLINE_CHARACTERS:
            return text
        prefix = f"{parts_prefix(self._task_id)}{new_token()}/"
        pieces = (text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS))
        parts = [{"_id": f"{prefix}{number}", "text": piece} for number, piece in enumerate(pieces)]
        self.parts += parts
        return {"parts": [part["_id"] for part in parts]}


def parts_prefix(task_id: str) -> str:
    """Return what the ids of all parts of a task start with; ids of tasks have no slash."""
    return f"{task_id}/"


def task_of(part_id: str) -> str:
    """Return the id of the task that a part is of."""
    return part_id.partition("/")[0]


def part_ids(texts: Iterable[Text | None]) -> list[str]:
    """Return the ids of the parts of texts."""
    return [each for text in texts if isinstance(text, dict) for each in text["parts"]]


def read(text: Text, parts: Mapping[str, str]) -> str:
    """Return the text.

    Raises:
        KeyError: one of its parts is missing.
    """
    return text if isinstance(text, str) else "".join(parts[each] for each in text["parts"])
