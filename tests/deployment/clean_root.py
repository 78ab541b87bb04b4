"""Commands in a root of their own, without a container engine.

The root is a layer over this machine's file system (overlayfs) in which the machine's Python stands at `/usr/local`, as
it does in the base image, and in which neither the checkout nor anything in /tmp is there. A command changes the layer
alone. It takes root, Linux and util-linux; mounts are made in a mount namespace and vanish with the process.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_PROGRAMS = ("unshare", "nsenter", "setpriv", "chroot", "mount", "ip")
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_FOLDERS = ("proc", "dev", "tmp")
_NO_ROOT = "here is no root with mount namespaces and overlayfs"


def why_not(trial: Path) -> str | None:
    """Say why there can be no root of our own here, or None; tries it in the folder `trial`."""
    missing = [each for each in _PROGRAMS if shutil.which(each) is None]
    if sys.platform != "linux" or missing:
        return f"{_NO_ROOT}: {', '.join(missing) or sys.platform}"
    done = Root(trial).run(["/bin/true"])
    return None if done.returncode == 0 else f"{_NO_ROOT}: {done.stdout.strip()[-300:]}"


@dataclass
class Root:
    """A layer over this machine, and what a process in it is started with.

    Attributes:
        folder: where the layer's files are.
        variables: environment of every step.
        workdir: where a step works.
        user: `uid:gid` of every step.
        isolated: whether there is no network but loopback, and nothing but `/tmp` and `/data` can be written.
        volume: what is at `/data` where it is isolated.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    isolated: bool = False
    volume: Path = Path("/nonexistent")

    def __post_init__(self) -> None:
        """Make the layer's folders."""
        for name in ("upper", "work", "upper-python", "work-python", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in (*_FOLDERS, "usr/local", "data"):
            (self.folder / "upper" / name).mkdir(parents=True, exist_ok=True)
        alias = self.folder / "upper-python" / "bin" / "python"
        if not (Path(sys.base_prefix) / "bin" / "python").exists() and not alias.is_symlink():
            alias.parent.mkdir(exist_ok=True)
            alias.symlink_to(f"python{sys.version_info.major}.{sys.version_info.minor}")

    def path(self, inside: str) -> Path:
        """Return where a file that a step has made is, seen from outside."""
        local = "/usr/local/"
        if inside.startswith(local):
            return self.folder / "upper-python" / inside.removeprefix(local)
        return self.folder / "upper" / inside.lstrip("/")

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command line that runs these words inside; its child is process 1 there."""
        script = "\n".join((*self._mounts(), *self._limits(), f"exec {self._program(words)}"))
        options = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL"]
        return ["unshare", *options, *(["--net"] if self.isolated else []), "sh", "-euc", script]

    def run(self, words: Sequence[str], timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end, both its streams in `stdout`."""
        return subprocess.run(
            self.command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def start(self, words: Sequence[str]) -> "Running":
        """Start a command inside, as process 1."""
        return Running(self, words)

    def _mounts(self) -> list[str]:
        root = self.folder / "root"
        checkout = Path(__file__).parents[2]
        return [
            _overlay("/", self.folder / "upper", self.folder / "work", root),
            _overlay(sys.base_prefix, self.folder / "upper-python", self.folder / "work-python", root / "usr/local"),
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs tmpfs {root}/tmp",
            *([] if checkout.is_relative_to("/tmp") else [f"mount -t tmpfs tmpfs {root}{checkout}"]),
            # As in the base image, the library of a Python that is built with one is found where it is now.
            f"chroot {root} ldconfig",
        ]

    def _limits(self) -> list[str]:
        if not self.isolated:
            return []
        root = self.folder / "root"
        return [
            f"mount --bind {self.volume} {root}/data",
            f"mount -o remount,ro {root}/usr/local",
            f"mount -o remount,ro {root}",
            "ip link set lo up",
        ]

    def _program(self, words: Sequence[str]) -> str:
        return shlex.join(["chroot", str(self.folder / "root"), *self.as_user(words)])

    def as_user(self, words: Sequence[str]) -> list[str]:
        """Return the command line that runs these words as the user, in the folder and with the variables of a step."""
        uid, gid = self.user.split(":")
        # A change of user clears the signal that `unshare` has set, by which what was started goes with its parent.
        identity = [
            "setpriv",
            "--reuid",
            uid,
            "--regid",
            gid,
            "--clear-groups",
            "--no-new-privs",
            "--pdeathsig",
            "KILL",
        ]
        if uid != "0":
            identity += ["--bounding-set", "-all", "--inh-caps", "-all"]
        variables = [f"{name}={value}" for name, value in {"PATH": _PATH, **self.variables}.items()]
        change = ["sh", "-c", 'cd "$0" && exec "$@"', self.workdir]
        return [*identity, "env", "-i", *variables, *change, *words]


def _overlay(lower: str, upper: Path, work: Path, where: Path) -> str:
    return f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {where}"


class Running:
    """A process that runs inside; a context manager that ends it."""

    def __init__(self, root: Root, words: Sequence[str]) -> None:
        """Start it."""
        self._root = root
        self._log = (root.folder / "log").open("w+b")
        self._process = subprocess.Popen(
            root.command(words), stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )

    def __enter__(self) -> Self:
        """Do nothing more."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what still runs; all that it has started goes with it."""
        self._process.kill()
        self._process.wait(30)
        self._log.close()

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return (self._root.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its process, seen from outside; what was to run runs there once it has said something."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="utf-8")
        [pid] = [int(each) for each in children.split()]
        return pid

    def inside(self, words: Sequence[str], timeout_seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as the same user."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--root", "--wd"]
        return subprocess.run(
            [*enter, *self._root.as_user(words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def stop(self, timeout_seconds: float) -> int:
        """Send SIGTERM and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended by then.
        """
        os.kill(self.pid, signal.SIGTERM)
        return self._process.wait(timeout_seconds)
