"""Who the visitor is, whether the gateway is there, and what comes by the stream."""

from __future__ import annotations

import json
import queue
import re

import pytest
import requests
from playwright.sync_api import expect

from tests.dashboard.conftest import Watched
from tests.dashboard.site import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE * 1000)


def test_who_is_asked_for_a_token_keeps_it_for_the_tab(watched: Watched) -> None:
    watched.expected = ("status of 401",)
    watched.site.create(name="for the one with the token")
    watched.site.front.token = "the right one"
    page = watched.open("#/tasks")
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill("the wrong one")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("did not accept this")
    dialog.get_by_label("Token").fill("Bearer the right one")
    dialog.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-id]").first).to_contain_text("for the one with the token")
    expect(dialog).to_have_count(0)
    page.reload()
    expect(page.locator("[data-id]").first).to_be_visible()
    assert page.evaluate("[Object.values(localStorage), document.cookie]") == [[], ""]
    assert "right" not in page.url
    page.get_by_role("button", name="Signed in; change").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_contain_text("who you are")
    assert page.evaluate("Object.values(sessionStorage)") == []


def test_names_and_passwords_are_sent_as_utf_8(watched: Watched) -> None:
    page = watched.open()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name and password").check()
    page.get_by_label("Name", exact=True).fill("zoë")
    page.get_by_label("Password", exact=True).fill("pä:ss")
    with page.expect_request(lambda each: "/protes/v1/instances" in each.url) as sent:
        page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    assert sent.value.headers["authorization"] == requests.auth._basic_auth_str("zoë".encode(), "pä:ss".encode())


def test_a_gateway_that_is_away_is_told_of_and_comes_back(watched: Watched) -> None:
    watched.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = watched.open("#/tasks")
    expect(page.get_by_role("status").filter(has_text=re.compile("tasks?$")).first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_role("alert").filter(has_text="The gateway does not answer.")).to_be_visible()
    expect(page.locator(".live")).to_have_text("Offline")
    page.context.set_offline(False)
    expect(page.locator(".down")).to_be_hidden()
    expect(page.locator(".live")).not_to_have_text("Offline")


def test_without_a_stream_it_asks_again_and_says_so(watched: Watched) -> None:
    page = watched.open("#/tasks")
    expect(page.locator(".live")).to_have_text("Polling")


def event(kind: str, number: int, **data: object) -> str:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


def test_changes_come_by_the_stream(watched: Watched) -> None:
    """Between two questions, which are far apart where there is a stream, only it can tell."""
    site = watched.site
    task = site.create(name="told by the stream")
    site.placed(task)
    site.front.events = queue.Queue()
    site.front.events.put(": a comment\nretry: 3000\n\n" + event("ready", 1, id="1"))
    page = watched.open("#/tasks?q=told")
    row = page.locator(f"[data-id='{task}']")
    expect(page.locator(".live")).to_have_text("Live")
    expect(row).to_contain_text("Queued")
    page.route("**/ga4gh/tes/v1/tasks?**", lambda route: route.abort())  # nothing can be asked
    watched.expected = ("ERR_FAILED",)
    told = event("task", 2, id=task, state="RUNNING", version=9, time="2026-01-01T00:00:00Z", finished=False)
    for part in (told[:20], told[20:]):
        site.front.events.put(part)
    expect(row).to_contain_text("Running")
    site.front.events.put(None)


def test_the_stream_goes_on_where_it_ended(watched: Watched) -> None:
    site = watched.site
    site.front.events = queue.Queue()
    site.front.events.put(event("ready", 41, id="41") + event("deleted", 42, id="x", time="2026-01-01T00:00:00Z"))
    page = watched.open()
    expect(page.locator(".live")).to_have_text("Live")
    with page.expect_request(lambda each: "/protes/v1/events" in each.url) as again:
        site.front.events.put(None)
    assert again.value.headers["last-event-id"] == "42"
    site.front.events.put(None)


def test_the_gateways_own_stream_is_understood(watched: Watched) -> None:
    site = watched.site
    site.front.scripted_events = False
    task = site.create(name="told by the gateway")
    fake, there = site.placed(task)
    page = watched.open("#/tasks?q=told by the gateway")
    row = page.locator(f"[data-id='{task}']")
    expect(page.locator(".live")).to_have_text("Live")
    expect(row).to_contain_text("Queued")
    page.route("**/ga4gh/tes/v1/tasks?**", lambda route: route.abort())
    watched.expected = ("ERR_FAILED",)
    fake.set_state(there, "RUNNING")
    expect(row).to_contain_text("Running")


STREAM = r"""
id: 7
event: task
data: {"id":"a",
data: "state":"RUNNING"}

: nothing

: nothing but an id
id: 8

data: unnamed
id

event: deleted
data:{"id":"b"}

data: cut off"""


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_stream_is_read_however_it_is_cut(watched: Watched, size: int, ending: str) -> None:
    text = STREAM.lstrip().replace("\n", ending)
    page = watched.open()
    found = page.evaluate(
        """async ([text, size]) => {
            const style = document.querySelector("link[rel=stylesheet]").href;
            const { reader } = await import(new URL("../js/event_stream.js", style).href);
            const found = [];
            const read = reader((event) => found.push(event));
            for (let place = 0; place < text.length; place += size) read(text.slice(place, place + size));
            return found.map(({ event, data, id }) => [event, data, id]);
        }""",
        [text, size],
    )
    assert found == [
        ["task", '{"id":"a",\n"state":"RUNNING"}', "7"],
        ["id", "", "8"],
        ["message", "unnamed", ""],
        ["deleted", '{"id":"b"}', ""],
    ]


@pytest.mark.parametrize("place", ["", "#/instances", "#/tasks/{task}"], ids=["overview", "instances", "task"])
def test_what_may_be_old_is_said_to_be(watched: Watched, place: str) -> None:
    task = watched.site.create(name="looked at")
    watched.expected = ("status of 500",)
    page = watched.open(place.format(task=task))
    shown = page.get_by_role("heading", name="looked at") if "task" in place else page.get_by_role("article").first
    expect(shown).to_be_visible()
    broken = re.compile(r"/protes/v1/instances$|/tasks/[^/]+\?view=FULL$")
    page.route(broken, lambda route: route.fulfill(status=500, json={"detail": "out of order"}))
    told = page.get_by_role("alert").filter(has_text="This is what was known last: out of order")
    expect(told).to_be_visible()
    expect(shown).to_be_visible()
    page.unroute(broken)
    expect(told).to_have_count(0)
