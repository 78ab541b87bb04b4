"""What commands see on a node, and how they end; in both path modes, over real HTTP."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protes.node.path_mode import NoNamespaces
from protes.node.settings import PathMode
from tests.support.nodes import NodeClient, running_node, sh
from tests.support.waiting import wait_until

FINAL = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")


@pytest.fixture(params=["namespace", "mapped"])
def mode(request: pytest.FixtureRequest) -> PathMode:
    found: PathMode = request.param
    return found


@pytest.fixture
def node(mode: PathMode, tmp_path: Path) -> Iterator[NodeClient]:
    try:
        with running_node(tmp_path / "node", slots=4, path_mode=mode, speed=0.5) as client:
            yield client
    except NoNamespaces as error:
        pytest.skip(str(error))


@pytest.fixture
def namespace_node(tmp_path: Path) -> Iterator[NodeClient]:
    try:
        with running_node(tmp_path / "node", slots=2, path_mode="namespace") as client:
            yield client
    except NoNamespaces as error:
        pytest.skip(str(error))


def run(node: NodeClient, document: dict[str, Any], state: str = "COMPLETE") -> dict[str, Any]:
    """Run a task to its end and return its log."""
    task = node.wait(node.create(document), *FINAL)
    assert task["state"] == state, task["logs"]
    log: dict[str, Any] = task["logs"][0]
    return log


def stdout(node: NodeClient, document: dict[str, Any]) -> str:
    return str(run(node, document)["logs"][0]["stdout"])


def executor(script: str, **fields: Any) -> dict[str, Any]:
    return {"image": "debian", "command": ["sh", "-c", script], **fields}


def running(marker: str) -> list[int]:
    """Return the processes that have `marker` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_the_mode_is_said(node: NodeClient, mode: PathMode) -> None:
    assert f"Path mode {mode}" in node.call("GET", "/service-info").json()["description"]
    assert run(node, sh("true"))["metadata"]["path_mode"] == mode


def test_stdin_stdout_and_stderr_are_files(node: NodeClient) -> None:
    streams = {"stdin": "/data/in", "stdout": "/logs/out", "stderr": "/logs/err"}
    first = executor("tr a-z A-Z; echo bad >&2", **streams)
    second = executor("cat /logs/out /logs/err")
    given = [{"path": "/data/in", "content": "hello\n"}]
    log = run(node, {"executors": [first, second], "inputs": given})
    assert (log["logs"][0]["stdout"], log["logs"][0]["stderr"]) == ("HELLO\n", "bad\n")
    assert log["logs"][1]["stdout"] == "HELLO\nbad\n"


def test_stdout_and_stderr_may_be_one_file(node: NodeClient) -> None:
    both = {"stdout": "/logs/both", "stderr": "/logs/both"}
    log = run(node, {"executors": [executor("echo a; echo b >&2; echo c", **both), executor("cat /logs/both")]})
    assert log["logs"][1]["stdout"] == "a\nb\nc\n"


def test_each_executor_writes_its_files_anew(node: NodeClient) -> None:
    executors = [executor("echo long", stdout="/logs/out"), executor("echo b", stdout="/logs/out")]
    assert [each["stdout"] for each in run(node, {"executors": executors})["logs"]] == ["long\n", "b\n"]


def test_a_missing_stdin_is_named(node: NodeClient) -> None:
    log = run(node, {"executors": [executor("cat", stdin="/data/none")]}, "SYSTEM_ERROR")
    assert "stdin of executor 0: /data/none: No such file" in log["system_logs"][-1]


def test_environment_and_folder(node: NodeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_SECRET", "canary")
    env = {"WHERE": "--at=/work/dir/x:/work/dir", "PROTES_OTHER": "1"}
    script = 'test -d "${WHERE##*:}" && pwd -P && echo "$PROTES_NODE_SPEED" && env | grep -c canary; touch "$HOME/x"'
    lines = stdout(node, {"executors": [executor(script, env=env, workdir="/work/dir")]}).splitlines()
    assert lines[0].endswith("/work/dir")
    assert lines[1:] == ["0.5", "0"]


def test_executors_share_inputs_and_volumes_and_stop_at_the_first_error(node: NodeClient) -> None:
    executors = [executor("ls /vol; echo 1 > /vol/x"), executor("cat /vol/x; exit 4"), executor("echo never")]
    log = run(node, {"executors": executors, "volumes": ["/vol/"]}, "EXECUTOR_ERROR")
    assert [each["exit_code"] for each in log["logs"]] == [0, 4]
    assert [each["stdout"] for each in log["logs"]] == ["", "1\n"]
    for each in log["logs"]:
        assert log["start_time"] <= each["start_time"] <= each["end_time"] <= log["end_time"]


def test_an_error_may_be_ignored(node: NodeClient) -> None:
    log = run(node, {"executors": [executor("exit 5", ignore_error=True), executor("echo on")]})
    assert [each["exit_code"] for each in log["logs"]] == [5, 0]


@pytest.mark.parametrize(
    ("command", "code", "stderr"),
    [
        (["no-such-program"], 127, "cannot execute no-such-program: No such file or directory\n"),
        (["/etc"], 126, "cannot execute /etc: Permission denied\n"),
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (["sh", "-c", "kill -TERM $$"], 143, ""),
    ],
)
def test_exit_codes_are_those_of_shells(node: NodeClient, command: list[str], code: int, stderr: str) -> None:
    log = run(node, {"executors": [{"image": "i", "command": command}]}, "EXECUTOR_ERROR")
    assert (log["logs"][0]["exit_code"], log["logs"][0]["stderr"]) == (code, stderr)


def test_output_that_is_no_text_or_very_long_is_cut_and_said_so(mode: PathMode, tmp_path: Path) -> None:
    try:
        with running_node(tmp_path / "node", path_mode=mode, log_bytes=1000) as node:
            assert stdout(node, sh(r"printf 'a\377b'")) == "a\ufffdb"
            log = run(node, sh("i=0; while [ $i -lt 600 ]; do printf é; i=$((i+1)); done; printf .; echo -n x >&2"))
            assert log["logs"][0]["stdout"] == "é" * 499 + "."
            assert log["logs"][0]["stderr"] == "x"
            assert any(
                "stdout of executor 0 is cut to the last 1000 of 1201 bytes" in each for each in log["system_logs"]
            )
    except NoNamespaces as error:
        pytest.skip(str(error))


def test_the_interpreter_of_the_host_can_be_run(node: NodeClient) -> None:
    script = "open('/data/out', 'w').write(open('/data/in').read()[::-1]); print(open('/data/out').read())"
    task = {
        "executors": [{"image": "python", "command": [sys.executable, "-c", script]}],
        "inputs": [{"path": "/data/in", "content": "abc"}],
    }
    assert stdout(node, task) == "cba\n"


def test_cancelling_kills_everything_a_task_has_started(node: NodeClient) -> None:
    marker = f"{os.getpid()}.{id(node)}"
    # A grandchild that takes no notice of SIGTERM, and one that has left the session.
    script = f"(trap '' TERM; sleep 6{marker}) & setsid sleep 6{marker} & echo started; sleep 6{marker}"
    task_id = node.create(sh(script))
    wait_until(lambda: len(running(f"6{marker}")) == 3, "all three run")
    node.cancel(task_id)
    task = node.wait(task_id, *FINAL)
    assert task["state"] == "CANCELED"
    assert running(f"6{marker}") == []
    assert task["logs"][0]["logs"][0]["stdout"] == "started\n"
    assert task["logs"][0]["logs"][0]["exit_code"] == 143


def test_a_command_that_ignores_the_signal_is_killed(node: NodeClient) -> None:
    marker = f"7{os.getpid()}.{id(node)}"
    task_id = node.create(sh(f"trap '' TERM; while :; do sleep {marker}; done"))
    wait_until(lambda: len(running(marker)) == 1, "it runs")
    node.cancel(task_id)
    assert node.state(task_id) == "CANCELING"
    assert node.wait(task_id, *FINAL)["state"] == "CANCELED"
    assert running(marker) == []


def test_what_a_command_leaves_behind_ends_with_it(node: NodeClient) -> None:
    marker = f"8{os.getpid()}.{id(node)}"
    log = run(node, sh(f"setsid sleep {marker} & sleep {marker} & echo done"))
    assert log["logs"][0]["stdout"] == "done\n"
    assert running(marker) == []


def test_cores_bound_what_runs_at_once(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", slots=3) as node:
        wide = node.create(sh("exec sleep 600", resources={"cpu_cores": 1.5}))
        node.wait(wide, "RUNNING")
        second = node.create(sh("true", resources={"cpu_cores": 2}))
        third = node.create(sh("true"))
        assert [node.state(second), node.state(third)] == ["QUEUED", "QUEUED"]
        node.cancel(wide)
        assert [node.wait(each, *FINAL)["state"] for each in (second, third)] == ["COMPLETE", "COMPLETE"]


def test_two_tasks_have_a_tmp_each(namespace_node: NodeClient, tmp_path: Path) -> None:
    node = namespace_node
    name = f"protes-test-{os.getpid()}"
    script = f"mkdir /tmp/{name} && echo $$ > /tmp/{name}/pid && sleep 0.2 && ls /tmp /var/tmp"
    first, second = (node.create(sh(script)) for _ in range(2))
    for each in (first, second):
        task = node.wait(each, *FINAL)
        assert task["state"] == "COMPLETE", task
        assert name in task["logs"][0]["logs"][0]["stdout"]
    assert not Path("/tmp", name).exists()


def test_the_host_is_seen_but_not_touched(namespace_node: NodeClient) -> None:
    name = f"protes-test-{os.getpid()}"
    # /etc is opened by the input, /usr is mounted whole, the root folder is the task's.
    script = (
        f"cat /etc/{name}/in; test -s /etc/passwd && test -x /usr/bin/env && touch /new /etc/new && echo ok"
        f"; touch /usr/{name} /etc/passwd; echo x > /dev/null; cat /proc/self/comm"
    )
    log = run(namespace_node, sh(script, inputs=[{"path": f"/etc/{name}/in", "content": "seen\n"}]))
    assert log["logs"][0]["stdout"] == "seen\nok\ncat\n"
    assert log["logs"][0]["stderr"].count("Read-only file system") == 2
    for path in (f"/etc/{name}", "/new", "/etc/new", f"/usr/{name}"):
        assert not Path(path).exists()


def test_links_mean_to_outputs_what_they_mean_to_the_task(namespace_node: NodeClient, tmp_path: Path) -> None:
    script = "mkdir /x; echo real > /x/file; ln -s /x/file /out/link; ln -s ../x/file /y/file; ln -s nowhere /out/none"
    storage = tmp_path / "node" / "storage"
    outputs = [
        {"path": "/out", "url": f"{storage}/out", "type": "DIRECTORY"},
        {"path": "/y/file", "url": f"{storage}/file"},
    ]
    log = run(namespace_node, sh(script, outputs=outputs))
    assert [each["path"] for each in log["outputs"]] == ["/out/link", "/y/file"]
    assert (storage / "out" / "link").read_text() == (storage / "file").read_text() == "real\n"
