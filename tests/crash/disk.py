"""A small disk of its own, which can be full."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_BALLAST = "ballast"
_CHUNK = bytes(64 * 1024)


class Disk:
    """A file system in memory with a size, mounted on a folder."""

    def __init__(self, folder: Path) -> None:
        """It is mounted already."""
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / _BALLAST).open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            size = len(_CHUNK)
            while size:
                size = ballast.write(_CHUNK[:size]) or 0

    def free(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink(missing_ok=True)


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Disk | None]:
    """Mount a disk on a new folder; None where this machine does not let us (that takes an administrator)."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    try:
        yield Disk(folder) if done else None
    finally:
        if done:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)
