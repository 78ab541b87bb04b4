"""Time until the dashboard is painted, and until it shows tasks: `python -m tests.bench.dashboard`.

A gateway with many tasks in the embedded store is served by a process of its own, as `protes serve` does; Chromium
opens the page with nothing in its cache, and once more with what it kept.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from tests.bench.stored import fill
from tests.support.processes import gateway

_COUNT = 100_000
_ROUNDS = 7
_ROWS = "[data-id]"
# When the first row was there, as the page itself saw it.
_NOTED = """new MutationObserver(() => {
  if (document.querySelector("[data-id]")) window.rowsAt ??= performance.now();
}).observe(document, { childList: true, subtree: true })"""
_PAINT = """() => new Promise((done) => {
  const name = "first-contentful-paint";
  performance.getEntriesByName(name).forEach((each) => done(each.startTime));
  new PerformanceObserver((list) => list.getEntriesByName(name).forEach((each) => done(each.startTime)))
    .observe({ type: "paint", buffered: true });
})"""


def main() -> int:
    """Measure, and print a line for each place and state of the cache."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tasks", type=int, default=_COUNT)
    count = arguments.parse_args().tasks
    program = shutil.which("chromium")
    if program is None:
        print("there is no Chromium: python -m tests.peers.install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        fill(folder / "data", count, 1000)
        with gateway(folder, {}) as (url, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            print(f"{count} tasks; milliseconds, median (worst) of {_ROUNDS}")
            for place in ("#/", "#/tasks"):
                kept = browser.new_context()
                _report(place, "cold", [_measured(browser.new_context(), url, place) for _ in range(_ROUNDS)])
                _measured(kept, url, place, close=False)
                _report(place, "warm", [_measured(kept, url, place, close=False) for _ in range(_ROUNDS)])
            browser.close()
    return 0


def _measured(context: BrowserContext, url: str, place: str, close: bool = True) -> tuple[float, float]:
    """Open the page; return when something was painted, and when rows of tasks were there, milliseconds."""
    page = context.new_page()
    page.add_init_script(_NOTED)
    page.goto(f"{url}/{place}", wait_until="commit")
    page.wait_for_selector(_ROWS, state="attached")
    rows: float = page.evaluate("window.rowsAt")
    paint: float = page.evaluate(_PAINT)
    page.close()
    if close:
        context.close()
    return paint, rows


def _report(place: str, cache: str, found: list[tuple[float, float]]) -> None:
    paints, rows = zip(*found, strict=True)
    told = [f"{statistics.median(each):.0f} ({max(each):.0f})" for each in (paints, rows)]
    print(f"{place:8} {cache}: first contentful paint {told[0]}, first rows {told[1]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
