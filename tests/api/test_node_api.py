"""A node over real HTTP, running real commands."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import tes
from pydantic import SecretStr

from protes import __version__
from protes.node.settings import NodeSettings
from tests.support.nodes import BASE, NodeClient, problem, running_node, sh
from tests.support.waiting import wait_until

FINAL = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")
FOR_EVER = "echo started; exec sleep 600"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeClient]:
    with running_node(tmp_path / "node", slots=2, ram_gb=8, max_body_bytes=400_000) as client:
        yield client


def listed(node: NodeClient, *parameters: tuple[str, str]) -> list[str]:
    answer = node.call("GET", "/tasks", params=list(parameters))
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["tasks"]]


def test_service_info(node: NodeClient, tmp_path: Path) -> None:
    info = node.call("GET", "/service-info").json()
    assert info["id"] == "org.ga4gh.protes.node"
    assert info["name"] == "test"
    assert info["type"] == {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}
    assert info["version"] == __version__
    assert info["storage"][0] == (tmp_path / "node" / "storage").as_uri()
    assert set(info["organization"]) == {"name", "url"}
    assert "runs commands as processes of this machine" in info["description"]
    assert "Path mode namespace" in info["description"] or "Path mode mapped" in info["description"]


def test_a_task_from_creation_to_its_end(node: NodeClient) -> None:
    sent = sh(
        "cat /data/in; echo seen >&2", name="first", tags={"a": "b"}, inputs=[{"path": "/data/in", "content": "hello"}]
    )
    task = node.wait(node.create(sent), *FINAL)
    assert task["state"] == "COMPLETE"
    assert {key: task[key] for key in ("name", "tags", "executors")} == {
        key: sent[key] for key in ("name", "tags", "executors")
    }
    assert task["inputs"] == [{"path": "/data/in", "content": "hello", "type": "FILE"}]
    (log,) = task["logs"]
    (executor,) = log["logs"]
    assert (executor["exit_code"], executor["stdout"], executor["stderr"]) == (0, "hello", "seen\n")
    assert log["outputs"] == []
    assert task["creation_time"] <= executor["start_time"] <= executor["end_time"]


def test_a_command_that_fails(node: NodeClient) -> None:
    task = node.wait(node.create(sh("exit 3")), *FINAL)
    assert task["state"] == "EXECUTOR_ERROR"
    assert task["logs"][0]["logs"][0]["exit_code"] == 3


def test_views(node: NodeClient) -> None:
    task_id = node.create(sh("echo out; echo err >&2; exit 1", inputs=[{"path": "/i", "content": "x"}]))
    full = node.wait(task_id, *FINAL)
    state = full["state"]
    assert node.call("GET", f"/tasks/{task_id}").json() == {"id": task_id, "state": state}
    assert node.get(task_id, "MINIMAL") == {"id": task_id, "state": state}
    basic = node.get(task_id, "BASIC")
    assert "content" not in basic["inputs"][0]
    assert "system_logs" not in basic["logs"][0]
    assert {"stdout", "stderr"}.isdisjoint(basic["logs"][0]["logs"][0])
    assert basic["logs"][0]["logs"][0]["exit_code"] == 1
    # Nothing else is left out.
    del full["inputs"][0]["content"]
    full["logs"][0].pop("system_logs", None)
    for name in ("stdout", "stderr"):
        del full["logs"][0]["logs"][0][name]
    assert basic == full
    assert node.call("GET", "/tasks", params={"view": "BASIC"}).json() == {"tasks": [basic]}
    assert "view" in problem(node.call("GET", f"/tasks/{task_id}", params={"view": "basic"}), 400)


def test_nulls_fields_of_the_server_and_unknown_ones_are_left_out(node: NodeClient) -> None:
    sent = {
        **sh("true"),
        "id": "mine",
        "state": "COMPLETE",
        "logs": [],
        "creation_time": "2020-01-01T00:00:00Z",
        "name": None,
        "resources": {"cpu_cores": None, "ram_gb": 1},
        "tags": {"a": None, "b": "c"},
        "vendor": {"x": 1},
    }
    task_id = node.create(sent)
    task = node.wait(task_id, *FINAL)
    assert task_id != "mine"
    assert set(task) == {"id", "state", "creation_time", "logs", "resources", "tags", "executors"}
    assert task["resources"] == {"ram_gb": 1}
    assert task["tags"] == {"b": "c"}


def test_backend_parameters_are_not_kept_and_warned_about(node: NodeClient) -> None:
    resources = {"backend_parameters": {"VmSize": "x"}}
    task = node.wait(node.create(sh("true", resources=resources)), *FINAL)
    assert "backend_parameters" not in task["resources"]
    assert any("VmSize" in line for line in task["logs"][0]["system_logs"])
    strict = sh("true", resources={**resources, "backend_parameters_strict": True})
    assert "resources.backend_parameters" in problem(node.call("POST", "/tasks", json=strict), 400)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "executors"),
        ({"executors": []}, "executors"),
        ({"executors": [{"image": "i", "command": []}]}, "executors[0].command"),
        (sh("true", inputs=[{"path": "relative", "content": ""}]), "inputs[0].path"),
        (sh("true", outputs=[{"path": "/out/*", "url": "/x"}]), "outputs[0].path_prefix"),
        (sh("true", resources={"cpu_cores": 3}), "resources.cpu_cores"),
        (sh("true", resources={"ram_gb": 9}), "resources.ram_gb"),
        (sh("true", tags={"a": [None]}), "tags.a"),
        ([], "body"),
    ],
)
def test_a_task_that_cannot_be_run_is_refused_by_field(node: NodeClient, document: Any, field: str) -> None:
    answer = node.call("POST", "/tasks", json=document)
    assert field in problem(answer, 400)
    assert listed(node) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000],
)
def test_a_body_that_is_no_json_document_is_refused(node: NodeClient, body: bytes) -> None:
    answer = node.call("POST", "/tasks", data=body, headers={"Content-Type": "application/json"})
    assert "body" in problem(answer, 400)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_must_be_declared_as_json(node: NodeClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = node.call("POST", "/tasks", data=json.dumps(sh("true")).encode(), headers=headers)
    assert "Content-Type" in problem(answer, 415)
    assert listed(node) == []


def test_a_body_beyond_the_limit_is_refused(node: NodeClient) -> None:
    fits = sh("true", inputs=[{"path": "/i", "content": "x" * 128 * 1024}])
    node.create(fits)
    answer = node.call("POST", "/tasks", json=sh("true", name="x" * 400_000))
    assert "400000 bytes" in problem(answer, 413)


def test_a_list_is_filtered(node: NodeClient) -> None:
    first = node.create(sh("true", name="step.1", tags={"k": "v,w", "l": ""}))
    second = node.create(sh("exit 1", name="step 2", tags={"k": "x"}))
    node.wait(first, *FINAL)
    node.wait(second, *FINAL)
    assert listed(node) == [second, first]
    assert listed(node, ("name_prefix", "step.")) == [first]
    assert listed(node, ("state", "COMPLETE")) == [first]
    assert listed(node, ("state", "QUEUED")) == []
    assert listed(node, ("tag_key", "k"), ("tag_value", "v,w")) == [first]
    assert listed(node, ("tag_key", "k"), ("tag_value", "")) == [second, first]
    assert listed(node, ("tag_key", "k")) == [second, first]
    assert listed(node, ("tag_key", "l"), ("tag_key", "k"), ("tag_value", ""), ("tag_value", "x")) == []
    assert listed(node, ("tag_key", "l")) == [first]


def test_a_task_is_found_by_its_tag_as_soon_as_it_is_created(node: NodeClient) -> None:
    for number in range(20):
        task_id = node.create(sh("true", tags={"protes_attempt": f"t-{number}"}))
        assert listed(node, ("tag_key", "protes_attempt"), ("tag_value", f"t-{number}")) == [task_id]


def test_pages(node: NodeClient) -> None:
    ids = [node.create(sh("true")) for _ in range(5)]
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        answer = node.call("GET", "/tasks", params={"page_size": 2, "page_token": token}).json()
        seen += [task["id"] for task in answer["tasks"]]
        token = answer.get("next_page_token")
    assert seen == ids[::-1]
    assert "next_page_token" not in node.call("GET", "/tasks", params={"page_size": 5}).json()
    assert node.call("GET", "/tasks", params={"page_size": 2047}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", "0"),
        ("page_size", "2048"),
        ("page_size", "-1"),
        ("page_size", "x"),
        ("page_token", "x"),
        ("page_token", "bm9uZQ=="),
        ("state", "DONE"),
        ("view", "ALL"),
        ("tag_value", "x"),
    ],
)
def test_a_wrong_parameter_is_named(node: NodeClient, name: str, value: str) -> None:
    assert f"query parameter {name}" in problem(node.call("GET", "/tasks", params={name: value}), 400)


def test_a_running_task_is_cancelled(node: NodeClient) -> None:
    task_id = node.create(sh(FOR_EVER))
    node.wait(task_id, "RUNNING")
    node.cancel(task_id)
    assert node.state(task_id) in ("CANCELING", "CANCELED")
    node.cancel(task_id)
    task = node.wait(task_id, *FINAL)
    assert task["state"] == "CANCELED"
    node.cancel(task_id)
    assert node.state(task_id) == "CANCELED"


def test_a_waiting_task_is_cancelled_at_once_and_order_is_kept(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", slots=1) as node:
        running = node.create(sh(FOR_EVER))
        node.wait(running, "RUNNING")
        first, second, third = (node.create(sh("true")) for _ in range(3))
        assert [node.state(each) for each in (first, second, third)] == ["QUEUED"] * 3
        node.cancel(second)
        assert node.state(second) == "CANCELED"
        node.cancel(running)
        ends = [node.wait(each, *FINAL)["logs"][0]["logs"][0] for each in (first, third)]
        assert ends[0]["end_time"] <= ends[1]["start_time"]
        assert node.get(second)["logs"][0]["logs"] == []


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
def test_cancel_takes_the_bodies_clients_send(node: NodeClient, body: bytes) -> None:
    task_id = node.create(sh("true"))
    node.wait(task_id, *FINAL)
    answer = node.call("POST", f"/tasks/{task_id}:cancel", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert node.state(task_id) == "COMPLETE"


def test_cancel_refuses_what_a_web_page_could_send(node: NodeClient) -> None:
    path = f"/tasks/{node.create(sh('true'))}:cancel"
    problem(node.call("POST", path, data=b"{}", headers={"Content-Type": "text/plain"}), 415)


def test_what_is_not_there(node: NodeClient) -> None:
    assert "no task" in problem(node.call("GET", "/tasks/nobody"), 404)
    assert "no task" in problem(node.call("POST", "/tasks/nobody:cancel"), 404)
    assert "there is nothing at" in problem(node.call("GET", "//tasks"), 404)
    assert "DELETE" in problem(node.call("DELETE", "/tasks"), 405)


@pytest.mark.parametrize("path", ["/service-info", "/tasks", "/nothing"])
def test_web_pages_are_kept_out(node: NodeClient, path: str) -> None:
    port = urlsplit(node.root).port
    assert "Host" in problem(node.call("GET", path, headers={"Host": f"evil.example:{port}"}), 403)
    assert "Origin" in problem(node.call("GET", path, headers={"Origin": "http://evil.example"}), 403)
    assert "Origin" in problem(node.call("GET", path, headers={"Origin": "null"}), 403)
    assert node.call("GET", "/tasks", headers={"Origin": node.root}).status_code == 200
    assert node.call("GET", "/tasks", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_a_request_without_host_is_refused(node: NodeClient) -> None:
    address = urlsplit(node.root)
    with socket.create_connection((address.hostname, address.port), 5) as connection:
        connection.sendall(f"GET {BASE}/tasks HTTP/1.0\r\n\r\n".encode())
        assert b" 403 " in connection.recv(100)


def test_a_name_that_is_allowed_is_let_in(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", allowed_hosts=("node.example",)) as node:
        assert node.call("GET", "/tasks", headers={"Host": "Node.Example:80"}).status_code == 200
        problem(node.call("GET", "/tasks", headers={"Host": "other.example"}), 403)


def test_a_node_with_a_token_answers_nobody_else(tmp_path: Path) -> None:
    settings = NodeSettings(name="n", directory=tmp_path, token=SecretStr("sesame-sesame"))
    assert "sesame" not in repr(settings)
    with running_node(tmp_path / "node", token=SecretStr("sesame-sesame")) as node:
        for wrong in (None, "Bearer", "Bearer sesame", "Bearer sesame-sesame2", "Basic sesame-sesame", "Bearer é"):
            headers = {} if wrong is None else {"Authorization": wrong.encode()}
            for method, path in (("GET", "/service-info"), ("GET", "/tasks"), ("POST", "/tasks"), ("GET", "/nothing")):
                answer = node.call(method, path, headers=headers)
                assert "sesame" not in problem(answer, 401)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        for right in ("Bearer sesame-sesame", "bearer sesame-sesame"):
            assert node.call("GET", "/service-info", headers={"Authorization": right}).status_code == 200
        known = NodeClient(node.root, {"Authorization": "Bearer sesame-sesame"})
        assert known.wait(known.create(sh("true")), *FINAL)["state"] == "COMPLETE"
        # Who is refused as a web page is refused so before anything else.
        problem(node.call("GET", "/tasks", headers={"Host": "evil.example"}), 403)


def test_a_restart_forgets_nothing_and_lies_about_nothing(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", slots=1) as node:
        finished = node.create(sh("echo out"))
        before = node.wait(finished, *FINAL)
        running, queued = node.create(sh(FOR_EVER)), node.create(sh("true"))
        node.wait(running, "RUNNING")
    with running_node(tmp_path / "node", slots=1) as node:
        assert listed(node) == [queued, running, finished]
        assert node.get(finished) == before
        for task_id in (running, queued):
            task = node.get(task_id)
            assert task["state"] == "SYSTEM_ERROR"
            assert task["logs"][0]["system_logs"]
        assert node.wait(node.create(sh("true")), *FINAL)["state"] == "COMPLETE"


def test_what_a_task_worked_with_is_removed(node: NodeClient, tmp_path: Path) -> None:
    task_id = node.create(sh("echo x > /data/out", outputs=[{"path": "/data/out", "url": str(tmp_path / "o")}]))
    node.wait(task_id, *FINAL)
    folder = tmp_path / "node" / "tasks" / task_id
    assert [each.name for each in folder.iterdir()] == ["task.json"]


def test_outputs_to_storage(node: NodeClient, tmp_path: Path) -> None:
    url = (tmp_path / "node" / "storage" / "out").as_uri()
    task = node.wait(node.create(sh("echo x > /data/out", outputs=[{"path": "/data/out", "url": url}])), *FINAL)
    assert task["state"] == "COMPLETE", task
    assert task["logs"][0]["outputs"] == [{"url": url, "path": "/data/out", "size_bytes": "2"}]
    assert (tmp_path / "node" / "storage" / "out").read_text() == "x\n"


def test_py_tes_as_the_client(node: NodeClient) -> None:
    client = tes.HTTPClient(node.root, timeout=60)
    assert client.get_service_info().name == "test"
    task_id = client.create_task(
        tes.Task(
            name="py-tes",
            executors=[tes.Executor(image="debian", command=["sh", "-c", "cat /in"])],
            inputs=[tes.Input(path="/in", content="hello")],
            resources=tes.Resources(cpu_cores=1, ram_gb=0.5),
            tags={"a": "b"},
        )
    )
    task = client.wait(task_id, timeout=60)
    assert task.state == "COMPLETE"
    full = client.get_task(task_id, view="FULL")
    assert full.logs[0].logs[0].stdout == "hello"
    assert [each.id for each in client.list_tasks().tasks] == [task_id]
    forever = client.create_task(tes.Task(executors=[tes.Executor(image="debian", command=["sleep", "600"])]))
    client.cancel_task(forever)
    wait_until(lambda: client.get_task(forever).state == "CANCELED", "the task is canceled")


def test_connections_survive_refusals(node: NodeClient) -> None:
    with requests.Session() as session:
        for _ in range(3):
            assert session.post(f"{node.base}/tasks", data=b"x" * 1000, timeout=30).status_code == 415
            assert session.get(f"{node.base}/tasks", timeout=30).status_code == 200
