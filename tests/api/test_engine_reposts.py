"""py-tes 1.1.4 sends a submission that it has lost patience with again, under its next base path: one task results."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import tes

from protes.store.factory import create_stores
from protes.store.records import TaskQuery
from tests.api.conftest import Api, serving
from tests.engines.recorder import recording
from tests.support.waiting import wait_until

_PATIENCE_SECONDS = 2  # of the client; by default it is 10
_SLOWNESS_SECONDS = 2.3


class SlowStore:
    """A task store that lets nothing be created for a while, from the first try on, as one that is locked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._timer: threading.Timer | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, *arguments: Any) -> Any:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(_SLOWNESS_SECONDS, self._free.set)
                self._timer.start()
        assert self._free.wait(30)
        return self._store.create(*arguments)


@pytest.fixture
def slow() -> Iterator[Api]:
    stores = create_stores("memory:")
    slow_tasks: Any = SlowStore(stores.tasks)
    with serving(stores=replace(stores, tasks=slow_tasks)) as api:
        yield api


@pytest.mark.parametrize("root", ["", "/w/0.3"])
def test_one_task_results(slow: Api, root: str) -> None:
    with recording(slow.url) as recorder:
        client = tes.HTTPClient(recorder.url + root, timeout=_PATIENCE_SECONDS)
        task_id = client.create_task(tes.Task(executors=[tes.Executor(image="debian", command=["true"])]))
        wait_until(lambda: len(recorder.asked) == 2, "both submissions are answered", 30)
    assert {each.target for each in recorder.asked} == {f"{root}/ga4gh/tes/v1/tasks", f"{root}/v1/tasks"}
    assert recorder.created == [task_id, task_id]
    [record] = slow.gateway.stores.tasks.list(TaskQuery())
    assert record.id == task_id
