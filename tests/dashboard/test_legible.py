"""Who sees little, hears the page, or has a small screen: contrast, names, and that everything fits; in every view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import Watched, watching
from tests.dashboard.site import PATIENCE, Site, serving

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
expect.set_options(timeout=PATIENCE * 1000)

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def script(name: str) -> str:
    """Return what a file beside this one says to evaluate in the page."""
    return (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")


CONTRAST, STRUCTURE, SMALL = script("contrast"), script("structure"), script("small")


@pytest.fixture(scope="module")
def varied() -> Iterator[Site]:
    """A gateway whose tasks are in several states, and whose instances are not all well."""
    with serving() as site:
        done, failed = site.create(name="done", tags={"run": "1"}), site.create(name="failed")
        site.finish(done, stdout="written\n", stderr="and warned\n")
        site.finish(failed, exit_code=1)
        running = site.create(name="running")
        fake, there = site.placed(running)
        fake.set_state(there, "RUNNING")
        yield site


def views(site: Site) -> dict[str, str]:
    tasks = {each["name"]: each["id"] for each in site.get("/ga4gh/tes/v1/tasks?view=BASIC")["tasks"]}
    return {
        "overview": "#/",
        "tasks": "#/tasks",
        "none": "#/tasks?q=nothing",
        "done": f"#/tasks/{tasks['done']}",
        "failed": f"#/tasks/{tasks['failed']}",
        "running": f"#/tasks/{tasks['running']}",
        "instances": "#/instances",
        "instance": "#/instances/express",
        "new": "#/new",
    }


def settle(page: Page, view: str) -> None:
    """Wait until a view shows what it has, and open what can be opened."""
    expect(page.locator(".skeleton, .ghost, [aria-busy=true]")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    if view == "new":
        page.get_by_role("button", name="Ask for offers").click()
        expect(page.locator(".plane svg")).to_be_visible()
    for each in page.locator("details").all():
        each.evaluate("(each) => { each.open = true; }")
    if view == "running":
        page.get_by_role("button", name="Cancel task").click()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_view_can_be_read_and_operated(
    browser: Browser, varied: Site, colours: str, size: dict[str, int]
) -> None:
    for each in watching(browser, varied, size, colours):
        for view, place in views(varied).items():
            page = each.open(place)
            settle(page, view)
            assert page.evaluate(CONTRAST) == [], view
            assert page.evaluate(STRUCTURE) == [], view
            assert page.evaluate(SMALL) == [], view
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_dialogs_can_be_read_and_operated(browser: Browser, varied: Site, colours: str) -> None:
    for each in watching(browser, varied, WIDE, colours):
        page = each.open()
        for button in ("Sign in", "Keys"):
            page.get_by_role("button", name=button).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate(STRUCTURE) == []
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)


def test_colours_follow_the_system_until_they_are_chosen(watched: Watched) -> None:
    page = watched.open()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == light
    page.reload()
    expect(page.get_by_role("button", name="Dark colours")).to_be_visible()
    assert page.evaluate(ground) == light


def test_nothing_moves_for_those_who_want_that(watched: Watched) -> None:
    watched.site.create()
    page = watched.open()
    expect(page.locator("[data-id]").first).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_what_comes_moves_nothing_away(watched: Watched) -> None:
    page = watched.page
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => { for (const each of list.getEntries())"
        " if (!each.hadRecentInput) window.moved += each.value; }).observe({ type: 'layout-shift', buffered: true })"
    )
    watched.open()
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.locator(".count-value", has_text=re.compile("[0-9]")).first).to_be_visible()
    assert page.evaluate("window.moved") < 0.1  # "good" of Cumulative Layout Shift
