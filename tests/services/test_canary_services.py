"""No secret is where it should not be, past one process: in a broker's queues and files, and in a database's documents.

The servers around it say back what they are told (tests/support/leaky_world.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import json_util
from kombu.connection import Connection
from pymongo import MongoClient
from redis import Redis

from tests.support import ferretdb, rabbitmq, redis
from tests.support.auth import bearer
from tests.support.canaries import files_of, leaks
from tests.support.ferretdb import FerretDB
from tests.support.fleet import Fleet, fleet
from tests.support.leaky_world import World
from tests.support.rabbitmq import RabbitMQ
from tests.support.services import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(500)]

TES, PATIENCE = "/ga4gh/tes/v1", 200.0
RUNNING = ("bearer", "basic", "passing", "exchanging", "refusing")
QUEUES = ("dispatch", "relay", "probe", "tick", "callback", "turn", "housekeeping")


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RabbitMQ]:
    program = rabbitmq.executable(os.environ)
    if program is None:
        missing(request, "RabbitMQ is not there: make services-install")
    with rabbitmq.running(program, tmp_path / "rabbitmq") as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FerretDB]:
    program = ferretdb.executable(os.environ)
    if program is None:
        missing(request, ferretdb.ABSENT)
    folder = tmp_path / "ferretdb"
    folder.mkdir()
    with ferretdb.running(program, folder) as server:
        yield server


def waiting(broker: RabbitMQ) -> bytes:
    """Return the messages of all queues, which stay there."""
    found: list[bytes] = []
    with Connection(broker.url) as connection:  # type: ignore[no-untyped-call]
        for name in QUEUES:
            channel = connection.channel()
            try:
                while (message := channel.basic_get(f"protes.{name}", no_ack=False)) is not None:
                    found.append(f"{message.headers} {message.properties} {message.body!r}".encode())
            except connection.channel_errors:
                continue  # there is no such queue
            channel.close()  # they go back
    return b"\n".join(found)


def documents(url: str) -> bytes:
    """Return all documents of a database."""
    with MongoClient[dict[str, Any]](url) as client:
        database = client["canary"]
        return "\n".join(
            json_util.dumps(each) for name in database.list_collection_names() for each in database[name].find()
        ).encode()


def post(gateway: Fleet, headers: dict[str, str], world: World) -> list[str]:
    """Create a task for each instance."""
    hook = f"http://127.0.0.1:{world.servers['hooks'].port}/hook"
    made = []
    for name in RUNNING:
        tags = {"protes.instances": f'{{"type": "allow", "instances": ["{name}"]}}', "protes.callback_url": hook}
        task = {"executors": [{"image": "alpine", "command": ["true"]}], "tags": tags}
        answer = requests.post(f"{gateway.url}{TES}/tasks", json=task, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        made.append(str(answer.json()["id"]))
    return made


def kept(url: str) -> bytes:
    """Return all that Redis keeps: messages in queues, those that a worker has taken, and whatever else."""
    found: list[Any] = []
    with Redis.from_url(url) as client:
        read: dict[bytes, Callable[[bytes], Any]] = {
            b"string": client.get,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1),
            b"hash": client.hgetall,
        }
        # A queue whose last message was taken meanwhile is gone.
        found = [(key, read[kind](key)) for key in client.scan_iter() if (kind := client.type(key)) in read]
    return repr(found).encode()


def lived(gateway: Fleet, world: World, ann: str, places: Mapping[str, Callable[[], bytes]]) -> dict[str, bytes]:
    """Have tasks wait in queues, run and end; return what was seen before and after, `queues` among the places."""
    ids = post(gateway, bearer(ann), world)  # nobody takes the jobs yet
    wait_until(lambda: ids[0].encode() in places["queues"](), "the jobs are in the queues", PATIENCE)
    seen = {f"{name} before": look() for name, look in places.items()}
    gateway.add_worker()

    def state(task_id: str) -> str:
        return str(requests.get(f"{gateway.url}{TES}/tasks/{task_id}", headers=bearer(ann), timeout=60).json())

    wait_until(lambda: "COMPLETE" in state(ids[0]) and "COMPLETE" in state(ids[1]), "tasks end", PATIENCE)
    world.servers["passing"].wait_for("POST", f"*{TES}/tasks", timeout_seconds=PATIENCE)
    world.servers["exchange"].wait_for("POST", "/token", timeout_seconds=PATIENCE)
    wait_until(lambda: "COMPLETE" in state(ids[3]), "the task with an exchanged token ends", PATIENCE)
    world.servers["hooks"].wait_for("POST", "/hook", 3, timeout_seconds=PATIENCE)
    seen |= {name: look() for name, look in places.items()} | {"logs": gateway.logs().encode()}
    world.canaries.keep("exchanged token", world.endpoint.issued[0].access[0])
    world.canaries.keep("refresh token", str(world.endpoint.issued[0].refresh))
    return seen


def known(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the token of a caller, with whom all of the world is ready."""
    ann = world.canaries.keep("token of ann", world.issuer.token("ann", exp=4_000_000_000))
    world.endpoint.know(ann)
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    return ann


def test_queues_and_documents_hold_no_secret(
    tmp_path: Path, broker: RabbitMQ, database: FerretDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path) as world, ExitStack() as stack:
        url = f"{ferretdb.with_database(database.url, 'canary')}?appname={world.canaries.word('store url')}"
        (tmp_path / "store-url").write_text(url)
        settings = {**world.settings(), "store": {"url_file": str(tmp_path / "store-url")}}
        world.canaries.keep("broker password", broker.password)
        ann = known(world, monkeypatch)
        gateway = stack.enter_context(fleet(tmp_path / "gateway", settings, broker.url, 0))
        places = {"queues": lambda: waiting(broker), "documents": lambda: documents(database.url)}
        seen = lived(gateway, world, ann, places)
    seen |= {
        "files of the broker": files_of(tmp_path / "rabbitmq" / "data"),
        "its log": files_of(tmp_path / "rabbitmq" / "log"),
    }
    seen["files of the database"] = files_of(tmp_path / "ferretdb")
    assert seen["documents"] != seen["documents before"]
    strange, _ = leaks(world.canaries, seen, {"store url": ["files of the database"]})
    assert not strange


def test_redis_holds_no_secret(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    program = redis.executable(os.environ)
    if program is None:
        missing(request, "Redis is not there: make services-install")
    with redis.running(program, tmp_path / "redis") as broker, World(tmp_path) as world, ExitStack() as stack:
        settings = world.settings()
        ann = known(world, monkeypatch)
        gateway = stack.enter_context(fleet(tmp_path / "gateway", settings, broker.url, 0))
        seen = lived(gateway, world, ann, {"queues": lambda: kept(broker.url)})
    # Every write is in its log of commands, in plain text, also of what it has forgotten since.
    seen["files of the broker"] = files_of(tmp_path / "redis")
    assert seen["queues"] != seen["queues before"]
    assert b"LPUSH" in seen["files of the broker"]
    strange, _ = leaks(world.canaries, seen, {})
    assert not strange
