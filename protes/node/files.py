"""Files of this machine: which ones a task may name, and copying."""

import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from protes.node.errors import TaskFailed

_CHUNK_BYTES = 1 << 20


class Roots:
    """The folders that `file://` URLs and bare paths may lead into."""

    def __init__(self, folders: Collection[Path]) -> None:
        """Allow what is below these folders."""
        self._folders = tuple(folder.resolve() for folder in folders)

    def check(self, path: str) -> Path:
        """Return the real path, symbolic links resolved.

        Raises:
            TaskFailed: it is in none of the folders.
        """
        real = Path(path).resolve()
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise TaskFailed(f"{path} is in none of the folders that this node may read and write")
        return real


def copy_file(source: Path, target: Path, go_on: Callable[[], None]) -> int:
    """Copy a regular file with its permissions; the target appears when it is whole. Return its size in bytes.

    A file that is its own target, as in a folder shared with the task, stays as it is.

    Args:
        source: the file.
        target: its new place, whose folder exists.
        go_on: called between chunks; raises where the copy is to be given up.

    Raises:
        OSError: it cannot be read or written.
    """
    if target.exists() and target.samefile(source):
        return source.stat().st_size
    with (
        source.open("rb") as reader,
        tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False) as writer,
    ):
        partial = Path(writer.name)
        try:
            while chunk := reader.read(_CHUNK_BYTES):
                go_on()
                writer.write(chunk)
            size = writer.tell()
            writer.flush()
            shutil.copymode(source, partial)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return size


def tree(folder: Path, follow: Callable[[Path], Path]) -> Iterator[tuple[str, Path]]:
    """Walk through a folder and yield what is in it: the path within the folder, with `/`, and where it really is.

    Folders come before what they hold. Left out are links that lead nowhere or back up, sockets, pipes and devices.

    Args:
        folder: where to begin.
        follow: returns where an entry really is; may raise where it must not be followed.

    Raises:
        OSError: something cannot be read.
    """
    yield from _walk(folder, "", follow, frozenset({_identity(folder)}))


def _walk(
    folder: Path, prefix: str, follow: Callable[[Path], Path], above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, Path]]:
    for entry in sorted(folder.iterdir()):
        real = follow(entry)
        try:
            mode = real.stat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISREG(mode):
            yield f"{prefix}{entry.name}", real
        elif stat.S_ISDIR(mode) and _identity(real) not in above:
            yield f"{prefix}{entry.name}", real
            yield from _walk(real, f"{prefix}{entry.name}/", follow, above | {_identity(real)})


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
