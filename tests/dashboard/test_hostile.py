"""Tasks and instances may be called anything: it is shown, and does nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from protes.dashboard.assets import packaged
from tests.dashboard.conftest import Watched
from tests.dashboard.site import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE * 1000)

SCRIPT = "<script>window.ran=1</script><img src=x onerror='window.ran=1'><svg onload=window.ran=1>"
LINK = "javascript:window.ran=1"
OVERRIDE = "invoice\u202egnp.exe\u2066\u200b"
CONTROLS = "a\u0000b\u0007c\u001b[31mred\u001b[0m\u0085\ufeff"


def test_hostile_names_tags_documents_and_logs_are_text(watched: Watched) -> None:
    site = watched.site
    task = site.create(
        name=SCRIPT,
        description=OVERRIDE,
        tags={SCRIPT: SCRIPT, "link": LINK, "__proto__": "x", "constructor": "y"},
        inputs=[{"url": f"https://example.org/{LINK}", "path": "/in"}, {"url": "file:///<img src=x>", "path": "/in2"}],
        executors=[{"image": SCRIPT, "command": [SCRIPT, LINK, "${alert(1)}"], "env": {"A": SCRIPT}}],
    )
    site.finish(task, exit_code=1, stdout=SCRIPT + CONTROLS, stderr=OVERRIDE)
    page = watched.open("#/tasks")
    row = page.locator(f"[data-id='{task}']")
    expect(row).to_contain_text("<script>window.ran=1</script>")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    expect(page.get_by_label("stdout", exact=True)).to_contain_text(SCRIPT + "a⟨0000⟩b⟨0007⟩cred⟨0085⟩⟨FEFF⟩")
    expect(page.get_by_label("stderr", exact=True)).to_have_text("invoice⟨202E⟩gnp.exe⟨2066⟩⟨200B⟩")
    expect(page.get_by_text("invoice⟨202E⟩gnp.exe").first).to_be_visible()
    page.get_by_text("Document", exact=True).click()
    page.goto(f"{site.url}/#/")
    expect(page.get_by_role("table", name="Newest tasks")).to_contain_text("onerror")
    assert page.evaluate("window.ran") is None
    assert page.locator("main script, main img, main [onload], main [onerror]").count() == 0
    assert page.evaluate("[...document.links].filter((each) => !each.href.startsWith(location.origin)).length") == 0


def test_a_task_cannot_reorder_what_stands_around_it(watched: Watched) -> None:
    page = watched.open()
    shown = page.evaluate(
        """async (module) => {
            const { line, lines, short } = await import(module);
            const log = lines("a\\r\\nb\\rc\\u001b[1;31md\\u009b");
            return [line("a\\u202eb\\nc\\td"), log, short("x".repeat(9), 5), line(undefined), line("\\ud800z")];
        }""",
        f"/dashboard/{packaged().version}/js/text.js",
    )
    assert shown == ["a⟨202E⟩b c d", "a\nb\ncd⟨009B⟩", "xxxx…", "", "⟨D800⟩z"]


def test_a_name_without_end_breaks_no_layout(watched: Watched) -> None:
    task = watched.site.create(name="x" * 5000, tags={"y" * 300: "z" * 3000})
    page = watched.open("#/tasks")
    expect(page.locator(f"[data-id='{task}']")).to_be_visible()
    for place in ("#/tasks", f"#/tasks/{task}", "#/"):
        page.goto(f"{watched.site.url}/{place}")
        expect(page.get_by_text("xxxxxxxxxx").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place


def test_addresses_are_nobodys_script(watched: Watched) -> None:
    watched.expected = ("status of 404", "status of 400")
    page = watched.open(f"#/tasks?q={SCRIPT}&state={SCRIPT}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    page.goto(f"{watched.site.url}/#/tasks/%E0%A4%A/{SCRIPT}")
    expect(page.get_by_text("There is no such task").or_(page.get_by_text("That did not work"))).to_be_visible()
    assert page.evaluate("window.ran") is None
