"""Write the pages that are made from the code: `python -m tests.docs.generate`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from protes.cli import document as command_line
from protes.config import document as settings
from tests.docs.pages import errors, http_api, tags

DOCS = Path(__file__).parents[2] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "command-line.md": command_line.render,
    "errors.md": errors.render,
    "http-api.md": http_api.render,
    "settings.md": settings.render,
    "tags.md": tags.render,
}


def main() -> int:
    """Write every page that differs, and name it."""
    for name, render in PAGES.items():
        text = render()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text:
            (DOCS / name).write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
