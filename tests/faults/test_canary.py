"""No secret is where it should not be: a gateway with every kind there is, through successes and failures.

All servers around it say back what they are told (tests/support/leaky_world.py). Afterwards everything that the gateway
has written, answered or sent is searched for each secret, which may be found at the place that it is meant for alone.
"""

from __future__ import annotations

import base64
import gzip
import json
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import yaml

from protes.cli.main import main
from tests.support.canaries import Canaries, files_of, leaks, unpacked
from tests.support.event_stream import following
from tests.support.leaky_stage import PROTES, REGISTRY, TES, Stage, staged
from tests.support.leaky_world import INSTANCES, World, echo
from tests.support.token_endpoint import refusal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(500)

PATIENCE = 150.0
ENDS = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")
RUNNING = ("bearer", "basic", "oauth", "passing", "exchanging")
"""Instances at which tasks end well."""


# What is done


def create_tasks(stage: Stage) -> dict[str, str]:
    """Create a task for each instance, with signed URLs and passwords in it where URLs may have some."""
    ann, world, word = stage.people["ann"], stage.world, stage.world.canaries.word
    data = f"{world.servers['data'].url}/in?X-Amz-Credential=a&X-Amz-Signature={word('input-signature')}"
    blob = f"https://acc.blob.core.windows.net/c/x?sv=1&se=2&sp=r&sig={word('sas-signature')}"
    ftp = f"ftp://me:{word('url-password')}@files.example.org/x"
    inputs = [{"url": data, "path": "/in"}, {"url": "/shared/a", "path": "/a"}]
    outputs = [{"url": blob, "path": "/out"}]
    hook = {"protes.callback_url": f"http://127.0.0.1:{world.servers['hooks'].port}/hook"}
    tasks = {"bearer": ann.create("bearer", inputs=inputs, outputs=outputs, tags=hook)}
    both = [{"url": "drs://drs.example.org/obj", "path": "/obj"}, {"url": ftp, "path": "/ftp"}]
    tasks["basic"] = ann.create("basic", inputs=both)
    for name in INSTANCES:
        if name not in tasks:
            tasks[name] = ann.create(name)
    return tasks


def be_refused(stage: Stage) -> None:
    """Ask for what is not given, with secrets in all places of a request."""
    word = stage.world.canaries.word
    ann, root = stage.people["ann"], stage.people["root"]
    for name in ("late", "wrong"):
        assert stage.people[name].call("GET", f"{TES}/tasks").status_code == 401
    refused = f"http://u:{word('refused-password')}@127.0.0.1/x?token={word('refused-token')}"
    for tag in ("protes.callback_url", "protes.nothing"):
        task = {"executors": [{"image": "a", "command": ["b"]}], "tags": {tag: refused}}
        assert ann.call("POST", f"{TES}/tasks", json=task).status_code == 400
    for tag in ("protes.tes_urls", "protes.service_registry_urls"):
        task = {"executors": [{"image": "a", "command": ["b"]}], "tags": {tag: json.dumps([refused])}}
        assert ann.call("POST", f"{TES}/tasks", json=task).status_code == 400
    assert ann.call("GET", f"{TES}/nothing?access_token={word('query-token')}").status_code == 404
    service = {"name": "x", "url": refused, "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}}
    assert root.call("POST", f"{REGISTRY}/services", json=service).status_code == 400


def look_everywhere(stage: Stage, tasks: Mapping[str, str]) -> None:
    """Have everybody ask for everything."""
    paths = [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        *(
            f"{base}/{rest}"
            for base in (TES, "/v1")
            for rest in ("service-info", "tasks?view=FULL", "tasks?view=BASIC")
        ),
        *(f"{PROTES}/{rest}" for rest in ("instances", "middleware", "summary", "me/instances")),
        *(f"{PROTES}/instances/{each}" for each in INSTANCES),
        *(f"{REGISTRY}/{rest}" for rest in ("services", "service-info", "services/types")),
        "/ivoa/execution-broker/v1/offersets",
    ]
    for task_id in tasks.values():
        paths += [f"{TES}/tasks/{task_id}?view={view}" for view in ("MINIMAL", "BASIC", "FULL")]
        paths += [f"{PROTES}/tasks/{task_id}/routing", f"/ivoa/execution-broker/v1/sessions/{task_id}"]
    for name, person in stage.people.items():
        for path in paths if name in ("ann", "bob", "root") else (*paths[:4], paths[-1]):
            person.call("GET", path)
        person.call("POST", f"{PROTES}/offers", json={"executors": [{"image": "a", "command": ["b"]}]})
    stage.people["root"].call("POST", f"{PROTES}/instances:refresh")


def reload(stage: Stage) -> None:
    """Have the configuration read anew: changed, and broken in places where secrets are."""
    good = stage.config.read_text(encoding="utf-8")
    word = stage.world.canaries.word
    broken: list[Sequence[Any]] = [
        ("server", "operator_token", [word("broken token")]),
        ("metrics", "token", {"is": word("broken metrics token")}),
        ("events", "callback_keys", [word("broken key")]),
        ("store", "url", f"mongodb://u:{word('broken-store')}@h:0/?nonsense=%"),
        ("runner", "broker_url", f"nonsense://u:{word('broken-broker')}@h"),
        ("metrics", "token", "env:NOT_THERE"),
    ]
    for section, name, value in broken:
        document = yaml.safe_load(good)
        document["custom"].setdefault(section, {})[name] = value
        before = len(stage.log)
        stage.config.write_text(yaml.safe_dump(document), encoding="utf-8")
        stage.trigger.ask()
        wait_until(lambda since=before: _judged(stage.log[since:]), f"{section}.{name} is looked at", PATIENCE)  # type: ignore[misc]
    document = yaml.safe_load(good)
    document["custom"]["api"]["largest_batch"] = 7
    before = len(stage.log)
    stage.config.write_text(yaml.safe_dump(document), encoding="utf-8")
    stage.trigger.ask()
    wait_until(lambda: "taken the configuration over" in stage.log[before:], "the change is taken over", PATIENCE)


def _judged(lines: str) -> bool:
    return "keeps the old one" in lines or "taken the configuration over" in lines


def commands(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, bytes]:
    """Run the commands that look at a configuration."""
    for name, value in stage.world.environ.items():
        monkeypatch.setenv(name, value)
    printed = {}
    capsys.readouterr()
    for words in (["check-config"], ["doctor"], ["doctor", "--json"], ["doctor", "--url", stage.url]):
        main([words[0], "--config", str(stage.config), *words[1:]])
        out, err = capsys.readouterr()
        assert out
        printed[" ".join(words[:2])] = (out + err).encode()
    return printed


def run(stage: Stage, tasks: Mapping[str, str]) -> dict[str, str]:
    """Have tasks end, well or not, with instances and others that fail meanwhile; return further tasks."""
    ann, world = stage.people["ann"], stage.world

    def ended(task_id: str) -> bool:
        return ann.state(task_id) in ENDS

    for name in RUNNING:
        wait_until(lambda each=tasks[name]: ended(each), f"the task at {name} ends: {ann.state(tasks[name])}", PATIENCE)  # type: ignore[misc]
    for name in ("failing", "refusing", "moving"):
        world.servers[name].wait_for("POST", f"*{TES}/tasks", timeout_seconds=PATIENCE)
    more = {"again": ann.create("passing")}
    wait_until(lambda: ended(more["again"]), "the second task at passing ends", PATIENCE)
    world.registry.server.inject("GET", world.registry.path("/services"), echo(401), times=3)
    world.drs.server.inject("GET", "*", echo(403), times=3)
    world.endpoint.server.inject("POST", "/token", refusal("invalid_request", "no"), echo(400))
    for operation in ("list", "get", "cancel", "service_info"):
        for name in RUNNING:
            world.fakes[name].fault(operation, echo(500 if operation == "list" else 401))
    more["drs"] = ann.create("basic", inputs=[{"url": "drs://drs.example.org/obj2", "path": "/obj"}])
    more |= {f"{name} again": ann.create(name) for name in RUNNING}
    for name in RUNNING:
        wait_until(lambda each=name: ended(more[f"{each} again"]), f"the second task at {name} ends", PATIENCE)  # type: ignore[misc]
    for task_id in (*tasks.values(), *more.values()):
        ann.call("POST", f"{TES}/tasks/{task_id}:cancel")
    wait_until(lambda: all(map(ended, (*tasks.values(), *more.values()))), "all tasks end", PATIENCE)
    for task_id in (tasks["gone"], more["drs"]):
        ann.call("DELETE", f"{PROTES}/tasks/{task_id}")
    world.servers["hooks"].wait_for("POST", "/hook", 2, timeout_seconds=PATIENCE)
    return more


@contextmanager
def events(stage: Stage) -> Iterator[None]:
    """Have those who may follow the events meanwhile."""
    with ExitStack() as stack:
        names = ("ann", "bob", "root")
        streams = {
            name: stack.enter_context(following(stage.url, None, None, **stage.people[name].headers)) for name in names
        }
        yield
        for name, stream in streams.items():
            with suppress(queue.Empty):
                while (told := stream.next(1)) is not None:
                    stage.people[name].answers.append(str(told))


def rights_of_more(world: World) -> dict[str, Sequence[str]]:
    """Return where tokens may be of which there is more than one."""
    return {name: ["at exchanging"] for name in world.canaries.values if re.fullmatch(r"exchanged token \d+", name)}


def after_the_fact(world: World) -> None:
    """Watch for secrets, too, that came to be while tasks ran."""
    for number, issued in enumerate(world.endpoint.issued):
        ending = f" {number}" if number else ""
        world.canaries.keep(f"exchanged token{ending}", issued.access[0])
        assert issued.refresh is not None
        world.canaries.keep(f"refresh token{ending}", issued.refresh)
    urls = [each["url"] for task in world.fakes["bearer"].tasks.values() for each in task.document.get("inputs", ())]
    [signed] = [url for url in urls if "blob.core.windows.net/container" in url]
    [signature] = re.findall(r"[?&]sig=([^&]+)", signed)
    world.canaries.keep("signature of ours", unquote(signature))


# What is seen


RIGHTS: Mapping[str, Sequence[str]] = {
    **{f"token of {name}": [f"at {name}!"] for name in ("bearer", "failing", "refusing")},
    # A redirect says in its address what it was shown; the gateway does not go there with it.
    "token of moving": ["at moving!"],
    "token of gone": ["at gone"],
    "password of basic": ["at basic!"],
    "client secret": ["at tokens!"],
    "oauth token": ["at oauth!"],
    "exchange secret": ["at exchange!"],
    "token of ann": ["at passing!", "at exchange!"],
    "exchanged token": ["at exchanging!"],
    "registry token": ["at registry!"],
    "drs token": ["at drs!"],
    "collector token": ["at collector!"],
    "collector key": ["at collector!"],
    # What is in a task is its owner's, and the operator's to see; and the instance's that runs it.
    "input-signature": ["told ann!", "told root!", "store!", "at bearer!", "at data!"],
    "sas-signature": ["told ann!", "told root!", "store!", "at bearer!"],
    "url-password": ["told ann!", "told root!", "store!", "at basic!"],
    # What is found out of an input is shown to the server that has it, and to the instance.
    "drs-signature": ["at data", "at basic!"],
    "signature of ours": ["at bearer!"],
}
"""Where secrets are by right, and with `!` must be found; those that are not named are nowhere."""


def test_each_secret_is_where_it_is_meant_to_be_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with staged(tmp_path) as stage:
        world = stage.world
        with events(stage):
            tasks = create_tasks(stage)
            be_refused(stage)
            tasks |= run(stage, tasks)
        look_everywhere(stage, tasks)
        reload(stage)
        printed = commands(stage, monkeypatch, capsys)
        look_everywhere(stage, {name: tasks[name] for name in ("bearer", "passing")})
        printed["stderr"] = capsys.readouterr().err.encode()
    after_the_fact(world)
    seen = {
        **{f"at {name}": material for name, material in world.arrived().items()},
        **{f"told {name}": "\n".join(each.answers).encode() for name, each in stage.people.items()},
        **{name: "\n".join(lines).encode() for name, lines in stage.lines.lines.items()},
        **printed,
        "store": files_of(tmp_path / "data"),
    }
    strange, missing = leaks(world.canaries, seen, {**RIGHTS, **rights_of_more(world)})
    assert not strange
    assert not missing
    assert world.servers["collector"].count() > 1
    assert world.servers["elsewhere"].count() == 0  # redirects lead there, with what was shown, and are not followed


def test_secrets_are_found_however_they_are_written(tmp_path: Path) -> None:
    canaries = Canaries()
    word, key = canaries.word("word"), canaries.key("key")
    raw = base64.b64decode(key)
    folder = tmp_path / "data"
    folder.mkdir()
    written = [
        (f"x{word}y".encode(), {"word"}),
        (quote(quote(f"a={word}&b=", safe=""), safe="").encode(), {"word"}),
        *((base64.b64encode(b"u" * shift + b":" + word.encode()), {"word"}) for shift in range(3)),
        *((base64.urlsafe_b64encode(b"u" * shift + b":" + key.encode() + b"?"), {"key"}) for shift in range(3)),
        (key.replace("+", "-").replace("/", "_").rstrip("=").encode(), {"key"}),
        (b"\0" + raw + b"\0", {"key"}),
        (raw.hex().encode(), {"key"}),
        (json.dumps({"a": json.dumps(key)}).encode(), {"key"}),
        (unpacked(gzip.compress(word.encode())), {"word"}),
        (word[:-1].encode() + key[:-2].lower().encode(), set()),
    ]
    for material, names in written:
        assert canaries.in_(material) == names, material
        (folder / "file-wal").write_bytes(material)
        assert canaries.in_(files_of(folder)) == names
    seen = {"here": word.encode(), "there": b""}
    assert leaks(canaries, seen, {"word": ["here!"]}) == ({}, {})
    assert leaks(canaries, seen, {"word": ["there!"]}) == ({"word": {"here"}}, {"word": {"there"}})
