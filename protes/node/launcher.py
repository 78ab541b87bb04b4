# ruff: noqa: PTH110, PTH123, PTH208
# `os` instead of `pathlib`: this starts for every command, and start-up counts.

"""Runs one command of a task: started by the node as a program of its own, with the standard library alone.

It is the leader of a session and process group, and adopts whatever the command leaves behind, so that nothing of a
task outlives it: neither daemons, nor after a cancellation, nor after the death of the node. Where the task has a
private root, the command sees a mount namespace that holds the task's own folders and, read-only, those of the host.

Standard input is a pipe from the node: first one line of JSON, what to do; its end means that the node is gone.
Standard output and error are the command's. What became of it is written to a descriptor named in the order.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import sys

TYPE_CHECKING = False  # as typing has it; to import that takes longer than all else
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL."""

WRITABLE = ("/dev", "/proc")
"""Of the host's folders, those that stay writable in a private root: shared memory, and settings of a process's own."""

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127  # as shells have it

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_MOVE, _MS_REC, _MS_UNBINDABLE, _MS_PRIVATE = 0x1000, 0x2000, 0x4000, 1 << 17, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SYS_MOUNT_SETATTR = 442  # system calls this young have the same number on every architecture
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def main() -> None:
    """Do what the first line of standard input says."""
    order = json.loads(_first_line())
    if sys.platform == "linux":
        _libc("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken = _wake_on(signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM)
    os.set_inheritable(order["result"], False)
    child, failure = _start(order)
    status = _attend(child, woken)
    _end_all()
    answer = {"failure": failure} if failure else {"exit_code": status}
    os.write(order["result"], json.dumps(answer).encode())
    os.close(order["result"])
    if sys.platform != "linux":
        os.killpg(0, signal.SIGKILL)  # no adoption there: the group is what can be reached


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(0, 1 << 16)
        if not chunk:
            sys.exit("the node has gone before it said what to run")
        line += chunk
    return line


def _wake_on(*signals: int) -> int:
    """Make these signals readable at the returned descriptor."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return readable


def _start(order: Mapping[str, Any]) -> tuple[int, str]:
    """Start the command; return its process id, and why its surroundings could not be made, or ""."""
    readable, writable = os.pipe()  # closed by exec
    child = os.fork()
    if child == 0:
        _become(order, writable)
    os.close(writable)
    told = b""
    while chunk := os.read(readable, 1 << 16):
        told += chunk
    os.close(readable)
    return child, told.decode()


def _become(order: Mapping[str, Any], tell: int) -> NoReturn:
    """Turn the forked process into the command; it never returns into the launcher's work."""
    try:
        _reset_signals()
        os.dup2(order["stdin"], 0)
        os.close(order["stdin"])
        if order["root"] is not None:
            _enter(order["root"], order["binds"], order["writable"])
        os.chdir(order["workdir"])
    except OSError as error:
        os.write(tell, f"{error.strerror}: {error.filename}".encode())
        os._exit(1)
    try:
        os.execvpe(order["command"][0], order["command"], order["env"])  # noqa: S606 (this is what a task is)
    except OSError as error:
        os.write(2, f"cannot execute {order['command'][0]}: {error.strerror}\n".encode())
        os._exit(_NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else _NOT_EXECUTABLE)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        _libc("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _attend(child: int, woken: int) -> int:
    """Wait for the command, ending it when the node says so or is gone; return its exit code."""
    watched = [0, woken]
    ending = False
    while True:
        ready, _, _ = select.select(watched, [], [])
        signals = os.read(woken, 4096) if woken in ready else b""
        gone = 0 in ready and not os.read(0, 4096)
        if gone:
            watched.remove(0)
        if (gone or signal.SIGTERM in signals) and not ending:
            ending = True
            _ask_to_end()
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        if signal.SIGALRM in signals:
            _kill(child, signal.SIGKILL)
        code = _reap(child)
        if code is not None:
            return code


def _ask_to_end() -> None:
    if not _has_proc():
        os.killpg(0, signal.SIGTERM)  # this process as well, which has been asked already
    for pid in _descendants():
        _kill(pid, signal.SIGTERM)


def _reap(child: int) -> int | None:
    """Collect who has ended; return the exit code of the command if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def _end_all() -> None:
    """Kill what the command has left behind, until there is nothing."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                left = _descendants()
                for each in left:
                    _kill(each, signal.SIGKILL)
                if not left:
                    return
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants() -> list[int]:
    """Return the ids of all processes below this one; none where the system has no /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if _has_proc() else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, ())
    return found[1:]


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _enter(root: str, binds: list[str], writable: list[str]) -> None:
    """Make `root` the root folder of this process, with the host's `binds` in it at their own places.

    What is not `writable` is mounted read-only.

    Raises:
        OSError: the system does not allow it.
    """
    try:
        _libc("unshare", _CLONE_NEWNS)
    except PermissionError:
        _own_user_namespace()
    # First of all: nothing that is mounted from here on may be seen outside.
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    _mount(root, root, _MS_BIND)
    _mount("none", root, _MS_UNBINDABLE)  # else the bind of a folder that holds it would hold it again
    for path in binds:
        _bind(path, root + path, path in WRITABLE or path in writable)
    os.chdir(root)
    _mount(".", "/", _MS_MOVE)
    os.chroot(".")


def _own_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    _libc("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _bind(source: str, target: str, writable: bool) -> None:
    try:
        _mount(source, target, _MS_BIND | _MS_REC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES):  # it has gone meanwhile, or is another user's alone
            return
        raise
    if not writable:
        wanted = _MountAttributes(attr_set=_MOUNT_ATTR_RDONLY)
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        try:
            _libc("syscall", _SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, ctypes.byref(wanted), size)
        except OSError as error:
            if (
                error.errno != errno.ENOSYS
            ):  # kernels before 5.12 cannot: the host's folders stay as writable as they are
                raise


def _mount(source: str, target: str, flags: int) -> None:
    names = (os.fsencode(source), os.fsencode(target))
    _libc("mount", *names, None, ctypes.c_ulong(flags), None, about=target)


def _libc(function: str, *arguments: Any, about: str = "") -> None:
    """Call a function of the C library.

    Raises:
        OSError: it says that it failed.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"{function} {about}".strip())


if __name__ == "__main__":
    main()
