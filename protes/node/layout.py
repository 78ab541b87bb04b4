"""Which of the host's files a task's private root shows, next to the task's own.

The root is a folder of the task on disk. What the task declares lies in it as plain files, so nothing of the host is
touched and outputs are at hand when the command has ended. Around them the host's files are mounted, each folder as
far up as possible: a folder is mounted whole unless something of the task lies below it.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from protes.node.paths import ancestors, within

FRESH = ("/tmp", "/var/tmp")  # noqa: S108 (these are in the task's root)
"""Folders that every task has for itself."""

SYSTEM = ("/dev", "/proc", "/sys")
"""Folders that are always the host's: a task that declares /dev/null means the device."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a private root holds of the host, beside the task's own files.

    Attributes:
        folders: folders of the root itself.
        binds: files and folders of the host, to be mounted at their own paths; True for a folder.
        links: symbolic links of the host to be made alike, with their targets.
    """

    folders: tuple[str, ...]
    binds: dict[str, bool]
    links: dict[str, str]


def plan(own: Collection[str], opened: Collection[str], kept: Collection[str], shared: Collection[str] = ()) -> Layout:
    """Plan a private root. Reads the host's folders, changes nothing.

    Args:
        own: clean paths that are the task's; nothing of the host is seen at or below them.
        opened: folders that the task writes into, among what the host has there.
        kept: folders of the host that must be seen, even below one of `own`: the interpreter that runs the node, and
            the programs that stand in for those of images.
        shared: clean paths of folders that are shared with the host, each mounted by itself, wherever it lies.
    """
    mine = {path for path in (*own, *FRESH) if not within(path, SYSTEM)}
    folders = {path for path in opened if not within(path, SYSTEM)} | {"/"}
    folders |= {above for path in (*mine, *folders, *shared) for above in ancestors(path)}
    shown = {path for path in kept if path != "/" and within(path, mine) and Path(path).is_dir()}
    binds = dict.fromkeys([*shown, *shared], True)
    links: dict[str, str] = {}
    for folder in sorted(folders):
        if within(folder, mine):
            continue
        for path, entry in _children(folder):
            if path in mine or path in folders:
                continue
            if entry.is_symlink():
                links[path] = str(Path(path).readlink())
            else:
                binds[path] = entry.is_dir()
    return Layout(tuple(sorted(folders | set(FRESH))), binds, links)


def _children(folder: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                yield f"{folder.rstrip('/')}/{entry.name}", entry
    except OSError:
        return  # the host has no such folder, or keeps it from us: nothing of it is seen
