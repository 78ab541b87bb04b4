"""Every engine can read every answer it asks for, in every state a task can be in, at every base path it uses."""

from dataclasses import dataclass
from typing import Any

import pytest

from protes.tes.states import State
from tests.api.conftest import Api
from tests.api.test_bodies import CROMWELL, CWL_TES, NEXTFLOW, PULSAR, SNAKEMAKE, TOIL
from tests.api.test_operations import LOG, move
from tests.engines import decoders
from tests.engines.decoders import Decoder, Undecodable

SPROCKET: dict[str, Any] = {
    "name": "call-2",
    "inputs": [{"url": "s3://in/a", "path": "/mnt/a", "type": "FILE"}],
    "outputs": [{"url": "s3://out/b", "path": "/mnt/b", "type": "DIRECTORY"}],
    "resources": {"cpu_cores": 1, "ram_gb": 2.0},
    "executors": [{"image": "ubuntu", "command": ["sh", "-c", "true"]}],
    "tags": {"crankshaft-task-group": "group-9"},
}


@dataclass(frozen=True)
class Reader:
    """How an engine asks: what it sends, where, and with which decoder it reads which view; "" is without a view."""

    sends: dict[str, Any]
    base: str
    reads: tuple[tuple[str, Decoder], ...]


READERS = {
    "snakemake": Reader(SNAKEMAKE, "/v1", (("MINIMAL", decoders.minimal),)),
    "snakemake7": Reader(SNAKEMAKE, "/ga4gh/tes/v1", (("MINIMAL", decoders.minimal),)),
    "toil": Reader(
        TOIL,
        "/v1",
        (("MINIMAL", decoders.minimal), ("BASIC", decoders.py_tes_0), ("FULL", decoders.py_tes_0)),
    ),
    "cwl-tes": Reader(CWL_TES, "/ga4gh/tes/v1", (("MINIMAL", decoders.minimal), ("FULL", decoders.py_tes_0))),
    "nextflow": Reader(
        NEXTFLOW, "//v1", (("", decoders.minimal), ("", decoders.nextflow), ("FULL", decoders.nextflow))
    ),
    "cromwell": Reader(CROMWELL, "/v1", (("MINIMAL", decoders.minimal), ("FULL", decoders.cromwell))),
    "pulsar": Reader(PULSAR, "/v1", (("FULL", decoders.pydantic_tes),)),
    "sprocket": Reader(SPROCKET, "/ga4gh/tes/v1", (("MINIMAL", decoders.minimal), ("FULL", decoders.sprocket))),
}


def log_of(task: dict[str, Any], exit_code: int = 0) -> dict[str, Any]:
    """What an instance logs of a task: one executor log for each executor."""
    return {**LOG, "logs": [{**LOG["logs"][0], "exit_code": exit_code} for _ in task["executors"]]}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("engine", READERS)
def test_an_engine_reads_every_view_it_asks_for(api: Api, engine: str, state: State) -> None:
    reader = READERS[engine]
    task_id = api.create(reader.sends, reader.base)
    if state is not State.QUEUED:
        move(api, task_id, state, log_of(reader.sends, int(state is State.EXECUTOR_ERROR)))
    for view, decode in reader.reads:
        answer = api.get(f"{reader.base}/tasks/{task_id}", params={"view": view} if view else {})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        decode(answer.json())
    api.call("POST", f"{reader.base}/tasks/{task_id}:cancel")
    decoders.minimal(api.get(f"{reader.base}/tasks/{task_id}").json())


def test_a_task_nobody_cancelled_is_never_shown_cancelled(api: Api) -> None:
    """Toil drops a CANCELED that it did not ask for, and waits for ever."""
    task_id = api.create(TOIL, "/v1")
    move(api, task_id, State.PREEMPTED)
    assert api.task(task_id, "MINIMAL", "/v1")["state"] == "SYSTEM_ERROR"


BASE: dict[str, Any] = {"id": "a", "state": "COMPLETE", "executors": [{"image": "a", "command": ["b"]}]}
ENDED: dict[str, Any] = {"logs": [{"exit_code": 0, "start_time": "2030-01-01T00:00:00Z"}], "outputs": []}


@pytest.mark.parametrize(
    ("decode", "wrong"),
    [
        (decoders.minimal, {"name": "n"}),
        (decoders.minimal, {"id": "a b"}),
        (decoders.minimal, {"state": "CANCELING"}),
        (decoders.cromwell, {"logs": [{"metadata": {"a": 1}}]}),
        (decoders.cromwell, {"logs": [{"outputs": [{"url": "u", "path": "p", "size_bytes": 3}]}]}),
        (decoders.cromwell, {"inputs": [{"url": "u"}]}),
        (decoders.cromwell, {"logs": [{"logs": [{"exit_code": "0"}]}]}),
        (decoders.nextflow, {"state": "PREEMPTED"}),
        (decoders.nextflow, {"tags": {"a": {"b": "c"}}}),
        (decoders.nextflow, {"state": "EXECUTOR_ERROR", "logs": [{"logs": [{"exit_code": None}]}]}),
        (decoders.sprocket, {"inputs": [{"path": "p"}]}),
        (decoders.sprocket, {"logs": []}),
        (decoders.sprocket, {"logs": [{**ENDED, "logs": []}]}),
        (decoders.sprocket, {"logs": [{**ENDED, "start_time": ""}]}),
        (decoders.py_tes_0, {"inputs": [{"path": "p", "streamable": True}]}),
        (decoders.py_tes_0, {"resources": {"cpu_cores": 1.0}}),
        (decoders.py_tes_0, {"description": None}),
        (decoders.pydantic_tes, {"outputs": [{"path": "p", "url": "u"}]}),
        (decoders.pydantic_tes, {"state": "CANCELING"}),
    ],
)
def test_the_decoders_refuse_what_the_engines_refuse(decode: Decoder, wrong: dict[str, Any]) -> None:
    good = {"id": "a", "state": "COMPLETE"} if decode is decoders.minimal else {**BASE, "logs": [ENDED]}
    decode(good)
    with pytest.raises(Undecodable):
        decode({**good, **wrong})
