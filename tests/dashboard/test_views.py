"""What people do with the dashboard, in a browser."""

from __future__ import annotations

import json
import queue
import re

import pytest
from playwright.sync_api import Route, expect

from tests.dashboard.conftest import Watched
from tests.dashboard.site import PATIENCE, Site

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE * 1000)

LONG = {"protes.runtime_seconds": "36000"}
"""So long that the least scales do not matter."""


def test_the_overview_shows_instances_counts_and_newest_tasks(watched: Watched) -> None:
    watched.site.create(name="shown at once")
    page = watched.open()
    for name in ("budget", "standard", "express"):
        card = page.get_by_role("article").filter(has_text=name)
        expect(card).to_contain_text("Healthy")
        expect(card.get_by_role("img", name=re.compile("Tasks in flight"))).to_be_visible()
    expect(page.get_by_role("list", name="Tasks by state").get_by_role("link")).to_have_count(7)
    expect(page.get_by_role("table", name="Newest tasks")).to_contain_text("shown at once")
    expect(page).to_have_title("Overview · protes")


def test_an_instance_is_shown_with_all_that_is_known(watched: Watched) -> None:
    page = watched.open("#/instances")
    page.get_by_role("link", name="express").click()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("article")).to_contain_text("Nothing is amiss")
    expect(page.get_by_role("article")).to_contain_text(watched.site.fakes["express"].url)
    page.get_by_role("link", name="← All instances").click()
    expect(page.get_by_role("article")).to_have_count(3)


def test_tasks_are_filtered_by_state_name_and_tag_and_found_by_id(watched: Watched) -> None:
    site = watched.site
    first = site.create(name="filter/one", tags={**{"protes.runtime_seconds": "5"}, "run": "seven"})
    site.create(name="filter/two", tags={"run": "eight"})
    site.finish(first)
    page = watched.open("#/tasks")
    search, rows = page.get_by_role("searchbox"), page.locator("[data-id]")
    search.fill("filter/")
    expect(rows).to_have_count(2)
    search.fill("filter/ run=seven")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("filter/one")
    search.fill("filter/")
    page.get_by_role("button", name=re.compile("^Complete")).click()
    expect(rows).to_have_count(1)
    assert "state=COMPLETE" in page.url
    search.fill("nothing is called so")
    expect(page.get_by_text("No task fits")).to_be_visible()
    search.fill(first)
    search.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("filter/one")


def test_a_state_changes_on_the_page_as_it_changes_at_the_instance(watched: Watched) -> None:
    task = watched.site.create(name="watched")
    page = watched.open(f"#/tasks/{task}")
    expect(page.locator(".task-title")).to_contain_text("Queued")
    fake, there = watched.site.placed(task)
    fake.set_state(there, "RUNNING")
    expect(page.locator(".task-title")).to_contain_text("Running")
    fake.finish(there, stdout="the answer is 42\n")
    expect(page.locator(".task-title")).to_contain_text("Complete")
    expect(page.get_by_label("stdout", exact=True)).to_have_text("the answer is 42\n")
    expect(page.get_by_role("button", name="Cancel task")).to_have_count(0)


def test_new_tasks_come_into_the_list_by_themselves(watched: Watched) -> None:
    page = watched.open("#/tasks?q=by-itself")
    expect(page.get_by_text("No task fits")).to_be_visible()
    watched.site.create(name="by-itself")
    expect(page.locator("[data-id]")).to_have_count(1)


def test_a_task_is_cancelled_after_a_second_thought(watched: Watched) -> None:
    task = watched.site.create(name="to be cancelled")
    watched.site.placed(task)
    page = watched.open(f"#/tasks/{task}")
    page.get_by_role("button", name="Cancel task").click()
    page.get_by_role("button", name="Keep it").click()
    assert watched.site.task(task)["state"] != "CANCELED"
    page.get_by_role("button", name="Cancel task").click()
    expect(page.get_by_role("button", name="Yes, cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".task-title")).to_contain_text("Canceled")
    assert watched.site.task(task)["state"] == "CANCELED"


def test_offers_are_asked_for_and_the_task_is_sent_by_weight(watched: Watched, site: Site) -> None:
    page = watched.open("#/new")
    document = {
        "name": "from the form",
        "executors": [{"image": "alpine", "command": ["true"]}],
        "tags": {"mine": "1", **LONG},
    }
    page.get_by_label("Task (JSON").fill(json.dumps(document))
    page.get_by_role("button", name="Ask for offers").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody tr").first).to_contain_text("standard")
    page.get_by_role("slider").fill("1")
    expect(page.locator("tbody tr").first).to_contain_text("express")
    page.get_by_role("button", name="Send with weight 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("from the form")
    task = page.url.rpartition("/")[2]
    assert site.task(task)["tags"] == {"mine": "1", **LONG, "protes.weight": "1"}
    assert site.placed(task)[0] is site.fakes["express"]


def test_an_offer_is_taken_up_whatever_the_weight(watched: Watched, site: Site) -> None:
    page = watched.open("#/new")
    page.get_by_role("button", name="Ask for offers").click()
    page.locator("tbody tr").filter(has_text="budget").get_by_role("button", name="Run here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("hello")
    assert site.placed(page.url.rpartition("/")[2])[0] is site.fakes["budget"]


def test_an_offer_that_is_taken_again_after_a_lost_answer_makes_one_task(watched: Watched, site: Site) -> None:
    watched.expected = ("ERR_FAILED",)
    page = watched.open("#/new")
    area = page.get_by_label("Task (JSON")
    area.fill(json.dumps({**json.loads(area.input_value()), "name": "sent twice"}))
    page.get_by_role("button", name="Ask for offers").click()
    run = page.locator("tbody tr").filter(has_text="budget").get_by_role("button", name="Run here")

    def lost(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/ga4gh/tes/v1/tasks", lost, times=1)
    run.click()
    expect(page.locator("form").get_by_role("alert")).to_contain_text("does not answer")
    run.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("sent twice")
    assert len(site.get("/ga4gh/tes/v1/tasks?name_prefix=sent%20twice")["tasks"]) == 1


def test_a_task_that_is_deleted_leaves_the_list_wherever_it_stands(watched: Watched, site: Site) -> None:
    ids = [site.create_quickly(f"deleted/{number}") for number in range(60)]
    site.front.events = queue.Queue()
    page = watched.open("#/tasks?q=deleted/")
    table = page.get_by_role("table", name="Tasks, newest first")
    expect(table).to_have_attribute("aria-rowcount", "61")
    site.front.events.put(f'event: deleted\ndata: {{"id": "{ids[0]}", "time": "2026-11-21T18:05:00Z"}}\n\n')
    expect(table).to_have_attribute("aria-rowcount", "60")
    site.front.events.put(None)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "This is not JSON"), ("[]", "A task is a JSON object"), ('{"executors": []}', "at least one executor")],
)
def test_a_task_that_is_none_is_told_where_it_is_wrong(watched: Watched, text: str, said: str) -> None:
    watched.expected = ("status of 400",)
    page = watched.open("#/new")
    page.get_by_label("Task (JSON").fill(text)
    page.get_by_role("button", name="Ask for offers").click()
    expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()


def test_a_task_is_the_template_of_another(watched: Watched) -> None:
    task = watched.site.create(name="template", tags={"protes.weight": "0.25", "run": "1"})
    page = watched.open(f"#/tasks/{task}")
    page.get_by_role("link", name="Use as a template").click()
    area = page.get_by_label("Task (JSON")
    expect(area).to_have_value(re.compile("template"))
    assert json.loads(area.input_value())["tags"] == {"run": "1"}
    expect(page.get_by_role("button", name="Send with weight 0.25")).to_be_visible()


def test_what_is_not_there_is_said(watched: Watched) -> None:
    watched.expected = ("status of 404",)
    page = watched.open("#/tasks/there-is-none")
    expect(page.get_by_text("There is no such task")).to_be_visible()
    page.goto(f"{watched.site.url}/#/instances/none")
    expect(page.get_by_text("There is no such instance")).to_be_visible()
