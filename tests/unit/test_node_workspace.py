"""Where a task's files are: layouts of private roots, links, patterns, and safe deletion."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protes.node.errors import TaskFailed
from protes.node.layout import plan
from protes.node.settings import PathMode
from protes.node.workspace import Workspace, create_workspace, matches, remove

HERE = str(Path(__file__).resolve())


def made(tmp_path: Path, mode: PathMode = "namespace", **fields: Any) -> Workspace:
    workspace = create_workspace(mode, tmp_path / "root", {"executors": [{"command": ["true"]}], **fields})
    workspace.prepare()
    return workspace


def put(workspace: Workspace, path: str, text: str = "x") -> None:
    place = workspace.locate(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_folders_are_shown_whole_unless_something_of_the_task_lies_below() -> None:
    layout = plan(own=["/etc/a/b"], opened=["/usr/x"], kept=[])
    assert {"/", "/etc", "/etc/a", "/usr", "/usr/x", "/tmp", "/var", "/var/tmp"} == set(layout.folders)
    assert layout.binds["/proc"]
    assert layout.binds["/dev"]
    assert layout.binds["/usr/bin"]
    assert layout.binds["/etc/passwd"] is False
    assert not {"/etc", "/usr", "/tmp", "/var", "/etc/a", "/usr/x"} & set(layout.binds)
    assert all(str(Path(path).readlink()) == target for path, target in layout.links.items())


def test_nothing_of_the_host_is_shown_at_and_below_a_path_of_the_task() -> None:
    layout = plan(own=["/etc", "/etc/deep/file"], opened=["/etc/other"], kept=[])
    assert not [path for path in (*layout.binds, *layout.links) if path == "/etc" or path.startswith("/etc/")]


def test_devices_stay_the_hosts() -> None:
    layout = plan(own=["/dev/null", "/proc/x"], opened=["/dev/shm"], kept=[])
    assert layout.binds["/dev"]
    assert layout.binds["/proc"]


def test_the_interpreter_is_seen_also_where_it_lies_in_a_fresh_folder(tmp_path: Path) -> None:
    assert str(tmp_path).startswith("/tmp/")
    assert str(tmp_path) in plan(own=[], opened=[], kept=[str(tmp_path)]).binds
    assert str(tmp_path) not in plan(own=[], opened=[], kept=[]).binds


def test_the_nodes_own_folder_is_hidden_but_for_what_is_the_tasks(tmp_path: Path) -> None:
    """Any folder of the host serves that tasks otherwise see; nothing is written there."""
    node = Path("/usr/bin").resolve()
    assert str(node / "env") in plan(own=[f"{node}/own/file"], opened=[], kept=[]).binds
    (tmp_path / "link").symlink_to(node)
    task = {"executors": [{"command": ["true"]}], "inputs": [{"path": f"{node}/own/file"}]}
    for number, hidden in enumerate((node, tmp_path / "link")):
        workspace = create_workspace("namespace", tmp_path / str(number), task, hidden)
        assert not [path for path in workspace.binds if path == str(node) or path.startswith(f"{node}/")]
        assert not workspace.is_hosts(f"{node}/own/file")


def test_links_are_followed_as_the_task_sees_them(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    root = workspace.root
    put(workspace, "/data/real/file")
    for link, target in (
        ("a", "/data/real"),
        ("b", "a/../real/./file"),
        ("c", "../../../../data/b"),
        ("d", "/usr/bin/env"),
    ):
        (root / "data" / link).symlink_to(target)
    assert workspace.locate("/data/a/file") == root / "data/real/file"
    assert workspace.locate("/data/c") == root / "data/real/file"
    assert workspace.locate("/data/d") == Path("/usr/bin/env")
    assert workspace.locate("/data/a/none/x") == root / "data/real/none/x"
    assert workspace.locate("/") == root
    (root / "data" / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        workspace.locate("/data/loop")


def test_mapped_paths_are_those_declared_and_folders_that_the_host_lacks(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    space = made(tmp_path, "mapped", inputs=[{"path": "/protes-none/in/file"}, {"path": "/usr/file"}])
    assert space.text("/protes-none/x /usr/file /usr/bin/env") == f"{root}/protes-none/x {root}/usr/file /usr/bin/env"
    assert space.locate("/protes-none/x") == Path(root, "protes-none/x")
    assert space.locate("/usr/bin") == Path("/usr/bin")
    assert space.working_folder("/") == root
    assert space.is_hosts("/usr/bin")
    assert not space.is_hosts("/protes-none")


@pytest.mark.parametrize("mode", ["namespace", "mapped"])
def test_patterns(tmp_path: Path, mode: PathMode) -> None:
    workspace = made(tmp_path, mode, volumes=["/d"])
    for name in ("a.txt", "b.txt", ".c.txt", "d.log", "sub/e.txt", "sub/.f/g.txt"):
        put(workspace, f"/d/{name}")
    assert list(matches(workspace, "/d/*.txt")) == ["/d/a.txt", "/d/b.txt"]
    assert list(matches(workspace, "/d/.*.txt")) == ["/d/.c.txt"]
    assert list(matches(workspace, "/d/[!a].txt")) == ["/d/b.txt"]
    assert list(matches(workspace, "/d/*/*.txt")) == ["/d/sub/e.txt"]
    assert list(matches(workspace, "/d/*/e.txt")) == ["/d/sub/e.txt"]
    assert list(matches(workspace, "/d/**/g.txt")) == []
    assert list(matches(workspace, "/none/*")) == []


def test_deletion_also_of_what_a_task_has_locked(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "locked"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    folder.chmod(0)
    remove(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    remove(tmp_path / "work")


DELETE = """
import ctypes, sys
from pathlib import Path
from protes.node.workspace import remove
libc = ctypes.CDLL(None, use_errno=True)
work, host = sys.argv[1:]
if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x44000, None):
    sys.exit(77)
if libc.mount(host.encode(), (work + "/root/a b").encode(), None, 0x1000, None):
    sys.exit(77)
try:
    remove(Path(work))
except OSError as error:
    print(error.strerror)
"""


def test_what_is_mounted_is_never_deleted(tmp_path: Path) -> None:
    """The mount is made in a namespace of a process of its own, in the place where a fault of ours would leave one."""
    host, work = tmp_path / "host", tmp_path / "work"
    (work / "root" / "a b").mkdir(parents=True)
    host.mkdir()
    (host / "precious").write_text("still here")
    done = subprocess.run(
        [sys.executable, "-c", DELETE, work, host], capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode == 77:
        pytest.skip(f"no mounts can be made here: {os.strerror(ctypes.get_errno())}")
    assert done.stdout == "something is mounted below it\n", done.stderr
    assert (host / "precious").read_text() == "still here"


@pytest.mark.parametrize("mode", ["namespace", "mapped"])
def test_links_lead_the_node_nowhere_out_of_a_shared_folder(tmp_path: Path, mode: PathMode) -> None:
    shared, other, outside = tmp_path / "shared", tmp_path / "other", tmp_path / "outside"
    for folder in (shared, other, outside):
        folder.mkdir()
    for link, target in (("out", outside), ("inside", shared), ("other", other), ("file", outside / "file")):
        (shared / link).symlink_to(target)
    task = {"executors": [{"command": ["true"]}]}
    workspace = create_workspace(mode, tmp_path / "root", task, shared=[shared, other])
    workspace.prepare()
    assert workspace.locate(f"{shared}/inside/new") == shared / "new"
    assert workspace.locate(f"{shared}/other/new") == other / "new"
    assert workspace.follow(shared / "other") == other
    for path in ("out", "out/new", "inside/out/deep/new", "file"):
        with pytest.raises(TaskFailed, match="leads out of the shared folder"):
            workspace.locate(f"{shared}/{path}")
    for path in ("out", "file"):
        with pytest.raises(TaskFailed, match="leads out of the shared folder"):
            workspace.follow(shared / path)


def test_a_tasks_own_link_leads_not_out_of_a_shared_folder_either(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    task = {"executors": [{"command": ["true"]}], "volumes": ["/data"]}
    workspace = create_workspace("namespace", tmp_path / "root", task, shared=[tmp_path / "shared"])
    workspace.prepare()
    (workspace.root / "data").mkdir()
    (workspace.root / "data/link").symlink_to(f"{tmp_path}/shared/../outside")
    with pytest.raises(TaskFailed, match="leads out of the shared folder"):
        workspace.locate("/data/link")
