"""Bare paths that stand for objects elsewhere: which ones a rewrite maps to URLs, and which a server maps itself. Pure.

What `feasible` asks and what `rewrite_paths` does follow from the same functions, so that no task is sent where its
paths mean nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from middleware.candidate import Candidate, Limits
from middleware.cromwell import CromwellRule, seen_by
from middleware.naming import named

if TYPE_CHECKING:
    from middleware.task import TaskView

__all__ = ["PathMapping", "is_below", "joined", "longest", "own_path_judge", "path_of"]

_FILE_URL = "file://"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMapping:
    """Paths that a rewrite turns into URLs for some instances."""

    prefix: str
    """Absolute path without a slash at its end; what equals it or lies below it is mapped."""
    scheme: str
    """Scheme of the URLs, lower case."""
    instances: frozenset[str] | None = None
    """Ids or base URLs of the instances it is done for; None means all."""
    not_instances: frozenset[str] = frozenset()
    """Ids or base URLs of instances it is not done for."""

    def judge(self) -> Callable[[Candidate], bool]:
        """Return a function that tells whether it is done for a candidate."""
        left_out = named(self.not_instances)
        if self.instances is None:
            return lambda candidate: not left_out(candidate)
        wanted = named(self.instances)
        return lambda candidate: wanted(candidate) and not left_out(candidate)


def path_of(url: str) -> str | None:
    """Return the absolute path that a bare path or a `file` URL means; None for any other URL."""
    if url.startswith("/"):
        return url
    if url[: len(_FILE_URL)].lower() != _FILE_URL:
        return None
    host, slash, rest = url[len(_FILE_URL) :].partition("/")
    return unquote(slash + rest) if slash and host.lower() in ("", "localhost") else None


def is_below(path: str, prefix: str) -> bool:
    """Tell whether a path is the prefix or lies below it; `/a/bc` does not lie below `/a/b`."""
    return path == prefix or path.startswith(f"{prefix}/")


def longest(path: str, mappings: Iterable[PathMapping]) -> PathMapping | None:
    """Return the mapping with the longest prefix that the path lies below."""
    fitting = (each for each in mappings if is_below(path, each.prefix))
    return max(fitting, key=lambda each: len(each.prefix), default=None)


def joined(url: str, prefix: str, path: str) -> str | None:
    """Return the URL of a path below `prefix`, percent-encoded; None where it would leave what `url` names.

    Args:
        url: What the prefix stands for, a URL.
        prefix: Absolute path without a slash at its end.
        path: The prefix or a path below it.
    """
    rest = path[len(prefix) :]
    segments = rest.split("/")
    # A backslash is read as a slash by some storage servers.
    if any(each in (".", "..") for each in segments) or "\\" in rest or not rest.isprintable():
        return None
    names = [quote(each, safe="") for each in segments if each]
    end = "/" if names and rest.endswith("/") else ""
    return "/".join([url.rstrip("/"), *names]) + end


def own_path_judge(task: "TaskView") -> Callable[[Limits, str], bool]:
    """Return a function that tells whether an instance maps a path of this task to storage by itself."""
    seen: dict[CromwellRule | None, bool] = {None: True}

    def maps(limits: Limits, path: str) -> bool:
        if not any(is_below(path, prefix) for prefix in limits.own_paths):
            return False
        rule = limits.own_paths_rule
        if rule not in seen:
            seen[rule] = rule is None or seen_by(rule, task) is not None
        return seen[rule]

    return maps
