"""Paths as tasks see them: absolute, with `/`, without `.` and `..`. Pure text."""

import posixpath
import re
from collections.abc import Collection, Iterator

_MAGIC = re.compile(r"[*?\[]")


def clean(path: str) -> str:
    """Return an absolute path in its one spelling: no repeated, trailing or `.` parts."""
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def ancestors(path: str) -> Iterator[str]:
    """Yield the folders above a clean path, nearest first, `/` last."""
    while path != "/":
        path = posixpath.dirname(path)
        yield path


def folder_of(path: str) -> str:
    """Return the folder that a path is in."""
    return posixpath.dirname(clean(path))


def within(path: str, folders: Collection[str]) -> bool:
    """Whether a clean path is one of the folders or below one."""
    return path in folders or any(each in folders for each in ancestors(path))


def is_pattern(path: str, path_prefix: str | None) -> bool:
    """Whether the path of an output has wildcards.

    A bracket alone is one only where a `path_prefix` says that wildcards are meant: brackets are common in names.
    """
    return "*" in path or "?" in path or ("[" in path and bool(path_prefix))


def fixed_folder(pattern: str) -> str:
    """Return the folder in front of the first part of a pattern that has wildcards."""
    fixed = []
    for part in clean(pattern).split("/")[1:]:
        if _MAGIC.search(part):
            break
        fixed.append(part)
    return "/" + "/".join(fixed)


class PathMap:
    """Rewrites a task's paths to where they really are, in text as well: command arguments, values of variables."""

    # What may stand in the middle of a file's name; a path that begins or ends inside one is another path.
    _NAME = r"\w.@%+~\-"

    def __init__(self, paths: Collection[str], root: str, kept: Collection[str] = ()) -> None:
        """Map each of the clean `paths`, and what is below it, into the folder `root`, but not what is in `kept`."""
        self._paths = frozenset(paths) - {"/"}
        self._root = root
        self._kept = frozenset(kept)
        longest_first = sorted(self._paths | self._kept if self._paths else (), key=lambda path: (-len(path), path))
        anyone = "|".join(re.escape(path) for path in longest_first)
        self._pattern = re.compile(f"(?<![/{self._NAME}])(?:{anyone})(?![{self._NAME}])") if anyone else None

    def path(self, path: str) -> str:
        """Return where a clean path really is: itself, unless it is mapped; `/` is the root."""
        if path == "/":
            return self._root
        return self._root + path if within(path, self._paths) and not within(path, self._kept) else path

    def text(self, text: str) -> str:
        """Rewrite every occurrence of a mapped path, once."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: match[0] if match[0] in self._kept else self._root + match[0], text)
