"""Outputs go out after the last command (TES 1.1.0, `tesOutput`)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protes.node import urls
from protes.node.errors import TaskFailed
from protes.node.files import Roots, copy_file, tree
from protes.node.paths import clean, is_pattern
from protes.node.web import Web
from protes.node.workspace import Workspace, matches


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of one declared output.

    Attributes:
        files: `tesOutputFileLog` of each file.
        type: FILE or DIRECTORY, where something was found.
        missing: why nothing was, else "".
    """

    files: tuple[dict[str, str], ...] = ()
    type: str | None = None
    missing: str = ""


class Collecting:
    """Takes outputs from a task to their URLs."""

    def __init__(self, workspace: Workspace, roots: Roots, web: Web, go_on: Callable[[], None]) -> None:
        """Take them from `workspace` until `go_on`, called now and then, raises."""
        self._workspace = workspace
        self._roots = roots
        self._web = web
        self._go_on = go_on

    def take(self, output: Mapping[str, Any]) -> Collected:
        """Take one declared output out.

        Raises:
            TaskFailed: it exists and cannot be taken to its URL; the text names it by its path.
        """
        try:
            if is_pattern(output["path"], output.get("path_prefix")):
                return self._take_matching(output)
            return self._take_one(clean(output["path"]), output["url"], output.get("type"))
        except TaskFailed as error:
            raise TaskFailed(f"output {output['path']}: {error}") from None
        except OSError as error:
            raise TaskFailed(f"output {output['path']}: {error.strerror}: {error.filename}") from None

    def _take_matching(self, output: Mapping[str, Any]) -> Collected:
        """Take what fits a pattern; that may be nothing."""
        kind = output.get("type")
        files: list[dict[str, str]] = []
        for path in matches(self._workspace, output["path"]):
            is_folder = self._workspace.locate(path).is_dir()
            if kind is not None and is_folder != (kind == "DIRECTORY"):
                continue
            pruned = path.removeprefix(output["path_prefix"]).lstrip("/")
            files += self._take_one(path, urls.below(output["url"], pruned), kind).files
        if not files:
            return Collected(missing=f"output {output['path']}: nothing matches")
        return Collected(tuple(files), kind)

    def _take_one(self, path: str, url: str, kind: str | None) -> Collected:
        source = self._workspace.locate(path)
        if not source.exists():
            return Collected(missing=f"output {path}: does not exist")
        if source.is_dir():
            if kind == "FILE":
                raise TaskFailed("is a folder, but declared as FILE")
            return Collected(tuple(self._take_tree(path, source, url)), "DIRECTORY")
        if kind == "DIRECTORY" or not source.is_file():
            raise TaskFailed(f"is not a {'folder' if kind == 'DIRECTORY' else 'regular file'}")
        return Collected((self._store(path, source, url),), "FILE")

    def _take_tree(self, path: str, source: Path, url: str) -> Iterator[dict[str, str]]:
        self._make_folder(url)
        for relative, real in tree(source, self._workspace.follow):
            if real.is_dir():
                self._make_folder(urls.below(url, relative))
            else:
                yield self._store(f"{path}/{relative}", real, urls.below(url, relative))

    def _make_folder(self, url: str) -> None:
        if urls.scheme_of(url) == "file":
            self._roots.check(urls.file_path(url)).mkdir(parents=True, exist_ok=True)

    def _store(self, path: str, source: Path, url: str) -> dict[str, str]:
        self._go_on()
        if urls.scheme_of(url) == "file":
            target = self._roots.check(urls.file_path(url))
            target.parent.mkdir(parents=True, exist_ok=True)
            size = copy_file(source, target, self._go_on)
        else:
            size = self._web.upload(source, url)
        return {"url": url, "path": path, "size_bytes": str(size)}
