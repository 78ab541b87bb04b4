"""A browser, and pages in it that are watched: whatever is against the policy, fails, or leaves the host is noted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.dashboard.site import PATIENCE, Site, serving
from tests.support.services import missing

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Watched:
    """A page, and what it did that it should not.

    Attributes:
        page: the page.
        site: what it shows.
        errors: errors of scripts, and lines of the console that tell of violations or errors.
        foreign: addresses on other hosts that it asked for.
    """

    page: Page
    site: Site
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def open(self, place: str = "") -> Page:
        """Go to a place of the dashboard."""
        self.page.goto(f"{self.site.url}/{place}")
        self.page.wait_for_selector("nav")
        return self.page

    def faults(self) -> list[str]:
        """Return what it should not have done."""
        return [each for each in self.errors if not any(part in each for part in self.expected)] + self.foreign

    def on_console(self, message: ConsoleMessage) -> None:
        """Note a line of the console."""
        # A browser tells of every answer from 400 on; the gateway need not have a stream.
        if message.type in ("error", "warning") and "/protes/v1/events" not in message.location.get("url", ""):
            self.errors.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def on_request(self, request: Request) -> None:
        """Note where a request goes."""
        if urlsplit(request.url).netloc != urlsplit(self.site.url).netloc:
            self.foreign.append(request.url)


@pytest.fixture(scope="package")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser without a window."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        missing(request, "there is no Chromium: python -m tests.peers.install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """A gateway with three instances, in front of which nothing is scripted."""
    yield _site
    _site.front.token = _site.front.events = None
    _site.front.scripted_events = True


@pytest.fixture
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    """A page of usual size, in light colours; the test fails where it did what it should not."""
    yield from watching(browser, site, {"width": 1280, "height": 900}, "light")


def watching(browser: Browser, site: Site, size: dict[str, int], colours: str) -> Iterator[Watched]:
    """Yield a page in a fresh context, and judge it in the end."""
    context = browser.new_context(viewport=size, color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))"
    )
    watched = Watched(page, site)
    page.on("console", watched.on_console)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", watched.on_request)
    try:
        yield watched
    finally:
        context.close()
    assert watched.faults() == []
