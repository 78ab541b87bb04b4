"""Fifty instances of which twenty fail in every scripted way: no task is lost, none runs twice (issue's figure)."""

from collections import Counter

import pytest

from tests.support.sick_federation import (
    SICK,
    federation,
    in_front_of,
    record,
    sent,
    submit_steadily,
)
from tests.support.waiting import wait_until


@pytest.mark.timeout(300)
def test_no_task_is_lost_and_none_runs_twice_while_twenty_of_fifty_instances_fail() -> None:
    with federation(50) as made, in_front_of(made) as gateway:
        made.fall_ill()
        ids = submit_steadily(gateway, 300, 60)
        sent(gateway, ids, 201)  # to healthy instances, while sick ones still hold what they were sent
        made.heal()
        ended = "COMPLETE"
        wait_until(lambda: all(str(record(gateway, each).state) == ended for each in ids), "all complete", 120)
        copies = made.copies()
        assert {each: copies[each] for each in ids} == dict.fromkeys(ids, 1)
        assert len(made.fakes) - len(made.healthy) == len(SICK) == 20


@pytest.mark.timeout(300)
def test_an_outage_of_all_changes_no_state_and_ends_without_a_stampede() -> None:
    with federation(3) as made, in_front_of(made) as gateway:
        for fake in made.fakes:
            fake.auto(1_000_000)  # they go on running
        running = submit_steadily(gateway, 12, 60)
        wait_until(lambda: all(str(record(gateway, each).state) == "RUNNING" for each in running), "all run")
        for fake in made.fakes:
            fake.refuse()
        waiting = submit_steadily(gateway, 60, 60)
        view = gateway.services.federation.view
        wait_until(lambda: all(each.status == "ejected" for each in view().instances), "all are left out")
        assert Counter(str(record(gateway, each).state) for each in running) == {"RUNNING": 12}
        assert Counter(str(record(gateway, each).state) for each in waiting) == {"QUEUED": 60}
        for fake in made.fakes:
            fake.auto(1)
            fake.resume()
        wait_until(
            lambda: all(str(record(gateway, each).state) == "COMPLETE" for each in [*running, *waiting]),
            "the backlog is drained",
            90,
        )
        assert made.copies() == dict.fromkeys([*running, *waiting], 1)
