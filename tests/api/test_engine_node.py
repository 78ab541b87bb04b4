"""What engines without their containers need of a node: a folder shared with tasks, and programs in place of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodes import NodeClient, running_node, sh


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    return folder


@pytest.fixture(params=["namespace", "mapped"])
def node(request: pytest.FixtureRequest, tmp_path: Path, shared: Path, programs: Path) -> Iterator[NodeClient]:
    images = {"greeter:1": programs}
    mode = request.param
    with running_node(tmp_path / "node", shared=(shared,), images=images, path_mode=mode) as client:
        yield client


def test_a_shared_folder_is_seen_and_written_at_its_own_path(node: NodeClient, shared: Path) -> None:
    (shared / "in").write_text("before")
    # An engine's task declares /tmp, or what is above the shared folder, as its own.
    task = sh(f"cat {shared}/in && echo after > {shared}/out && echo mine > /tmp/own", volumes=["/tmp"])
    done = node.wait(node.create(task), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert (done["state"], done["logs"][0]["logs"][0]["stdout"]) == ("COMPLETE", "before")
    assert (shared / "out").read_text() == "after\n"


def test_what_is_named_there_by_its_own_path_stays_where_it_is(node: NodeClient, shared: Path) -> None:
    """Toil has its job store, which its tasks write to, as a DIRECTORY input at the path that it has anyway."""
    store = shared / "jobstore"
    store.mkdir()
    (store / "job").write_text("todo")
    identity = (store / "job").stat().st_ino
    task = sh(
        f"echo done > {store}/result && rm {store}/job.lock; ls {store}",
        inputs=[{"url": store.as_uri(), "path": str(store), "type": "DIRECTORY"}],
        outputs=[{"url": (store / "result").as_uri(), "path": f"{store}/result", "type": "FILE"}],
    )
    (store / "job.lock").touch()
    done = node.wait(node.create(task), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert (done["state"], done["logs"][0]["logs"][0]["stdout"]) == ("COMPLETE", "job\nresult\n")
    assert (store / "result").read_text() == "done\n"
    assert (store / "job").stat().st_ino == identity
    assert not (store / "job.lock").exists()
    assert done["logs"][0]["outputs"] == [
        {"url": (store / "result").as_uri(), "path": f"{store}/result", "size_bytes": "5"}
    ]


def test_wildcards_find_what_lies_in_a_shared_folder(node: NodeClient, shared: Path) -> None:
    task = sh(
        f"echo a > {shared}/made-a.txt; echo b > {shared}/made-b.txt",
        outputs=[{"url": (shared / "taken").as_uri(), "path": f"{shared}/made-*.txt", "path_prefix": f"{shared}/"}],
    )
    done = node.wait(node.create(task), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert done["state"] == "COMPLETE"
    assert sorted(path.name for path in (shared / "taken").iterdir()) == ["made-a.txt", "made-b.txt"]


@pytest.mark.parametrize("node", ["namespace"], indirect=True)
def test_what_is_not_shared_is_not_written(node: NodeClient, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    task = sh(f"echo x > {tmp_path}/other/out")
    done = node.wait(node.create(task), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert done["state"] == "EXECUTOR_ERROR"
    assert not list((tmp_path / "other").iterdir())


def test_tasks_of_an_image_find_the_programs_that_stand_in_for_it(node: NodeClient) -> None:
    greeting = {"executors": [{"image": "greeter:1", "command": ["greet"]}]}
    done = node.wait(node.create(greeting), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert (done["state"], done["logs"][0]["logs"][0]["stdout"]) == ("COMPLETE", "hello\n")
    other = {"executors": [{"image": "debian", "command": ["greet"]}]}
    assert node.wait(node.create(other), "EXECUTOR_ERROR", "SYSTEM_ERROR")["state"] == "EXECUTOR_ERROR"


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": [{"path": "{}/link/evil", "content": "hi"}]},
        {"outputs": [{"path": "{}/link/secret", "url": "file://{}/taken"}]},
        {"outputs": [{"path": "{}", "url": "file://{}/taken", "type": "DIRECTORY"}]},
        {"outputs": [{"path": "{}/link/*", "path_prefix": "{}", "url": "file://{}/taken"}]},
        {"volumes": ["{}/link/evil"]},
    ],
)
def test_a_link_in_a_shared_folder_leads_the_node_not_out_of_it(
    node: NodeClient, shared: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (shared / "link").symlink_to(outside)
    task = json.loads(json.dumps(sh("true", **fields)).replace("{}", str(shared)))
    ended = node.wait(node.create(task), "SYSTEM_ERROR")
    assert "leads out of the shared folder" in json.dumps(ended["logs"])
    assert [each.name for each in outside.iterdir()] == ["secret"]
    assert not (shared / "taken").is_file()
