"""The fenced blocks of the documentation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[a-z]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```\s*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """One fenced block.

    Attributes:
        page: name of the page, such as `start.md`.
        line: of the page, from 1, for people.
        language: as written behind the fence; empty without one.
        text: what is inside.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first(self) -> str:
        """The first line, by which lists name it."""
        return self.text.strip().partition("\n")[0]


def pages() -> list[Path]:
    """Return all pages: those of the site, and those of the checkout."""
    return [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def snippets(*languages: str) -> list[Snippet]:
    """Return the blocks of all pages, or those in these languages."""
    return [each for path in pages() for each in _of(path) if not languages or each.language in languages]


def _of(path: Path) -> Iterator[Snippet]:
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        indent = found["indent"]
        inside = "".join(each.removeprefix(indent) for each in found["text"].splitlines(keepends=True))
        yield Snippet(path.name, line, found["language"], inside)
