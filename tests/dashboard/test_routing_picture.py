"""Why a task runs where it runs, as the page draws it: the same choice as the gateway's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from middleware.preference import parse_weight
from middleware.scoring import Floors, Plan, rank, weighed
from protes.dashboard.assets import packaged
from tests.dashboard.conftest import Watched
from tests.dashboard.site import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE * 1000)

WEIGHING = f"/dashboard/{packaged().version}/js/weighing.js"


@pytest.mark.parametrize("weight", ["0", "0.5", "1"])
def test_the_winner_at_the_tasks_weight_is_the_gateways(watched: Watched, weight: str) -> None:
    task = watched.site.create(tags={"protes.weight": weight, "protes.runtime_seconds": "3600"})
    watched.site.placed(task)
    chosen = watched.site.get(f"/protes/v1/tasks/{task}/routing")["chosen"]
    page = watched.open(f"#/tasks/{task}")
    expect(page.locator(".verdict")).to_contain_text(
        f"At the task's weight {float(weight):.2f}, {chosen} is the best offer"
    )
    expect(page.locator("tbody tr").first).to_contain_text(f"{chosen}winsran here")
    expect(page.get_by_role("img", name=f"{chosen} wins at weight")).to_be_visible()


def test_another_weight_moves_the_winner_and_back_again(watched: Watched) -> None:
    task = watched.site.create(tags={"protes.weight": "0.5", "protes.runtime_seconds": "36000"})
    watched.site.placed(task)
    page = watched.open(f"#/tasks/{task}")
    first, verdict, slider = page.locator("tbody tr").first, page.locator(".verdict"), page.get_by_role("slider")
    expect(first).to_contain_text("standard")
    line = page.locator(".plane-line").get_attribute("d")
    slider.focus()
    page.keyboard.press("End")
    expect(first).to_contain_text("express")
    expect(verdict).to_contain_text("At weight 1.00, express would be chosen, instead of standard.")
    assert page.locator(".plane-line").get_attribute("d") != line
    page.keyboard.press("Home")
    expect(first).to_contain_text("budget")
    assert "budget would win" in (slider.get_attribute("aria-valuetext") or "")
    page.get_by_role("button", name="back to 0.50").click()
    expect(first).to_contain_text("standard")


def test_refused_candidates_and_attempts_are_told(watched: Watched) -> None:
    tags = {"protes.instances": '{"type": "allow", "instances": ["budget", "standard"]}', "protes.weight": "0"}
    task = watched.site.create(tags=tags)
    watched.site.placed(task)
    page = watched.open(f"#/tasks/{task}")
    left_out = page.locator(".reasons li")
    expect(left_out).to_have_count(1)
    expect(left_out).to_contain_text("express")
    expect(page.locator(".attempts").first).to_contain_text("budget")
    page.get_by_text("What each step of the chain did").click()
    expect(page.locator(".steps li").first).to_be_visible()


def ranked_by_page(page: Page, cases: list[dict[str, Any]]) -> list[list[list[str]]]:
    script = """async ([module, cases]) => {
        const { points, scales, rankedAt } = await import(module);
        return cases.map(({ entries, floors, weights }) => weights.map((weight) =>
            rankedAt(points(entries), Number(weight), scales(points(entries), floors)).map((each) => each.instance)));
    }"""
    found: list[list[list[str]]] = page.evaluate(script, [WEIGHING, cases])
    return found


def a_case(chance: random.Random) -> dict[str, Any]:
    largest = chance.choice([10, 1000, 10**8])
    figures = [(chance.randint(0, largest), chance.randint(0, largest)) for _ in range(chance.randint(1, 12))]
    entries = [
        {
            "instance": f"i{n}",
            "outcome": "offer",
            "rank": n + 1,
            "cost": {"amount": f"{cost / 1e6:.6f}"},
            "seconds": time / 1e3,
        }
        for n, (cost, time) in enumerate(figures)
    ]
    floors = {"cost": chance.choice([1, 100, 100_000]), "time": chance.choice([1, 60_000])}
    weights = ["0", "1", "0.5", f"0.{chance.randint(1, 99):02}"]
    return {"entries": entries, "floors": floors, "weights": weights, "figures": figures}


def ranked_by_gateway(case: dict[str, Any]) -> list[list[str]]:
    figures, floors = case["figures"], Floors(**case["floors"])
    least = [min(each[place] for each in figures) for place in (0, 1)]
    orders = []
    for weight in case["weights"]:
        millionths = parse_weight(weight).millionths
        assert millionths is not None
        plans = [Plan(cost, time, (n,)) for n, (cost, time) in enumerate(figures)]
        order = rank(plans, weighed(millionths, least[0], least[1], floors)).order
        orders.append([f"i{n}" for n in order])
    return orders


def test_the_page_ranks_as_the_gateway_does(watched: Watched) -> None:
    chance = random.Random(9)
    cases = [a_case(chance) for _ in range(300)]
    page = watched.open()
    sent = [{key: case[key] for key in ("entries", "floors", "weights")} for case in cases]
    assert ranked_by_page(page, sent) == [ranked_by_gateway(case) for case in cases]


def test_scales_are_found_in_the_gateways_scores(watched: Watched) -> None:
    """Floors may have been others when the task was placed: what its scores tell goes before today's."""
    page = watched.open()
    told = page.evaluate(
        """async (module) => {
            const { points, scales, scalesOf } = await import(module);
            const entry = (instance, cost, seconds, score) =>
                ({ instance, outcome: "offer", rank: 1, cost: { amount: `${cost}` }, seconds, score: `${score}` });
            // Least cost 1 and least time 100, measured by the floors 2 and 400, at the weight 0.25.
            const offers = points([entry("a", 1, 500, 0.25), entry("b", 3, 100, 0.75)]);
            const today = scales(offers, { cost: 1e5, time: 6e4 });
            return [scalesOf(offers, 0.25, today), scalesOf(offers, 0, today), scalesOf(offers, 1, today)];
        }""",
        WEIGHING,
    )
    assert told[0] == {"cost": pytest.approx(2e6), "time": pytest.approx(4e5)}
    assert told[1]["time"] == told[2]["cost"] / 10 == pytest.approx(1e5)


def test_the_front_holds_what_nobody_beats(watched: Watched) -> None:
    page = watched.open()
    figures = [(5, 1), (3, 2), (4, 2), (3, 3), (1, 9), (1, 9), (2, 10)]
    on_front = page.evaluate(
        """async ([module, figures]) => {
            const { front } = await import(module);
            return front(figures.map(([cost, time], place) => ({ cost, time, place }))).map((each) => each.place);
        }""",
        [WEIGHING, figures],
    )
    assert on_front == [0, 1, 4]
