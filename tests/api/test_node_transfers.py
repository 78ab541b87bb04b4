"""Inputs that come to a node's tasks and outputs that go, over real HTTP and in real folders."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodes import NodeClient, running_node, sh
from tests.support.scripted_server import (
    Behaviour,
    Drip,
    Request,
    Reset,
    ScriptedServer,
    Truncated,
    answer,
    redirect,
    refused_url,
)

FINAL = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")


@pytest.fixture(params=["auto", "mapped"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NodeClient]:
    with running_node(tmp_path / "node", path_mode=request.param, roots=(tmp_path / "store",)) as client:
        yield client


@pytest.fixture
def store(node: NodeClient, tmp_path: Path) -> Path:
    """The one folder that URLs may name."""
    return tmp_path / "store"


@pytest.fixture
def web() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def run(node: NodeClient, document: dict[str, Any], state: str = "COMPLETE") -> dict[str, Any]:
    """Run a task to its end and return it."""
    task = node.wait(node.create(document), *FINAL)
    assert task["state"] == state, task["logs"]
    return task


def stdout(task: dict[str, Any]) -> str:
    return str(task["logs"][0]["logs"][0]["stdout"])


def why(task: dict[str, Any]) -> str:
    return str(task["logs"][0]["system_logs"][-1])


def outputs(task: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = task["logs"][0]["outputs"]
    assert all(set(each) == {"path", "url", "size_bytes"} for each in found)
    return [(each["path"], each["url"], each["size_bytes"]) for each in found]


def tree(folder: Path) -> dict[str, str | None]:
    """Return what is in a folder: files with their text, folders with None."""
    found = sorted(folder.rglob("*"))
    return {str(each.relative_to(folder)): None if each.is_dir() else each.read_text() for each in found}


def test_inputs_from_content_and_files(node: NodeClient, store: Path) -> None:
    (store / "b c").write_text("two")
    (store / "tool").write_text("#!/bin/sh\necho four\n")
    (store / "tool").chmod(0o755)
    inputs = [
        {"path": "/in/a", "content": "öne\r\n", "url": "s3://ignored/because/of/content"},
        {"path": "/in/b", "url": f"file://{store}/b%20c"},
        {"path": "/in/c", "url": f"{store}/b c"},
        {"path": "/in/tool", "url": f"{store}/tool"},
        {"path": "/in/empty", "content": ""},
    ]
    task = run(node, sh("cat /in/a /in/b /in/c /in/empty; /in/tool", inputs=inputs))
    assert stdout(task) == "öne\r\ntwotwofour\n"
    assert [each["type"] for each in task["inputs"]] == ["FILE"] * 5
    assert task["inputs"][0] == {**inputs[0], "type": "FILE"}


@pytest.mark.parametrize("declared", [{}, {"type": "DIRECTORY"}])
def test_a_folder_as_input(node: NodeClient, store: Path, declared: dict[str, str]) -> None:
    (store / "d" / "deep" / "empty").mkdir(parents=True)
    (store / "d" / "deep" / "file").write_text("x")
    (store / "d" / "link").symlink_to("deep/file")
    (store / "d" / "loop").symlink_to(".")
    task = run(
        node, sh("cd /in/d && find . | sort && cat link", inputs=[{"path": "/in/d", "url": f"{store}/d", **declared}])
    )
    assert stdout(task).split() == [".", "./deep", "./deep/empty", "./deep/file", "./link", "x"]
    assert task["inputs"][0]["type"] == "DIRECTORY"


def test_what_lies_outside_of_the_allowed_folders_is_out_of_reach(node: NodeClient, store: Path) -> None:
    secret = store.parent / "secret"
    secret.write_text("canary")
    (store / "link").symlink_to(secret)
    (store / "folder").mkdir()
    (store / "folder" / "link").symlink_to(secret)
    for url in (
        f"{secret}",
        f"file://{secret}",
        f"{store}/../secret",
        f"{store}/link",
        f"{store}/folder",
        "/etc/passwd",
    ):
        task = run(node, sh("cat /in", inputs=[{"path": "/in", "url": url}]), "SYSTEM_ERROR")
        assert why(task).startswith("input /in: ")
        assert "none of the folders that this node may read and write" in why(task)
        assert task["logs"][0]["logs"] == []
    for url in (f"{secret}", f"{store}/link", f"file://{store}/../other/file"):
        task = run(node, sh("echo x > /data/out", outputs=[{"path": "/data/out", "url": url}]), "SYSTEM_ERROR")
        assert why(task).startswith("output /data/out: ")
    assert secret.read_text() == "canary"
    assert not (store.parent / "other").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"url": "none"}, "No such file"),
        ({"url": "", "type": "FILE"}, "is not a regular file"),
        ({"url": "file", "type": "DIRECTORY"}, "is not a folder"),
        ({"content": "x", "type": "DIRECTORY"}, "a DIRECTORY cannot have content"),
        ({"web": "http://127.0.0.1:1/x", "type": "DIRECTORY"}, "a DIRECTORY cannot be downloaded"),
    ],
)
def test_an_input_that_cannot_be_had_is_named(
    node: NodeClient, store: Path, given: dict[str, str], reason: str
) -> None:
    (store / "file").touch()
    entry = {"path": "/in/x", **given}
    if "url" in entry:
        entry["url"] = f"{store}/{entry['url']}"
    entry |= {"url": entry.pop("web")} if "web" in entry else {}
    task = run(node, sh("true", inputs=[entry]), "SYSTEM_ERROR")
    assert why(task).startswith("input /in/x: ")
    assert reason in why(task)


def test_inputs_over_http(
    node: NodeClient, web: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password canary\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    web.on("GET", "/moved", redirect("/file"))
    web.on("GET", "/file", answer(body=b"\x1f\x8b", content_type="application/gzip"))
    task = run(node, sh("od -An -tx1 /in/x", inputs=[{"path": "/in/x", "url": f"{web.url}/moved?sig=1"}]))
    assert stdout(task).split() == ["1f", "8b"]
    [first, _] = web.requests("GET")
    assert first.target == "/moved?sig=1"
    assert "Authorization" not in first.headers


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answer(404), "HTTP status 404"),
        (answer(500), "HTTP status 500"),
        (Truncated(answer(body=b"half")), "broke off"),
        (Reset(), "broke off"),
    ],
)
def test_a_download_that_fails_is_told(node: NodeClient, web: ScriptedServer, fault: Behaviour, reason: str) -> None:
    web.on("GET", "/x", fault)
    url = web.url.replace("http://", "http://user:canary@") + "/x?sig=canary"
    task = run(node, sh("true", inputs=[{"path": "/in", "url": url}]), "SYSTEM_ERROR")
    assert reason in why(task)
    assert "canary" not in why(task)


def test_nobody_there_is_told(node: NodeClient) -> None:
    with refused_url() as url:
        task = run(node, sh("true", inputs=[{"path": "/in", "url": url}]), "SYSTEM_ERROR")
        assert "no connection" in why(task)


def test_a_download_is_cancelled_in_the_middle(node: NodeClient, web: ScriptedServer) -> None:
    web.on("GET", "/x", Drip(answer(body=b"x" * 10_000), 0.01))
    task_id = node.create(sh("true", inputs=[{"path": "/in", "url": f"{web.url}/x"}]))
    web.wait_for("GET", "/x")
    assert node.state(task_id) == "INITIALIZING"
    node.cancel(task_id)
    task = node.wait(task_id, *FINAL)
    assert task["state"] == "CANCELED"
    assert task["logs"][0]["logs"] == []


def test_outputs_to_files(node: NodeClient, store: Path) -> None:
    script = (
        "echo a > /out/a; mkdir -p /out/d/e /out/d/empty; echo bb > /out/d/e/b; chmod 700 /out/a; ln -s e/b /out/d/l"
    )
    declared = [
        {"path": "/out/a", "url": f"file://{store}/new/folder/a%20b"},
        {"path": "/out/d", "url": f"{store}/d", "type": "DIRECTORY"},
    ]
    task = run(node, sh(script, outputs=declared))
    assert outputs(task) == [
        ("/out/a", f"file://{store}/new/folder/a%20b", "2"),
        ("/out/d/e/b", f"{store}/d/e/b", "3"),
        ("/out/d/l", f"{store}/d/l", "3"),
    ]
    assert tree(store) == {
        "d": None,
        "d/e": None,
        "d/e/b": "bb\n",
        "d/empty": None,
        "d/l": "bb\n",
        "new": None,
        "new/folder": None,
        "new/folder/a b": "a\n",
    }
    assert os.access(store / "new" / "folder" / "a b", os.X_OK)
    assert [each["type"] for each in task["outputs"]] == ["FILE", "DIRECTORY"]


def test_outputs_over_http(node: NodeClient, web: ScriptedServer) -> None:
    stored: dict[str, bytes] = {}

    def put(request: Request) -> Behaviour:
        stored[request.target] = request.body
        assert request.headers["Content-Length"] == str(len(request.body))
        return answer(201)

    web.on("PUT", "*", put)
    script = "head -c 3000000 /dev/zero > /out/big; : > /out/empty; mkdir -p /out/d/e; echo x > '/out/d/e/f g'"
    declared = [
        {"path": "/out/big", "url": f"{web.url}/big?sig=1"},
        {"path": "/out/empty", "url": f"{web.url}/empty"},
        {"path": "/out/d", "url": f"{web.url}/d/", "type": "DIRECTORY"},
    ]
    task = run(node, sh(script, outputs=declared))
    assert stored == {"/big?sig=1": bytes(3_000_000), "/empty": b"", "/d/e/f%20g": b"x\n"}
    assert [each[1:] for each in outputs(task)] == [
        (f"{web.url}/big?sig=1", "3000000"),
        (f"{web.url}/empty", "0"),
        (f"{web.url}/d/e/f%20g", "2"),
    ]


@pytest.mark.parametrize("status", [302, 403, 500])
def test_an_upload_that_fails_is_told(node: NodeClient, store: Path, web: ScriptedServer, status: int) -> None:
    web.on("PUT", "*", answer(status))
    declared = [{"path": "/out/a", "url": f"{web.url}/a"}, {"path": "/out/b", "url": f"{store}/b"}]
    task = run(node, sh("echo a > /out/a; echo b > /out/b", outputs=declared), "SYSTEM_ERROR")
    assert why(task) == f"output /out/a: cannot upload to {web.url}/a: HTTP status {status}"
    assert [each[0] for each in outputs(task)] == ["/out/b"]


def test_wildcards(node: NodeClient, store: Path) -> None:
    script = "mkdir -p /out/x/sub /out/y; for f in 1.txt 2.txt .h.txt a.log; do echo $f > /out/x/$f; done"
    script += "; echo 3 > /out/y/3.txt"
    declared = [
        {"path": "/out/*/[!2].txt", "path_prefix": "/out/", "url": f"{store}/one"},
        {"path": "/out/x/?.txt", "path_prefix": "/out/x", "url": f"file://{store}/two/"},
        {"path": "/out/*", "path_prefix": "/out", "url": f"{store}/none", "type": "FILE"},
    ]
    task = run(node, sh(script, outputs=declared))
    assert outputs(task) == [
        ("/out/x/1.txt", f"{store}/one/x/1.txt", "6"),
        ("/out/y/3.txt", f"{store}/one/y/3.txt", "2"),
        ("/out/x/1.txt", f"file://{store}/two/1.txt", "6"),
        ("/out/x/2.txt", f"file://{store}/two/2.txt", "6"),
    ]
    assert tree(store / "two") == {"1.txt": "1.txt\n", "2.txt": "2.txt\n"}
    assert why(task) == "output /out/*: nothing matches"


def test_wildcards_take_nothing_of_the_host(node: NodeClient, store: Path) -> None:
    declared = [{"path": "/etc/*wd", "path_prefix": "/etc", "url": f"{store}/etc"}]
    run(node, sh("true", outputs=declared))
    assert tree(store) == {}


def test_a_missing_output_is_named(node: NodeClient, store: Path) -> None:
    declared = [{"path": "/out/a", "url": f"{store}/a"}, {"path": "/out/b", "url": f"{store}/b"}]
    task = run(node, sh("echo a > /out/a", outputs=declared), "SYSTEM_ERROR")
    assert why(task) == "output /out/b: does not exist"
    assert task["logs"][0]["logs"][0]["exit_code"] == 0
    assert [each[0] for each in outputs(task)] == ["/out/a"]


@pytest.mark.parametrize(("kind", "script"), [("FILE", "mkdir /out/x"), ("DIRECTORY", "rmdir /out/x; touch /out/x")])
def test_an_output_of_another_kind_is_told(node: NodeClient, store: Path, kind: str, script: str) -> None:
    declared = [{"path": "/out/x", "url": f"{store}/x", "type": kind}]
    assert why(run(node, sh(script, outputs=declared), "SYSTEM_ERROR")).startswith("output /out/x: is ")


def test_the_kind_of_an_output_is_found_out(node: NodeClient, store: Path) -> None:
    task = run(node, sh("mkdir /out/x; echo y > /out/x/y", outputs=[{"path": "/out/x", "url": f"{store}/x"}]))
    assert task["outputs"][0]["type"] == "DIRECTORY"
    assert tree(store) == {"x": None, "x/y": "y\n"}


def test_outputs_go_out_after_an_error_where_they_exist(node: NodeClient, store: Path) -> None:
    declared = [{"path": "/out/log", "url": f"{store}/log"}, {"path": "/out/result", "url": f"{store}/result"}]
    task = run(node, sh("echo why > /out/log; exit 3", outputs=declared), "EXECUTOR_ERROR")
    assert [each[0] for each in outputs(task)] == ["/out/log"]
    assert tree(store) == {"log": "why\n"}
