"""Many tasks at one instance: their states come in bulk, with few requests, past every trap of a list."""

from pathlib import Path

import pytest

from protes.tes.dialects.table import dialect_named
from tests.support.dialects.document import HEAD, row_of
from tests.support.dialects.driving import CASES_THAT_RUN, FAMILIES_THAT_RUN, Case, forwarded, gateway_to, sweeps
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.figures import TASKS, about_tasks, figures_of

_ENDS = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")


@pytest.mark.parametrize("case", CASES_THAT_RUN, ids=str)
def test_twelve_tasks_end_as_they_ended_there(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        fake.crowd(3, "RUNNING")
        tasks = [forwarded(gateway, fake) for _ in range(TASKS)]
        fake.crowd(3)
        for _, copy in tasks:
            fake.start(copy.id)
        sweeps(gateway)
        expected: dict[str, str] = {}
        for number, (task_id, copy) in enumerate(tasks):
            if number % 4 == 3:
                expected[task_id] = "QUEUED" if not fake.SHOWS_RUNNING else "RUNNING"
                continue
            exit_code = number % 4
            if exit_code == 2:
                fake.fail(copy.id)
            else:
                fake.finish(copy.id, exit_code)
            expected[task_id] = "SYSTEM_ERROR" if exit_code == 2 else fake.end_state(exit_code)
        sweeps(gateway, 3)
        fake.server.forget()
        sweeps(gateway)
        found = {task_id: gateway.state(task_id) for task_id in expected}
        if case.trap == "flaps":
            found = {each: "RUNNING" if state == "QUEUED" else state for each, state in found.items()}
        assert found == expected
        still_active = sum(state not in _ENDS for state in expected.values())
        # Where a view closes the connection a request is made again, and then in the other view.
        each = 3 if case.trap in ("postgres", "badger") else 1
        assert about_tasks(fake) <= each * still_active


SLOW_VIEWS = [Case("funnel", trap) for trap in ("badger", "dynamodb", "postgres")]


@pytest.mark.parametrize("case", [*FAMILIES_THAT_RUN, *SLOW_VIEWS], ids=str)
def test_requests_per_task_and_per_sweep_are_few(case: Case) -> None:
    figures = figures_of(case)
    listing = dialect_named(case.family).listing
    assert figures.probing <= 12
    # The POST, one look before the end and two after it; an estimate asked for; a second look at an error; another
    # view where one cannot be had.
    assert figures.one_task <= 8
    if case.trap in ("postgres", "badger"):
        assert figures.sweep <= 2 * TASKS
    elif listing is None:
        assert figures.sweep == TASKS
    else:
        # One listing per active state at most, or twelve tasks in pages of four.
        assert figures.sweep <= 6
    assert figures.ending_sweep <= figures.sweep + 2 * TASKS


@pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)
def test_the_page_of_servers_has_the_requests_that_are_measured(case: Case) -> None:
    page = (Path(__file__).parents[2] / "docs" / "instances.md").read_text(encoding="utf-8")
    assert HEAD in page
    [line] = [line for line in page.partition(HEAD)[2].splitlines() if line.startswith(f"| `{case.family}` |")]
    assert [cell.strip() for cell in line.strip("|").split("|")] == row_of(case)


def test_a_token_that_funnel_drops_is_made_by_the_gateway() -> None:
    with FAMILIES["funnel-0.11"]("dropped_token") as fake, gateway_to(fake) as gateway:
        tasks = [forwarded(gateway, fake) for _ in range(6)]
        for _, copy in tasks:
            fake.start(copy.id)
        fake.crowd(1000, "RUNNING")  # newer ones, which fill the first page
        fake.server.forget()
        sweeps(gateway)
        assert {gateway.state(task_id) for task_id, _ in tasks} == {"RUNNING"}
        assert fake.count("list") == 2
        assert fake.count("get") == 0


def test_a_list_without_end_ends() -> None:
    with FAMILIES["tesp"]() as fake, gateway_to(fake) as gateway:
        tasks = [forwarded(gateway, fake) for _ in range(6)]
        fake.forget(tasks[0][1].id)  # what is awaited does not come, so that the list is gone through to its end
        fake.server.forget()
        sweeps(gateway)
        assert 1 <= fake.count("list") <= 3
