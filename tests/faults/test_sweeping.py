"""Bulk relay past what lists do: few requests, every state right in the end, and no task left out."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import pytest

from protes.relay.interest import Interest
from protes.store.factory import Stores
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.records import TaskRecord, Transition
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.scripted_server import Answer, Request, answer_json, problem
from tests.support.waiting import wait_until

FUNNEL = "org.ga4gh.funnel"
TASKS = 30


def _forwarded(gateway: Harness, fake: FakeTes, count: int = TASKS) -> dict[str, str]:
    """Forward tasks; return their ids at the gateway by those at the instance."""
    gateway.probe()
    for _ in range(count):
        gateway.post()
    gateway.turn()
    fake.server.forget()
    return _ours(gateway, fake)


def _ours(gateway: Harness, fake: FakeTes) -> dict[str, str]:
    return {each.instance_task_id: each.task_id for each in gateway.stores.tasks.followed(fake.url, None, 10_000)}


def _run(fake: FakeTes) -> None:
    for copy in fake.tasks:
        fake.set_state(copy, "RUNNING")


def _states(gateway: Harness, ours: dict[str, str]) -> set[str]:
    return {gateway.state(task_id) for task_id in ours.values()}


def _pages(fake: FakeTes, size: int, between: Callable[[int], None] = lambda _: None) -> Callable[[Request], Answer]:
    """Answer lists in small pages whose tokens are places, as many servers have it; `between` is told each place."""

    def page(request: Request) -> Answer:
        start = int(request.query.get("page_token", ("0",))[0])
        between(start)
        shown = [{"id": task.id, "state": task.state} for task in reversed(fake.tasks.values())]
        token = str(start + size) if start + size < len(shown) else ""
        return answer_json({"tasks": shown[start : start + size], "next_page_token": token})

    return page


def _asked(fake: FakeTes) -> tuple[int, int]:
    """Return how many lists, and how many single tasks, have been asked for."""
    base = "/ga4gh/tes/v1/tasks"
    return fake.server.count("GET", base), fake.server.count("GET", base + "/{id}")


def test_a_sweep_is_one_request_where_a_page_shows_all() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"RUNNING"}
        assert _asked(fake) == (1, 0)


def test_what_has_ended_is_asked_for_once_in_full() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        for copy in fake.tasks:
            fake.finish(copy, stdout="out")
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"COMPLETE"}
        assert _asked(fake) == (3, TASKS), "a list per active state, which show none of them, and each task"
        [log] = gateway.task(next(iter(ours.values())))["logs"]
        assert log["logs"][0]["stdout"] == "out"


def test_what_has_ended_comes_several_at_once_but_not_more_than_allowed() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), relay={"reads_at_once": 3}) as gateway:
        _forwarded(gateway, fake, 12)
        together, lock = threading.Barrier(3), threading.Lock()
        here, most = 0, 0

        def slow(request: Request) -> Answer:
            nonlocal here, most
            with lock:
                here += 1
                most = max(most, here)
            together.wait(30)
            with lock:
                here -= 1
            return answer_json({"id": request.params["id"], "state": "COMPLETE"})

        for copy in fake.tasks:
            fake.finish(copy)
        fake.fault("get", slow, times=12)
        gateway.runner.run("relay", fake.url)
        assert most == 3


@pytest.mark.parametrize("grows", [True, False], ids=["grows", "shrinks"])
def test_a_list_that_changes_under_way_costs_no_task(grows: bool) -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)

        def change(place: int) -> None:
            if grows:
                fake.tasks[f"fake-9{place:05}"] = fake._new(_A_POST)  # what is new comes first and moves the rest
            elif place:
                fake.forget(next(copy for copy in reversed(fake.tasks) if copy not in ours))

        if not grows:
            for number in range(20):
                fake.tasks[f"fake-8{number:05}"] = fake._new(_A_POST)
        fake.fault("list", _pages(fake, 7, change), times=100)
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"RUNNING"}


class _Post:
    """What a fake makes a task of."""

    def json(self) -> dict[str, object]:
        return {"executors": []}


_A_POST: Request = _Post()  # type: ignore[assignment]


@pytest.mark.parametrize("token", ["again", "None", "N/A", ""])
def test_tasks_behind_a_token_that_leads_nowhere_are_asked_for_one_by_one(token: str) -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        first = [{"id": copy, "state": "RUNNING"} for copy in list(fake.tasks)[-10:]]
        fake.fault("list", answer_json({"tasks": first, "next_page_token": token}), times=100)
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"RUNNING"}
        assert _asked(fake) == (2 if token == "again" else 1, TASKS - 10)


def test_a_list_that_shows_none_of_ours_proves_nothing() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        fake.fault("list", answer_json({"tasks": []}), times=100)
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"RUNNING"}
        assert _asked(fake) == (1, TASKS)


def test_history_is_not_gone_through_for_a_few_old_tasks() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake, 10)
        _run(fake)
        for number in range(500):
            fake.tasks[f"fake-9{number:05}"] = fake._new(_A_POST)
        fake.fault("list", _pages(fake, 7), times=100)
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"RUNNING"}
        assert _asked(fake) == (10, 10), "as many pages in vain as there are tasks"


@pytest.mark.parametrize("fault", ["reset", "500", "html", "truncated", "wrong_json"])
def test_what_was_listed_before_a_page_failed_counts(fault: str) -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake), relay={"reads_at_once": 1}) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        newest = list(ours)[-7:]

        def break_off(place: int) -> None:
            if place == 0:
                fake.fault("list", fault, times=100)
                fake.fault("get", "500", times=100)

        fake.fault("list", _pages(fake, 7, break_off))
        gateway.runner.run("relay", fake.url)
        assert {gateway.state(ours[copy]) for copy in newest} == {"RUNNING"}
        assert {gateway.state(ours[copy]) for copy in ours if copy not in newest} == {"QUEUED"}
        assert _asked(fake)[1] <= 12, "after three failures in a row only what is under way is asked for"
        fake.heal()
        gateway.turns(3, 100)
        assert _states(gateway, ours) == {"RUNNING"}


def test_an_instance_that_is_gone_is_not_asked_for_each_task() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        fake.refuse()
        gateway.runner.run("relay", fake.url)
        assert _states(gateway, ours) == {"QUEUED"}
        fake.resume()
        gateway.turns(3, 100)
        assert _states(gateway, ours) == {"RUNNING"}


def test_a_pause_that_an_instance_asks_for_is_kept() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        fake.fault("list", problem(429, "slowly", **{"Retry-After": "50"}))
        gateway.turn(2)
        assert _asked(fake) == (1, 0)
        gateway.turns(4, 10)
        assert _asked(fake) == (1, 0)
        gateway.turns(2, 10)
        assert _states(gateway, ours) == {"RUNNING"}


def test_slow_pages_are_left_and_taken_up_where_they_were_left() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        places: list[int] = []

        def slow(place: int) -> None:
            places.append(place)
            gateway.clock.advance(12)  # so that two pages are the time of a list

        fake.fault("list", _pages(fake, 5, slow), times=100)
        gateway.runner.submit("relay", fake.url)
        gateway.runner.drain()
        assert _states(gateway, ours) == {"RUNNING"}
        assert places == [0, 5, 10, 15, 20, 25]


def test_a_task_that_always_fails_keeps_no_other_waiting() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), relay={"list_from": 1000, "reads_at_once": 1}) as gateway:
        ours = _forwarded(gateway, fake, 12)
        _run(fake)
        sick = list(ours)[2:6]

        def some(request: Request) -> Answer:
            copy = request.params["id"]
            return problem(500, "sick") if copy in sick else answer_json({"id": copy, "state": "RUNNING"})

        fake.fault("get", some, times=1000)
        gateway.turns(8, 100)
        assert {gateway.state(ours[copy]) for copy in ours if copy not in sick} == {"RUNNING"}


def test_two_workers_do_not_sweep_one_instance_at_once() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake)
        _run(fake)
        other = gateway.restarted()
        entered, leave = threading.Event(), threading.Event()

        def stall(place: int) -> None:
            entered.set()
            leave.wait(30)

        fake.fault("list", _pages(fake, 100, stall))
        first = threading.Thread(target=gateway.runner.run, args=("relay", fake.url))
        first.start()
        assert entered.wait(30)
        other.runner.run("relay", fake.url)
        assert _asked(fake)[1] == 0
        assert fake.server.count("GET", "/ga4gh/tes/v1/tasks") <= 1
        leave.set()
        first.join(30)
        assert _states(gateway, ours) == {"RUNNING"}
        other.services.federation.close()
        wait_until(lambda: not any(each.name == "protes-sweep" for each in threading.enumerate()), "threads have ended")


@pytest.mark.parametrize("count", [3, 20], ids=["one by one", "listed"])
def test_logs_of_a_running_task_come_while_somebody_reads_them(count: int) -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        ours = _forwarded(gateway, fake, count)
        _run(fake)
        copy, task_id = next(iter(ours.items()))
        fake.tasks[copy].log = {"logs": [], "outputs": [], "system_logs": ["half way"]}
        gateway.turn(1)
        assert gateway.record(task_id).attempts[-1].log is None
        Interest(gateway.stores.records, gateway.clock, "an API process").mark(task_id, fake.url)
        wait_until(
            lambda: bool(gateway.stores.records.scan("interest", "", gateway.clock.now())), "the mark is written"
        )
        gateway.turn(1)
        log = gateway.record(task_id).attempts[-1].log
        assert log is not None
        assert log["system_logs"] == ["half way"]
        assert gateway.state(task_id) == "RUNNING"
        others = [gateway.record(each).attempts[-1].log for each in ours.values() if each != task_id]
        assert others == [None] * (count - 1)


class _Batches(MemoryTaskStore):
    """Notes how many characters of logs it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def transition(self, transitions: Iterable[Transition], now: datetime) -> Sequence[TaskRecord]:
        given = list(transitions)
        self.sizes.append(sum(len(json.dumps(each.log)) for each in given))
        return super().transition(given, now)


@pytest.mark.parametrize("where", ["stdout", "system_logs", "metadata", "outputs"])
def test_logs_wait_to_be_stored_in_bounded_memory_whatever_they_are_made_of(where: str) -> None:
    tasks, text = _Batches(), "x" * 1_000_000
    stores = Stores(tasks, MemoryRecords(), tasks.close)
    with FakeTes() as fake, Harness(instance("a", fake), stores=stores, relay={"log_tail_bytes": 10**7}) as gateway:
        ours = _forwarded(gateway, fake, 24)
        for copy in fake.tasks.values():
            fake.finish(copy.id, stdout=text if where == "stdout" else "")
            assert copy.log is not None
            if where == "system_logs":
                copy.log["system_logs"] = [text[:500_000]] * 2
            elif where == "metadata":
                copy.log["metadata"] = {"host": text}
            elif where == "outputs":
                copy.log["outputs"] = [
                    {"url": f"s3://b/{n}", "path": text[:10_000], "size_bytes": "1"} for n in range(100)
                ]
        gateway.turns(3, 60)
        assert _states(gateway, ours) == {"COMPLETE"}
    assert sum(tasks.sizes) > 20_000_000
    assert max(tasks.sizes) < 11_000_000


def test_ids_given_twice_are_asked_for_one_by_one() -> None:
    with FakeTes(service_id=FUNNEL) as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        fake.fault("create", answer_json({"id": "same"}), times=10)
        ids = [gateway.post() for _ in range(10)]
        gateway.turn()
        fake.fault("get", answer_json({"id": "same", "state": "COMPLETE"}), times=1000)
        gateway.turn(2)
        assert {gateway.state(each) for each in ids} == {"COMPLETE"}
