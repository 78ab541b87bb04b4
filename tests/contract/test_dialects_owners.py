"""Instances that are shown each caller's own token: every family, two owners, and nobody sees the other's tasks."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.store.factory import create_stores
from protes.store.records import Phase
from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import FAMILIES_THAT_RUN, LONG, Case, last_attempt, plain, sweeps
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ours import Node
from tests.support.harness import Harness

ANN, BOB = "Bearer canary-of-ann-5f3a", "Bearer canary-of-bob-91cc"
KEY = base64.b64encode(bytes(range(32))).decode()
PASSED: dict[str, Any] = {"type": "pass_through", "hosts": ["127.0.0.1"]}
B0 = '{"type": "order", "instances": ["b0"]}'
QUIET: dict[str, Any] = {"http_sizes": False, "drs": False}

every_family_that_runs = pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)


def jwt(clock: ManualClock, seconds: float, subject: str = "ann") -> str:
    """A token that ends so many seconds from now."""
    claims = {"sub": subject, "exp": int((clock.now() + timedelta(seconds=seconds)).timestamp())}
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{part}.c2ln"


@contextmanager
def gateway_to(fake: DialectFake, *others: DialectFake, **settings: Any) -> Iterator[Harness]:
    """A gateway that passes tokens on to the first, pinned since it may hide what it is; others get nothing."""
    fake.protect(ann=ANN, bob=BOB)
    passing: dict[str, Any] = {"id": "a", "url": fake.url + fake.BASES[0], "dialect": fake.NAME, "credentials": PASSED}
    open_ones: list[dict[str, Any]] = [{"id": f"b{number}", "url": each.url} for number, each in enumerate(others)]
    priced = [
        {**each, "prices": {"cpu_core_hour": price}} for each, price in zip([passing, *open_ones], (0, 1), strict=False)
    ]
    merged = {"server": {"secret_key": KEY}, "relay": {"list_from": 2}, "sources": QUIET, **settings}
    with Harness(*priced, **merged) as gateway:
        gateway.probe()
        yield gateway


@every_family_that_runs
def test_each_task_is_submitted_followed_and_cancelled_with_its_callers_token(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        sent = plain(fake)
        ours = {who: [gateway.post(sent, "0", token) for _ in range(3)] for who, token in (("ann", ANN), ("bob", BOB))}
        gateway.turns(2, 1)
        copies = {
            task_id: fake.tasks[last_attempt(gateway, task_id).instance_task_id or ""]
            for tasks in ours.values()
            for task_id in tasks
        }
        assert [copies[each].owner for each in (*ours["ann"], *ours["bob"])] == ["ann"] * 3 + ["bob"] * 3
        for copy in copies.values():
            fake.start(copy.id)
        sweeps(gateway)
        for tasks in ours.values():
            fake.finish(copies[tasks[0]].id, stdout="7 in.txt\n")
            gateway.cancel(tasks[1])
            fake.finish(copies[tasks[2]].id, 3)
        gateway.turns(6, LONG)
        for tasks in ours.values():
            assert [gateway.state(each) for each in tasks] == ["COMPLETE", "CANCELED", fake.end_state(3)]
            assert gateway.task(tasks[0])["logs"][0]["logs"][0]["exit_code"] == 0
        # Whatever was asked about a task was asked with the token of its owner, and no list was asked for.
        tokens = {copy.id: {"ann": ANN, "bob": BOB}[copy.owner] for copy in copies.values()}
        for each in fake.server.requests():
            named = tokens.get(each.path.rsplit("/", 1)[1].removesuffix(":cancel"))
            assert named is None or each.headers.get("Authorization") == named
        assert fake.count("list") == 0
        assert not list(gateway.stores.records.scan("caller-token", "", gateway.clock.now()))


@every_family_that_runs
def test_a_lost_submission_is_searched_for_with_its_callers_token(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        fake.fault("create", "500_after_commit")
        task_id = gateway.post(plain(fake), "0", ANN)
        gateway.turn()
        assert last_attempt(gateway, task_id).phase is Phase.UNKNOWN
        sweeps(gateway, 3)
        assert last_attempt(gateway, task_id).phase is Phase.ACCEPTED
        [copy] = fake.tasks.values()
        assert (copy.owner, last_attempt(gateway, task_id).instance_task_id) == ("ann", copy.id)


@pytest.mark.parametrize("family", ["funnel", "tesk", "node"])
def test_a_task_without_a_token_goes_elsewhere_and_no_token_goes_there(family: str) -> None:
    with FAMILIES[family]() as fake, Node() as other, gateway_to(fake, other) as gateway:
        for authorization in (None, "Basic Tm9uZTpOb25l", "Basic Og=="):
            gateway.post(plain(Node), "0", authorization)
        gateway.turns(2, 1)
        assert (fake.count("create"), other.count("create")) == (0, 3)
        gateway.cancel(gateway.post({**plain(Node), "tags": {"protes.instances": B0}}, "0", ANN))
        gateway.turns(2, 1)
        assert not any("Authorization" in each.headers for each in other.server.requests())


def test_a_token_that_ends_ends_what_can_be_known_of_its_task_and_nothing_else() -> None:
    clock = ManualClock()
    token = jwt(clock, 600)
    with FAMILIES["funnel"]() as fake, gateway_to(fake, clock=clock) as gateway:
        fake.protect(ann=token, bob=BOB)
        task_id, other = gateway.post(plain(fake), "0", token), gateway.post(plain(fake), "0", BOB)
        gateway.turn()
        copies = {copy.owner: copy for copy in fake.tasks.values()}
        for copy in copies.values():
            fake.start(copy.id)
        sweeps(gateway)
        assert [gateway.state(each) for each in (task_id, other)] == ["RUNNING", "RUNNING"]
        gateway.turn(600)
        asked = copies["ann"].reads
        assert gateway.state(task_id) == "RUNNING"
        sweeps(gateway, 3)
        assert copies["ann"].reads == asked
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "caller's token, which has ended or is refused" in gateway.notes(task_id)
        assert gateway.services.federation.view().instances[0].status == "ok"  # it says nothing of the instance
        assert gateway.state(other) == "RUNNING"


def test_a_token_that_is_over_before_the_task_is_placed_never_leaves() -> None:
    clock = ManualClock()
    with FAMILIES["funnel"]() as fake, Node() as other, gateway_to(fake, other, clock=clock) as gateway:
        gateway.post(plain(Node), "0", jwt(clock, -5))
        late = gateway.post(plain(Node), "0", jwt(clock, 30))
        clock.advance(31)
        gateway.turns(2, 1)
        assert (fake.count("create"), other.count("create")) == (0, 2)
        assert gateway.record(late).attempts[0].instance_id == "b0"


def test_a_token_that_is_refused_for_a_while_is_shown_again() -> None:
    with FAMILIES["tesk"]() as fake, gateway_to(fake) as gateway:
        task_id = gateway.post(plain(fake), "0", ANN)
        gateway.turn()
        [copy] = fake.tasks.values()
        fake.protect(bob=BOB)
        sweeps(gateway)
        assert gateway.state(task_id) == "QUEUED"
        fake.protect(ann=ANN)
        fake.finish(copy.id)
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"


def test_a_refused_token_sends_the_task_elsewhere_and_harms_nobody_elses() -> None:
    with FAMILIES["tesk"]() as fake, Node() as other, gateway_to(fake, other) as gateway:
        refused = gateway.post(plain(Node), "0", "Bearer of-nobody")
        taken = gateway.post({**plain(Node), "outputs": []}, "0", ANN)
        gateway.turns(2, 1)
        assert [each.phase for each in gateway.record(refused).attempts] == [Phase.REJECTED, Phase.ACCEPTED]
        assert "refuses the caller's token" in gateway.notes(refused)
        assert gateway.record(taken).attempts[0].instance_id == "a"
        assert (fake.count("create"), other.count("create")) == (2, 1)


def test_nothing_that_is_stored_or_told_has_the_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        FAMILIES["funnel"]() as fake,
        gateway_to(fake, stores=create_stores(str(tmp_path))) as gateway,
    ):
        task_id = gateway.post(plain(fake), "0", ANN)
        gateway.turn()
        [copy] = fake.tasks.values()
        copy.system_logs.append(f"I was called with {ANN}")
        kept = gateway.stores.records.get("caller-token", task_id, gateway.clock.now())
        assert kept is not None
        assert not _holds(tmp_path, ANN)
        fake.protect(bob=BOB)
        sweeps(gateway)
        fake.protect(ann=ANN)
        fake.finish(copy.id)
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"
        shown = json.dumps(gateway.task(task_id)) + gateway.notes(task_id) + repr(gateway.record(task_id))
        assert ANN.removeprefix("Bearer ") not in shown + caplog.text + repr(gateway.services.federation.__dict__)
        assert not _holds(tmp_path, ANN)
        assert gateway.stores.records.get("caller-token", task_id, gateway.clock.now()) is None
        gateway.stores.close()


def _holds(folder: Path, token: str) -> bool:
    """Whether a file holds the token, plainly or as base64 would have it."""
    plain_text = token.removeprefix("Bearer ").encode()
    needles = (plain_text, base64.b64encode(plain_text)[:-4], plain_text[::-1])
    return any(
        needle in Path(root, name).read_bytes()
        for root, _, names in os.walk(folder)
        for name in names
        for needle in needles
    )


def test_a_token_answered_with_500_sends_its_task_elsewhere_and_everybody_elses_stay() -> None:
    with FAMILIES["tesazure"]() as fake, Node() as other, gateway_to(fake, other) as gateway:
        bad, good = gateway.post(plain(fake), "0", "Bearer canary-of-nobody"), gateway.post(plain(fake), "0", ANN)
        gateway.turns(2, 1)
        assert [each.owner for each in fake.tasks.values()] == ["ann"]
        assert (fake.count("create"), other.count("create")) == (1, 1)
        assert [each.phase for each in gateway.record(bad).attempts] == [Phase.REJECTED, Phase.ACCEPTED]
        assert last_attempt(gateway, good).instance_id == "a"
        assert [each.status for each in gateway.services.federation.view().instances] == ["ok", "ok"]
