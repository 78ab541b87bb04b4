"""Observations and finished tasks for tests, with one call."""

import json
from typing import Any

from middleware import ExecutorView, Resources, TaskView
from protes.clock import rfc3339
from protes.config.planning import LearningSettings
from protes.learning import Model, Observation
from protes.store.protocols import TaskStore
from protes.store.records import JsonObject, TaskRecord, Transition
from protes.tes.states import State
from tests.support.task_records import START, URL, a_task, at, forwarded


def seen(seconds: float = 0.0, **values: Any) -> Observation:
    """Make an observation of a task that ended `seconds` after START."""
    values = {
        "at": at(seconds),
        "instance_url": URL,
        "signature": "kind",
        "bucket": "c1-r4",
        "queue_seconds": 10.0,
        "run_seconds": 100.0,
        "output_bytes": 1000,
        "outcome": "complete",
        "id": str(seconds),
        **values,
    }
    return Observation(**values)


def a_view(image: str = "image", *command: str, cores: float | None = 1, **values: Any) -> TaskView:
    """Make a task with one executor."""
    resources = Resources(cpu_cores=cores, ram_gb=values.pop("ram_gb", 4), preemptible=values.pop("preemptible", None))
    executor = ExecutorView(image=image, command=command or ("program",))
    return TaskView(id="task", executors=(executor,), resources=resources, **values)


def a_document(image: str = "image", *command: str) -> str:
    """Write the document of `a_view`."""
    executors = [{"image": image, "command": list(command or ("program",))}]
    return json.dumps({"executors": executors, "resources": {"cpu_cores": 1, "ram_gb": 4}})


def a_log(start: float, end: float, **values: Any) -> JsonObject:
    """Write a task log of an executor that ran from `start` to `end`, seconds after START by whatever clock."""
    times = {"start_time": rfc3339(at(start)), "end_time": rfc3339(at(end))}
    return {"logs": [{**times, "exit_code": 0}], **times, "outputs": [], **values}


def finished(
    tasks: TaskStore, seconds: float, run: float = 10.0, state: State = State.COMPLETE, **values: Any
) -> TaskRecord:
    """Store a task, sent at START, that ended `seconds` after it and ran for `run` seconds."""
    log = values.pop("log", a_log(seconds - run, seconds))
    url = values.pop("url", URL)
    record = forwarded(tasks, a_task(document=a_document(), **values), intended_at=START, instance_url=url)
    tasks.transition([Transition(record.id, 1, state, log=log, finished=True)], at(seconds))
    stored = tasks.get(record.id)
    assert stored is not None
    return stored


def learned(*all_seen: Observation, **settings: Any) -> Model:
    """Make a model that has learned of these."""
    model = Model(LearningSettings(**settings))
    for each in all_seen:
        model.observe(each)
    return model
