"""Inputs come in before the first command runs (TES 1.1.0, `tesInput`)."""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from protes.node import urls
from protes.node.errors import TaskFailed
from protes.node.files import Roots, copy_file, tree
from protes.node.web import Web, shown
from protes.node.workspace import Workspace


class Staging:
    """Puts inputs to where a task expects them."""

    def __init__(self, workspace: Workspace, roots: Roots, web: Web, go_on: Callable[[], None]) -> None:
        """Put them into `workspace` until `go_on`, called now and then, raises."""
        self._workspace = workspace
        self._roots = roots
        self._web = web
        self._go_on = go_on

    def bring(self, given: Mapping[str, Any]) -> str:
        """Bring one input in and return its type, FILE or DIRECTORY.

        Raises:
            TaskFailed: it cannot be had; the text names it by its path.
        """
        self._go_on()
        target = self._workspace.locate(given["path"])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return self._bring(given, target)
        except TaskFailed as error:
            raise TaskFailed(f"input {given['path']}: {error}") from None
        except OSError as error:
            raise TaskFailed(f"input {given['path']}: {error.strerror}: {error.filename}") from None

    def _bring(self, given: Mapping[str, Any], target: Path) -> str:
        url, kind = given.get("url", ""), given.get("type")
        if given.get("content") or not url:
            if kind == "DIRECTORY":
                raise TaskFailed("a DIRECTORY cannot have content")
            target.write_text(given["content"], encoding="utf-8", newline="")
            return "FILE"
        if urls.scheme_of(url) != "file":
            if kind == "DIRECTORY":
                raise TaskFailed(f"a DIRECTORY cannot be downloaded from {shown(url)}; over HTTP, give each file")
            self._web.download(url, target)
            return "FILE"
        return self._copy(self._roots.check(urls.file_path(url)), target, kind)

    def _copy(self, source: Path, target: Path, kind: str | None) -> str:
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode) and kind != "FILE":
            target.mkdir(exist_ok=True)
            for relative, real in tree(source, lambda path: self._roots.check(str(path))):
                place = self._workspace.follow(target / relative)
                if real.is_dir():
                    place.mkdir(exist_ok=True)
                else:
                    copy_file(real, place, self._go_on)
            return "DIRECTORY"
        if not stat.S_ISREG(mode) or kind == "DIRECTORY":
            raise TaskFailed(f"{source} is not a {'folder' if kind == 'DIRECTORY' else 'regular file'}")
        copy_file(source, target, self._go_on)
        return "FILE"
