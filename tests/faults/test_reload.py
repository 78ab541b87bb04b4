"""A gateway as a process whose configuration changes while it works (docs/reload.md)."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from werkzeug.test import EnvironBuilder

from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, submit
from protes.app import Gateway, create_gateway
from protes.clock import ManualClock, SystemClock
from protes.config.settings import Settings
from protes.config.watching import ConfigFiles
from protes.demo.processes import Server
from protes.parts import make_lasting, make_parts
from protes.reload import Trigger
from protes.store.factory import create_stores
from protes.tes.states import State
from tests.support.fake_registry import FakeRegistry
from tests.support.fake_tes import FakeTes
from tests.support.harness import instance
from tests.support.manual_runner import ManualRunner
from tests.support.processes import TOKEN, gateway
from tests.support.scripted_server import HangUp
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

TES = "/ga4gh/tes/v1"
TASK = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}
PATIENCE_SECONDS = 60.0
"""Processes start and stop here, on machines that are busy with other tests."""
PROMPT = {"reload": {"watch_seconds": 0.1}, "relay": {"first_poll_seconds": 0.1, "last_poll_seconds": 0.5}}


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for what whole processes do."""
    wait_until(condition, what, PATIENCE_SECONDS)


@dataclass
class Running:
    """A gateway that serves.

    Attributes:
        url: its root URL.
        server: its process.
        folder: where its configuration and its log are.
    """

    url: str
    server: Server
    folder: Path

    def configure(self, settings: dict[str, Any]) -> None:
        """Put another configuration in the place of the file."""
        self.write(yaml.safe_dump({"custom": settings}))

    def write(self, text: str) -> None:
        """Put another text in the place of the file, wholly."""
        new = self.folder / "new.yaml"
        new.write_text(text)
        new.rename(self.folder / "config.yaml")

    def said(self, what: str) -> int:
        """How many lines of the log have this."""
        return (self.folder / "log").read_text().count(what)

    def instances(self) -> dict[str, str]:
        """The state of each instance, by id, as one of the workers knows it."""
        known = requests.get(f"{self.url}/protes/v1/instances", timeout=60).json()["instances"]
        return {each["id"]: each["state"] for each in known}

    def post(self) -> str:
        """Create a task and return its id."""
        answer = requests.post(f"{self.url}{TES}/tasks", json=TASK, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def state(self, task_id: str) -> str:
        """The state of a task."""
        return str(requests.get(f"{self.url}{TES}/tasks/{task_id}", timeout=60).json()["state"])

    def wait_taken(self, times: int) -> None:
        """Wait until the workers have taken over this many configurations in all."""
        eventually(lambda: self.said("has taken the configuration over") >= times, f"{times} taken over")

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return sorted(_children(self.server.pid))


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == parent:
            yield int(stat.parent.name)


@contextmanager
def running(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Running]:
    folder = tmp_path / "gateway"
    with gateway(folder, settings) as (url, server):
        yield Running(url, server, folder)


@pytest.fixture(name="fakes")
def _fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeTes]]:
    monkeypatch.setenv("TOKEN_OF_FAKES", TOKEN)
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeTes(token=TOKEN)) for _ in range(3)]
        for fake in fakes:
            fake.auto(2)
        yield fakes


def settings_of(*fakes: FakeTes, workers: int = 1, **more: Any) -> dict[str, Any]:
    credentials = {"type": "bearer", "secret_env": "TOKEN_OF_FAKES"}
    instances = [{"id": name_of(fake), "url": fake.url, "credentials": credentials} for fake in fakes]
    return {"instances": instances, "server": {"workers": workers}, **PROMPT, **more}


def name_of(fake: FakeTes) -> str:
    return f"fake-{urlsplit(fake.url).port}"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_changed_file_is_taken_over_by_every_worker(tmp_path: Path, fakes: list[FakeTes], workers: int) -> None:
    first, second, _ = fakes
    with running(tmp_path, settings_of(first, workers=workers)) as here:
        eventually(lambda: len(here.workers()) == workers, "all workers are there")
        eventually(lambda: here.instances() == {name_of(first): "ok"}, "the first is found")
        before = here.workers()
        here.configure(settings_of(second, workers=workers))
        here.wait_taken(workers)
        eventually(lambda: here.instances().get(name_of(second)) == "ok", "the second is found")
        task = here.post()
        eventually(lambda: here.state(task) == "COMPLETE", "the task has run")
        assert (first.creates(), second.creates()) == (0, 1)
        assert here.workers() == before


@pytest.mark.parametrize(("workers", "hang_up"), [(1, os.kill), (2, os.kill), (2, os.killpg)])
def test_a_hangup_of_the_server_or_its_group_reads_the_file_again(
    tmp_path: Path, fakes: list[FakeTes], workers: int, hang_up: Callable[[int, int], None]
) -> None:
    watchless: dict[str, Any] = {"workers": workers, "reload": {"watch": False}}
    with running(tmp_path, settings_of(fakes[0], **watchless)) as here:
        eventually(lambda: len(here.workers()) == workers, "all workers are there")
        before = here.workers()
        eventually(lambda: here.instances() == {name_of(fakes[0]): "ok"}, "the first is found")
        here.configure(settings_of(*fakes[:2], api={"weight": "0.1"}, **watchless))
        hang_up(here.server.pid, signal.SIGHUP)
        here.wait_taken(workers)
        eventually(lambda: set(here.instances().values()) == {"ok"} and len(here.instances()) == 2, "both are found")
        offers = requests.post(f"{here.url}/protes/v1/offers", json=TASK, timeout=60).json()
        assert offers["weight"] == "0.1"
        assert here.workers() == before
        assert here.said("changed: api, instances") == workers


def test_a_bad_file_is_refused_with_a_message_and_the_old_one_serves_on(tmp_path: Path, fakes: list[FakeTes]) -> None:
    (first, second, _), workers = fakes, 2
    with running(tmp_path, settings_of(first, workers=workers)) as here:
        eventually(lambda: here.instances() == {name_of(first): "ok"}, "the first is found")
        for text, why in (
            ("custom:\n  instances: [\n", "config.yaml' is not valid YAML: line 3, column 1"),
            ("custom:\n  wieght: 1\n", "custom.wieght: Extra inputs are not permitted"),
            ("custom:\n  chain: [{use: no_such_step}]\n", "step 3 (no_such_step): no middleware has this name"),
            (
                "custom: {instances: [{id: x, url: 'http://x', credentials: {type: bearer, secret_env: NOT_THERE}}]}\n",
                "environment variable NOT_THERE is not set",
            ),
        ):
            here.write(text)
            eventually(lambda why=why: here.said(why) == workers, f"every worker says: {why}")  # type: ignore[misc]
        os.kill(here.server.pid, signal.SIGHUP)
        eventually(lambda: here.said("NOT_THERE is not set") == 2 * workers, "a hangup tries again")
        assert here.instances() == {name_of(first): "ok"}
        task = here.post()
        eventually(lambda: here.state(task) == "COMPLETE", "the task has run")
        # A worker that starts now starts with what the server was started with.
        os.kill(here.workers()[-1], signal.SIGKILL)
        eventually(lambda: here.said("NOT_THERE is not set") == 2 * workers + 1, "the new worker refuses too")
        here.configure(settings_of(second, workers=workers))
        here.wait_taken(workers)
        eventually(lambda: here.instances().get(name_of(second)) == "ok", "the second is found")


class Load:
    """Tasks posted steadily from a few threads, until told to stop."""

    def __init__(self, here: Running, threads: int) -> None:
        self.ids: list[str] = []
        self._here = here
        self._stop = threading.Event()
        self._problems: list[str] = []
        self._threads = [threading.Thread(target=self._post) for _ in range(threads)]
        for each in self._threads:
            each.start()

    def end(self) -> list[str]:
        """Stop, and return the ids; fail where a POST failed."""
        self._stop.set()
        for each in self._threads:
            each.join(30)
        assert self._problems == []
        return self.ids

    def _post(self) -> None:
        with requests.Session() as session:
            while not self._stop.wait(0.02):
                answer = session.post(f"{self._here.url}{TES}/tasks", json=TASK, timeout=30)
                if answer.status_code != 200:
                    self._problems.append(answer.text)
                    return
                self.ids.append(answer.json()["id"])


def _held(pids: list[int]) -> tuple[int, int]:
    """How many threads and open files these processes have."""
    threads = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)
    return threads, sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def _grown_by_at_most(before: tuple[int, int], after: tuple[int, int], threads: int, files: int) -> bool:
    """Whether there are at most so many threads and files more than before."""
    return after[0] - before[0] <= threads and after[1] - before[1] <= files


def _unfinished(here: Running) -> int:
    states = Counter[str]()
    query: dict[str, str] = {"page_size": "1000"}
    while True:
        page = requests.get(f"{here.url}{TES}/tasks", params=query, timeout=30).json()
        states.update(str(each["state"]) for each in page["tasks"])
        if not page.get("next_page_token"):
            return states.total() - states["COMPLETE"]
        query["page_token"] = page["next_page_token"]


def test_no_task_is_lost_and_none_runs_twice_during_many_reloads(tmp_path: Path, fakes: list[FakeTes]) -> None:
    """The instances change with each reload; those that left have tasks that must be brought home."""
    workers = 2
    with FakeRegistry() as registry, ExitStack() as stack:
        asked: dict[str, Any] = {"registries": [{"url": registry.url, "refresh_seconds": 0.2}], "workers": workers}
        sets = [settings_of(*fakes[:2], **asked), settings_of(*fakes[1:], **asked)]
        here = stack.enter_context(running(tmp_path, sets[0]))
        eventually(lambda: len(here.workers()) == workers, "all workers are there")
        eventually(lambda: set(here.instances().values()) == {"ok"}, "both are found")
        load = Load(here, 3)
        eventually(lambda: len(load.ids) >= 50, "the load has begun")
        pids = here.workers()
        before = _held(pids)
        for turn in range(1, 21):
            here.configure(sets[turn % 2])
            here.wait_taken(turn * workers)
            expected = len(load.ids) + 5
            eventually(lambda expected=expected: len(load.ids) >= expected, "the load goes on")  # type: ignore[misc]
        ids = load.end()
        eventually(lambda: _unfinished(here) == 0, "every task has run")
        # A connection here and there may be open now and not then, or the other way round; twenty sets of parts not.
        eventually(lambda: _grown_by_at_most(before, _held(pids), 8, 24), f"back to {before} threads and files")
        assert here.workers() == pids
    copies = Counter(_task_of(task.marker) for fake in fakes for task in fake.tasks.values())
    assert copies == Counter(ids)
    assert all(fake.creates() > 0 for fake in fakes)


def _task_of(marker: str | None) -> str:
    found = re.fullmatch(r"(.+)-\d+", marker or "")
    assert found is not None
    return found[1]


# Within one process


class Inside:
    """A gateway of this process, whose configuration is changed by the test."""

    def __init__(self, folder: Path, **custom: Any) -> None:
        self._file, self._trigger = folder / "gateway.yaml", Trigger()
        self._write(custom)
        files = ConfigFiles([self._file], {})
        stores = create_stores("memory:")
        self.gateway: Gateway = create_gateway(
            files.load(), stores=stores, environ={}, files=files, trigger=self._trigger
        )
        self.gateway.start()

    def reload(self, **custom: Any) -> None:
        """Change the configuration and wait until it is taken over."""
        before = self.gateway.services
        self._write(custom)
        self._trigger.ask()
        eventually(lambda: self.gateway.services is not before, "the configuration is taken over")

    def post(self, body: BytesIO) -> str:
        """Create a task, with a body to read from, and return the weight that it was stored with."""
        statuses: list[str] = []
        builder = EnvironBuilder(f"{TES}/tasks", method="POST", data=json.dumps(TASK), content_type="application/json")
        environ = {**builder.get_environ(), "wsgi.input": body}
        answer = b"".join(self.gateway.wsgi(environ, lambda status, *_: statuses.append(status)))
        assert statuses == ["200 OK"], answer
        record = self.gateway.stores.tasks.get(json.loads(answer)["id"])
        assert record is not None
        return str(record.preference["weight"])

    def _write(self, custom: dict[str, Any]) -> None:
        self._file.write_text(yaml.safe_dump({"custom": {"reload": {"watch": False}, **custom}}))


@pytest.fixture(name="inside")
def _inside(tmp_path: Path) -> Iterator[Inside]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    inside = Inside(tmp_path, api={"weight": "0.2"})
    try:
        yield inside
    finally:
        inside.gateway.close()
        root.handlers[:] = handlers  # FOCA has set them
        root.setLevel(level)


def test_a_request_that_has_begun_ends_with_the_settings_it_began_with(inside: Inside) -> None:
    class Late(BytesIO):
        """A body whose client pauses for a reload."""

        def read(self, *args: Any) -> bytes:
            inside.reload(api={"weight": "0.9"}, server={"max_body_bytes": 1024}, profiles={"new": {"weight": "1"}})
            return super().read(*args)

    body = json.dumps(TASK).encode()
    assert inside.post(Late(body)) == "0.2"
    assert inside.post(BytesIO(body)) == "0.9"


def test_what_goes_on_at_an_instance_before_a_reload_counts_after_it() -> None:
    """An instance that does not answer holds a few threads, whatever number of reloads."""
    with FakeTes() as fake:
        dispatch = {"create_seconds": 50, "send_within_seconds": 5, "lease_seconds": 60}
        health = {"consecutive_gateway_failures": 100}  # what breaks off below is not to leave the instance out
        document = {"instances": [instance("a", fake)], "dispatch": dispatch, "health": health}
        settings = Settings.model_validate(document)
        lasting = make_lasting(settings, create_stores("memory:"), ManualRunner(), SystemClock(), {})
        old = make_parts(settings, lasting, None)
        for key in old.services.federation.due_probes():
            old.handlers["probe"](key)
        stall: Any = fake.fault("create", "stall", times=100)
        ids = [submit(old.services, ANONYMOUS, Submission(document=TASK, base=TES)) for _ in range(5)]
        sending = [threading.Thread(target=old.handlers["dispatch"], args=(each,)) for each in ids[:4]]
        for each in sending:
            each.start()
        stall.wait_entered(4)
        new = make_parts(settings, lasting, old.services.federation)
        new.handlers["dispatch"](ids[4])
        assert fake.posts == 4
        stall.release()
        for each in sending:
            each.join(30)
        old.close()
        new.handlers["dispatch"](ids[4])
        assert fake.posts == 5
        new.close()


def test_the_time_for_which_an_attempt_was_seen_counts_over_a_reload() -> None:
    """Else a gateway that is reloaded now and then would never give up what cannot be known."""
    with FakeTes() as fake:
        clock = ManualClock()
        settings = Settings.model_validate(
            {"instances": [instance("a", fake, dialect="unknown")], "dispatch": {"settle_within_seconds": 100}}
        )
        lasting = make_lasting(settings, create_stores("memory:"), ManualRunner(), clock, {})
        parts = make_parts(settings, lasting, None)
        for key in parts.services.federation.due_probes():
            parts.handlers["probe"](key)
        fake.fault("create", HangUp())
        task_id = submit(parts.services, ANONYMOUS, Submission(document=TASK, base=TES))
        parts.handlers["dispatch"](task_id)
        states = []
        for _ in range(4):
            parts.handlers["dispatch"](task_id)
            states.append(State(getattr(parts.services.tasks.get(task_id), "state", "")))
            old, parts = parts, make_parts(settings, lasting, parts.services.federation)
            old.close()
            clock.advance(40)
        parts.close()
    assert states == [State.QUEUED, State.QUEUED, State.QUEUED, State.SYSTEM_ERROR]
