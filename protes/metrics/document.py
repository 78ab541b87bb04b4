"""Write the reference in `docs/metrics.md` from the catalogue: `python -m protes.metrics.document docs/metrics.md`.

The page is written by hand but for what stands between the two marks.
"""

import sys
from pathlib import Path

from protes.metrics import catalogue
from protes.metrics.port import Metric

BEGIN = "<!-- made by python -m protes.metrics.document docs/metrics.md -->\n"
END = "<!-- end of what is made -->\n"


def render() -> str:
    """Return the reference."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    lines += [_row(metric) for metric in catalogue.ALL]
    return "\n".join(lines) + "\n"


def placed(page: str) -> str:
    """Return a page with the reference in its place.

    Raises:
        ValueError: the page has no such place.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the marks of the reference are not there")
    return before + BEGIN + "\n" + render() + "\n" + END + after


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(placed(file.read_text(encoding="utf-8")), encoding="utf-8")
