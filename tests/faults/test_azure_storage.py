"""Cromwell's tasks, signed URLs and logs in blobs: the whole way through the gateway."""

import base64
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from protes.clock import SystemClock
from protes.config.outbound import OutboundSettings
from protes.config.planning import SignerSettings
from protes.outbound.guard import guard_of
from protes.outbound.web import Web
from protes.sources.blob_logs import BlobLogs, LogSigner
from protes.sources.signing import BlobSigner
from tests.support.behaviours import Drip, Reset, Stall, Truncated, answer, problem, redirect
from tests.support.cromwell_tasks import for_ga4gh_tes, for_tesazure
from tests.support.dialects.ga4gh_tes import Ga4ghTes
from tests.support.dialects.tesazure import Tesazure
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.scripted_server import Request, ScriptedServer

KEY = base64.b64encode(b"hunter2 hunter2 hunter2").decode()
BASE = "https://account.blob.core.windows.net"
MAPPING = {"prefix": "/tes-wd/shared", "url": f"{BASE}/runs/shared", "sas": "runs"}
CHAIN = ["submitter", "feasible", "cost_runtime"]
HTTPS = {"input_schemes": ["https"], "output_schemes": ["https"]}
SIGNATURE = re.compile(r"sig=(?!\*)")


@pytest.fixture
def blobs() -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        yield found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY, encoding="utf-8")
    return file


def gateway(*instances: Mapping[str, Any], key_file: Path, signer: Mapping[str, Any] | None = None) -> Harness:
    runs = {"name": "runs", "account": "account", "key_file": str(key_file), **(signer or {})}
    steps = [{"use": name} for name in CHAIN]
    chain = [*steps, {"use": "rewrite_paths", "options": {"mappings": [MAPPING]}}]
    return Harness(*instances, chain=chain, sources={"signers": [runs], "wait_seconds": 10.0})


# Forwarding


def test_an_instance_elsewhere_gets_signed_urls_and_nobody_else_sees_them(
    key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    document = for_tesazure()
    with (
        FakeTes(service_id="unknown") as fake,
        gateway(instance("one", fake, limits=HTTPS), key_file=key_file) as found,
    ):
        found.probe()
        task_id = found.post(document)
        found.turn()
        [copy] = fake.tasks.values()
        sent = [each["url"] for each in (*copy.document["inputs"], *copy.document["outputs"])]
        paths = [each["path"] for each in (*document["inputs"], *document["outputs"])]
        assert [url.partition("?")[0] for url in sent] == [
            path.replace("/tes-wd/shared", f"{BASE}/runs/shared") for path in paths
        ]
        assert ["sp=r&" in url for url in sent] == [True, True, False, False, False, False]
        assert all("sp=cw&" in url for url in sent[2:])
        assert [each["path"] for each in copy.document["outputs"]] == paths[2:]

        fake.finish(copy.id, stdout="done")
        copy.log["outputs"] = [
            {"url": each["url"], "path": each["path"], "size_bytes": "1"} for each in copy.document["outputs"]
        ]
        copy.log["system_logs"] = [f"uploading to {sent[-1]}"]
        found.turns(3, 5)
        shown = found.task(task_id)
        assert shown["state"] == "COMPLETE"
        assert [shown["inputs"], shown["outputs"]] == [document["inputs"], document["outputs"]]
        assert [each["url"] for each in shown["logs"][0]["outputs"]] == paths[2:]
        explained = found.services.planner.explanation(found.record(task_id))
        kept = repr(found.record(task_id)) + json.dumps(shown) + json.dumps(explained, default=str)
        for text in (kept, caplog.text):
            assert not SIGNATURE.search(text)
            assert KEY not in text


@pytest.mark.parametrize("status", [400, 500])
def test_what_an_instance_says_of_signed_urls_is_masked(key_file: Path, status: int) -> None:
    def echo(request: Request) -> Any:
        return problem(status, f"cannot reach {request.json()['outputs'][0]['url']}")

    with (
        FakeTes(service_id="unknown") as fake,
        gateway(instance("one", fake, limits=HTTPS), key_file=key_file) as found,
    ):
        found.probe()
        fake.fault("create", echo, times=50)
        task_id = found.post(for_tesazure())
        found.turn()
        assert fake.posts == 1
        kept = repr(found.record(task_id)) + found.notes(task_id)
        assert "cannot reach" in kept
        assert not SIGNATURE.search(kept)


def test_the_server_that_maps_paths_itself_gets_cromwells_task_as_it_is(key_file: Path) -> None:
    document = for_tesazure()
    with Tesazure() as fake, gateway({"id": "azure", "url": fake.url}, key_file=key_file) as found:
        found.probe()
        found.post(document)
        found.turn()
        # What the server makes of it is its own affair.
        [sent] = [each for each in fake.server.requests() if each.path.endswith("/tasks") and each.method == "POST"]
        for name in ("name", "description", "inputs", "outputs"):
            assert sent.json()[name] == document[name]


def test_without_a_mapping_the_task_waits_for_no_other_server(key_file: Path) -> None:
    with FakeTes(service_id="unknown") as other, Tesazure() as fake:
        instances = [instance("other", other, queue_seconds=0), {"id": "azure", "url": fake.url, "queue_seconds": 9999}]
        with Harness(*instances, chain=[{"use": name} for name in CHAIN], api={"weight": "1"}) as found:
            found.probe()
            found.post(for_tesazure())
            found.turn()
            assert (other.posts, len(fake.tasks)) == (0, 1)


def test_ga4gh_tes_gets_cromwells_task_as_it_is(key_file: Path) -> None:
    document = for_ga4gh_tes()
    with Ga4ghTes() as fake, gateway({"id": "azure", "url": fake.url}, key_file=key_file) as found:
        found.probe()
        found.post(document)
        found.turn()
        [copy] = fake.tasks.values()
        for name in ("name", "description", "inputs", "outputs"):
            assert copy.document[name] == document[name]


# Logs


class BlobTes(Ga4ghTes):
    """A ga4gh-tes whose logs are in the account of the test."""

    account = ""

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return json.dumps([f"{self.account}/tes-internal/{stream}.txt?sv=x&sig=theirs"])


def served(blobs: ScriptedServer, **texts: bytes) -> None:
    for name, text in texts.items():

        def read(request: Request, text: bytes = text) -> Any:
            assert SIGNATURE.search(request.target)
            assert "theirs" not in request.target
            first, last = re.findall(r"[0-9]+", request.headers["Range"])
            return answer(206, text[int(first) : int(last) + 1])

        blobs.on("HEAD", f"/account/tes-internal/{name}.txt", answer(200, text))
        blobs.on("GET", f"/account/tes-internal/{name}.txt", read)


def ended(blobs: ScriptedServer, key_file: Path, logs_of: list[str]) -> dict[str, Any]:
    """Run a task to its end; return the log of its executor."""
    account = f"{blobs.url}/account"
    signer = {"endpoint": account, "allow_http": True, "container": "tes-internal", "logs_of": logs_of}
    with BlobTes() as fake:
        fake.account = account
        with gateway({"id": "azure", "url": fake.url}, key_file=key_file, signer=signer) as found:
            found.probe()
            task_id = found.post({"executors": [{"image": "alpine", "command": ["true"]}]})
            found.turn()
            [copy] = fake.tasks.values()
            fake.start(copy.id)
            fake.finish(copy.id)
            found.turns(4, 10)
            task = found.task(task_id)
            assert task["state"] == "COMPLETE"
            log: dict[str, Any] = task["logs"][0]["logs"][0]
            return log


def test_logs_in_blobs_are_shown_as_text(
    blobs: ScriptedServer, key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served(blobs, stdout=b"hello\n", stderr=b"")
    log = ended(blobs, key_file, ["azure"])
    assert log["stdout"] == "hello\n"
    assert not log.get("stderr")
    assert not SIGNATURE.search(caplog.text)


def test_logs_of_instances_that_the_operator_does_not_name_are_not_read(blobs: ScriptedServer, key_file: Path) -> None:
    served(blobs, stdout=b"secret", stderr=b"secret")
    log = ended(blobs, key_file, ["another"])
    assert json.loads(log["stdout"]) == [f"{blobs.url}/account/tes-internal/stdout.txt?sv=x&sig=***"]
    assert blobs.requests() == []


def test_what_a_task_prints_elsewhere_is_not_read(blobs: ScriptedServer, key_file: Path) -> None:
    served(blobs, stdout=b"secret")
    printed = json.dumps([f"{blobs.url}/account/tes-internal/stdout.txt"])
    signer = {"endpoint": f"{blobs.url}/account", "allow_http": True, "logs_of": ["one"]}
    with (
        FakeTes(service_id="unknown") as fake,
        gateway(instance("one", fake), key_file=key_file, signer=signer) as found,
    ):
        found.probe()
        task_id = found.post({"executors": [{"image": "alpine", "command": ["true"]}]})
        found.turn()
        [copy] = fake.tasks.values()
        fake.finish(copy.id, stdout=printed)
        found.turns(3, 5)
        assert found.task(task_id)["logs"][0]["logs"][0]["stdout"] == printed
        assert blobs.requests() == []


SICK: Mapping[str, Any] = {
    "reset": Reset(),
    "403": problem(403),
    "404": problem(404),
    "503": problem(503),
    "redirect": redirect("http://169.254.169.254/x"),
    "204": answer(204, b""),
    "truncated": Truncated(answer(200, b"12345")),
}


@pytest.mark.parametrize(
    ("method", "fault"),
    [*(("GET", name) for name in SICK), *(("HEAD", name) for name in SICK if name != "truncated")],
)
def test_a_sick_blob_server_leaves_the_urls(blobs: ScriptedServer, key_file: Path, method: str, fault: str) -> None:
    served(blobs, stdout=b"hello", stderr=b"")
    blobs.on(method, "/account/tes-internal/stdout.txt", SICK[fault])
    log = ended(blobs, key_file, ["azure"])
    assert json.loads(log["stdout"]) == [f"{blobs.url}/account/tes-internal/stdout.txt?sv=x&sig=***"]
    assert not log.get("stderr")


def reader(blobs: ScriptedServer, seconds: float, **further: float) -> BlobLogs:
    given = SignerSettings(
        name="runs", account="account", key_env="KEY", endpoint=f"{blobs.url}/account", allow_http=True
    )
    clock = SystemClock()
    signer = BlobSigner(given, clock, {"KEY": KEY})
    return BlobLogs(
        [LogSigner(signer, frozenset({"azure"}))], Web(clock, guard_of(OutboundSettings())), clock, seconds, **further
    )


def log_of(*urls: str) -> dict[str, Any]:
    return {"logs": [{"exit_code": 0, "stdout": json.dumps(urls)}]}


@pytest.mark.parametrize("fault", [Stall, lambda: Drip(answer(200, b"x" * 1000), 0.05)], ids=["stall", "drip"])
def test_a_slow_blob_server_holds_nothing_up(blobs: ScriptedServer, fault: Any) -> None:
    step = fault()
    blobs.on("HEAD", "*", answer(200, b"x" * 1000))
    blobs.on("GET", "*", step)
    slow = log_of(f"{blobs.url}/account/logs/one")
    logs = reader(blobs, 0.2)
    began = time.monotonic()
    assert logs.filled("azure", slow, 4096) == slow
    assert time.monotonic() - began < 8
    if isinstance(step, Stall):
        step.release()


def test_patience_runs_out(blobs: ScriptedServer) -> None:
    step = Stall()
    blobs.on("HEAD", "*", step)
    slow = log_of(f"{blobs.url}/account/logs/one")
    logs = reader(blobs, 0.3, in_a_row_seconds=0.1)
    for _ in range(20):
        assert logs.filled("azure", slow, 4096) == slow
    blobs.wait_for("HEAD", "/account/logs/one")  # a busy server notes it later
    step.release()
    assert blobs.count("HEAD", "/account/logs/one") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "[not json",
        "[]",
        "[1]",
        '["no url"]',
        '[["https://x/y/z"]]',
        "[" * 100_000,
        json.dumps(["https://elsewhere.example/c/b"]),
        json.dumps([f"https://x/c/{n}" for n in range(50)]),
    ],
    ids=range(10),
)
def test_what_is_no_list_of_our_blobs_stays(blobs: ScriptedServer, text: str) -> None:
    log = {"logs": [{"exit_code": 0, "stdout": text}, {"exit_code": 1}], "outputs": []}
    assert reader(blobs, 1.0).filled("azure", log, 4096) == log
    assert blobs.requests() == []
