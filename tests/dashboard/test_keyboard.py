"""By keyboard alone, and with many tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import Watched, watching
from tests.dashboard.site import PATIENCE, Site, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
expect.set_options(timeout=PATIENCE * 1000)

COUNT = 700


@pytest.fixture(scope="module")
def crowded() -> Iterator[Site]:
    """A gateway with many tasks."""
    with serving() as site:
        for number in range(COUNT):
            site.create_quickly(f"many/{number:04}")
        yield site


@pytest.fixture
def many(browser: Browser, crowded: Site) -> Iterator[Watched]:
    """A page of it."""
    yield from watching(browser, crowded, {"width": 1280, "height": 900}, "light")


def focused(page: Page) -> str:
    text: str = page.evaluate(
        "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
    )
    return text


def test_tab_goes_through_the_page_in_its_order_and_is_seen(watched: Watched) -> None:
    page = watched.open()
    expect(page.get_by_role("article").first).to_be_visible()
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{seen[-1]} has the focus and does not show it"
    assert seen[:6] == ["To the content", "protes, overview", "Overview", "Tasks", "Instances", "New task"]
    assert seen[6:] == ["Sign in", "Dark colours", "Keys"]


def test_the_first_link_leads_past_the_navigation(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_keys_are_listed_and_work(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Search tasks")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for keys, title in (("gt", "Tasks"), ("gi", "Instances"), ("go", "Overview"), ("n", "New task")):
        for key in keys:
            page.keyboard.press(key)
        expect(page).to_have_title(f"{title} · protes")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("d?n")
    expect(page.get_by_role("searchbox")).to_have_value("d?n")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_long_list_is_walked_by_arrow_keys(many: Watched) -> None:
    page = many.open("#/tasks")
    expect(page.locator("[data-id]").first).to_contain_text(f"many/{COUNT - 1:04}")
    page.locator("[data-id][tabindex='0']").focus()
    for _ in range(30):
        page.keyboard.press("ArrowDown")
        page.evaluate(
            "new Promise((done) => { const next = requestAnimationFrame; next(() => next(() => next(done))); })"
        )
    expect(page.locator("[data-id]:focus")).to_contain_text(f"many/{COUNT - 31:04}")
    expect(page.locator("[data-id]:focus")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"many/{COUNT - 31:04}")


def test_a_long_list_holds_few_rows_and_all_tasks(many: Watched) -> None:
    page = many.open("#/tasks")
    rows = page.locator("[data-id]")
    expect(rows.first).to_be_visible()
    last = rows.filter(has_text="many/0000")

    def scrolled_to_the_end() -> bool:
        page.mouse.wheel(0, 4000)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return last.count() > 0  # a busy gateway brings what is next after a while

    wait_until(scrolled_to_the_end, "the last of them is there", PATIENCE)
    page.mouse.wheel(0, 4000)
    expect(last).to_be_in_viewport()
    assert rows.count() < 80
    expect(page.get_by_role("status").filter(has_text=f"{COUNT} tasks")).to_be_visible()


def test_who_goes_on_and_back_is_told_and_comes_back(watched: Watched) -> None:
    task = watched.site.create(name="there and back")
    page = watched.open("#/tasks?q=there")
    page.locator(f"[data-id='{task}']").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("there and back")
    assert page.evaluate("document.activeElement.id") == "main"
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("there")
