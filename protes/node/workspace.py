"""Where a task's files are: its own folder on disk, and how the paths that the task uses lead there."""

import errno
import fnmatch
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from protes.node.errors import TaskFailed
from protes.node.layout import FRESH, SYSTEM, plan
from protes.node.paths import PathMap, ancestors, clean, fixed_folder, is_pattern, within
from protes.node.settings import PathMode

_MOST_LINKS = 40  # as Linux has it
_OCTAL = re.compile(r"\\([0-7]{3})")


class Workspace(Protocol):
    """The files of one task.

    Attributes:
        root: the folder that holds them.
        private_root: whether commands see `root` as their root folder.
        binds: clean paths of the host that are mounted into a private root.
        writable: those of them that commands may write.
    """

    root: Path
    private_root: bool
    binds: tuple[str, ...]
    writable: tuple[str, ...]

    def prepare(self) -> None:
        """Make the folders that every task has."""

    def locate(self, path: str) -> Path:
        """Return where a path of the task is on this machine, symbolic links followed as the task sees them.

        Raises:
            TaskFailed: it is in a shared folder, and a symbolic link leads out of it.
        """

    def follow(self, place: Path) -> Path:
        """Return where an entry of one of the task's folders really is: links mean what they mean to the task.

        Raises:
            TaskFailed: as for `locate`.
        """

    def text(self, text: str) -> str:
        """Return a command argument or the value of a variable as the command must get it."""

    def working_folder(self, path: str) -> str:
        """Return the folder to run a command in, as the command must get it."""

    def home(self) -> Mapping[str, str]:
        """Return variables that lead a command to its own folders."""

    def is_hosts(self, path: str) -> bool:
        """Whether a path of the task shows what the host has there, and is not shared with it."""


def create_workspace(
    mode: PathMode,
    root: Path,
    task: Mapping[str, Any],
    hidden: Path | None = None,
    shared: Sequence[Path] = (),
    programs: Collection[Path] = (),
) -> Workspace:
    """Make the workspace of a task at `root`, which does not exist yet.

    Args:
        mode: how the task sees its paths.
        root: the folder that will hold its files.
        task: its document.
        hidden: a folder of the host that a private root does not show: the node's own, with other tasks' files.
        shared: folders of the host that the task sees and may write.
        programs: folders of the host with programs that a private root shows wherever they lie.
    """
    common = {clean(str(folder)) for folder in shared}
    own = {path for path in map(clean, _own_paths(task)) if not within(path, common)}
    opened = {path for path in map(clean, _opened_paths(task)) if not within(path, common)} - own
    if mode == "mapped":
        return _Mapped(root, own, opened, common)
    kept = {clean(str(each.absolute())) for each in (Path(sys.prefix), Path(sys.base_prefix), *programs)}
    return _PrivateRoot(root, own, opened, hidden, common, kept)


def _own_paths(task: Mapping[str, Any]) -> Iterator[str]:
    yield from (each["path"] for each in task.get("inputs", ()))
    yield from (
        each["path"] for each in task.get("outputs", ()) if not is_pattern(each["path"], each.get("path_prefix"))
    )
    yield from task.get("volumes", ())
    for executor in task["executors"]:
        yield from (executor[field] for field in ("stdout", "stderr") if executor.get(field))


def _opened_paths(task: Mapping[str, Any]) -> Iterator[str]:
    for each in task.get("outputs", ()):
        if is_pattern(each["path"], each.get("path_prefix")):
            yield fixed_folder(each["path"])
    yield from (executor["workdir"] for executor in task["executors"] if executor.get("workdir"))


class _PrivateRoot:
    """The task sees `root` as its root folder, in a mount namespace of its own, with the host's folders in it."""

    private_root = True

    def __init__(
        self, root: Path, own: set[str], opened: set[str], hidden: Path | None, shared: set[str], kept: set[str]
    ) -> None:
        self.root = root
        self.writable = tuple(sorted(shared))
        # As if it were the task's own: then nothing of the host is seen there. This keeps tasks from each other's
        # files by accident; one with bad intent still reaches them through /proc, as it runs as the node's user.
        if hidden is not None:
            own = own | {clean(str(hidden.resolve()))}
        self._layout = plan(own, opened, kept, shared)
        self.binds = tuple(sorted(self._layout.binds))

    def prepare(self) -> None:
        for path in self._layout.folders:
            self._at(path).mkdir(parents=True, exist_ok=True)
        for path in FRESH:
            self._at(path).chmod(0o1777)
        for path, is_folder in self._layout.binds.items():
            place = self._at(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            if is_folder:
                place.mkdir(exist_ok=True)
            else:
                place.touch()
        for path, target in self._layout.links.items():
            self._at(path).symlink_to(target)

    def locate(self, path: str) -> Path:
        left = clean(path).split("/")[:0:-1]
        done = ""
        links = 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{part}"
            if here in self._layout.binds:
                place = Path(here, *reversed(left))
                return _in_shared(place, self.writable) if here in self.writable else place
            try:
                target = self._at(here).readlink()
            except OSError:
                done = here
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            done = "" if target.is_absolute() else done
            left += str(target).split("/")[::-1]
        return self._at(done or "/")

    def follow(self, place: Path) -> Path:
        if place.is_symlink() and place.is_relative_to(self.root):
            return self.locate(f"/{place.relative_to(self.root)}")
        return _in_shared(place, self.writable) if within(str(place), self.writable) else place

    def text(self, text: str) -> str:
        return text

    def working_folder(self, path: str) -> str:
        return clean(path)

    def home(self) -> Mapping[str, str]:
        return {"HOME": FRESH[0]}

    def is_hosts(self, path: str) -> bool:
        return within(clean(path), self._layout.binds) and not within(clean(path), self.writable)

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")


class _Mapped:
    """Declared paths lie below `root` and are rewritten wherever a command is told them."""

    private_root = False
    binds: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()

    def __init__(self, root: Path, own: set[str], opened: set[str], shared: set[str]) -> None:
        self.root = root
        self._shared = shared
        declared = {path for path in own | opened if not within(path, SYSTEM)}
        # What the host does not have cannot be meant as the host's: folders above declared paths are the task's too.
        above = {folder for path in declared for folder in ancestors(path) if not os.path.lexists(folder)}
        self._map = PathMap(declared | above, str(root), shared)

    def prepare(self) -> None:
        (self.root / "tmp").mkdir(parents=True)

    def locate(self, path: str) -> Path:
        place = self._map.path(clean(path))
        return _in_shared(Path(place), self._shared) if within(place, self._shared) else Path(place)

    def follow(self, place: Path) -> Path:
        if place.is_symlink() and place.is_relative_to(self.root):
            return place.resolve()
        return _in_shared(place, self._shared) if within(str(place), self._shared) else place

    def text(self, text: str) -> str:
        return self._map.text(text)

    def working_folder(self, path: str) -> str:
        return self._map.path(clean(path))

    def home(self) -> Mapping[str, str]:
        own = str(self.root / "tmp")
        return {"HOME": own, "TMPDIR": own}

    def is_hosts(self, path: str) -> bool:
        return self._map.path(clean(path)) == clean(path) and not within(clean(path), self._shared)


def _in_shared(place: Path, shared: Collection[str]) -> Path:
    """Return where a path in a shared folder really is. Tasks and others can put links there.

    For the sake of a link the node writes nothing, and hands out nothing, that is not shared.
    """
    real = Path(os.path.realpath(place))
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in shared):
        raise TaskFailed(f"{place} leads out of the shared folder by a symbolic link")
    return real


def matches(workspace: Workspace, pattern: str) -> Iterator[str]:
    """Yield the task's own paths that fit a pattern (IEEE Std 1003.1-2017, XCU 2.13), in order.

    As POSIX has it, wildcards match neither `/` nor a leading dot. What is the host's does not count.
    """
    found = [""]
    for part in clean(pattern).split("/")[1:]:
        found = [f"{folder}/{name}" for folder in found for name in _names(workspace, folder or "/", part)]
    yield from (path for path in found if not workspace.is_hosts(path) and os.path.lexists(workspace.locate(path)))


def _names(workspace: Workspace, folder: str, part: str) -> list[str]:
    if not is_pattern(part, "yes"):
        return [part]
    try:
        names = sorted(each.name for each in workspace.locate(folder).iterdir())
    except OSError:
        return []
    # fnmatch knows [!x] as POSIX does; a leading dot must be written out.
    return [
        name for name in names if fnmatch.fnmatchcase(name, part) and (name[0] != "." or part.startswith((".", "[.]")))
    ]


def remove(root: Path) -> None:
    """Delete a task's files.

    Nothing is ever mounted there outside the namespaces of commands. As what is mounted would be the host's own
    folders, this is made sure of first.

    Raises:
        OSError: something is mounted there, or cannot be deleted.
    """
    table = Path("/proc/self/mountinfo")
    if table.exists():
        places = (
            _unescaped(line.split(" ")[4])
            for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
        if any(Path(place).is_relative_to(root.resolve()) for place in places):
            raise OSError(errno.EBUSY, "something is mounted below it", str(root))
    if root.exists():
        _make_deletable(root)
        shutil.rmtree(root)


def _make_deletable(root: Path) -> None:
    """Give back to ourselves folders that a task has made unwritable."""
    for folder, names, _ in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                path.chmod(0o700)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
