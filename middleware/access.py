"""Filter `access`: who may use which instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from middleware.errors import OptionError
from middleware.kinds import Filter, Judge
from middleware.naming import named
from middleware.types import Candidate, Context, Reason, TaskView

__all__ = ["create"]

_FIELDS = ("owners", "groups", "tags", "instances")
_DENIED = Reason(code="access", text="is not open to this task", permanent=True)
"""Does not say to whom it is open: that is the operator's affair."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Whom some instances are for; what is None is not asked."""

    owners: tuple[str, ...] | None
    groups: tuple[str, ...] | None
    tags: Mapping[str, str]
    instances: tuple[str, ...]

    def fits(self, task: TaskView, context: Context) -> bool:
        """Tell whether the task is one of those that the rule is for."""
        if self.owners is not None and not _any(self.owners, (context.owner,)):
            return False
        if self.groups is not None and not _any(self.groups, context.groups):
            return False
        return all(task.tags.get(key) == value for key, value in self.tags.items())


def _any(patterns: Sequence[str], names: Sequence[str] | frozenset[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def create(*, rules: object = (), otherwise: str = "allow") -> Filter:
    """Make the filter.

    An instance that a rule names is only for tasks that fit one of the rules that name it. A task fits a rule when it
    fits all that the rule asks: one of its `owners`, one of its `groups`, all of its `tags`.

    Args:
        rules: List of maps with `instances` (ids or base URLs) and at least one of `owners`, `groups` (lists; `*`
            stands for any text) and `tags` (a map of texts, compared as they are).
        otherwise: What becomes of instances that no rule names: `allow` everybody, or `deny`.

    Raises:
        OptionError: An option is not what it must be.
    """
    if otherwise not in ("allow", "deny"):
        raise OptionError("otherwise", "allow or deny")
    if not isinstance(rules, list | tuple):
        raise OptionError("rules", "a list of rules")
    read = [_rule(f"rules[{index}]", each) for index, each in enumerate(rules)]
    is_named = named(name for rule in read for name in rule.instances)
    open_otherwise = otherwise == "allow"

    def prepare(task: TaskView, context: Context) -> Judge:
        is_open = named(name for rule in read if rule.fits(task, context) for name in rule.instances)

        def judge(candidate: Candidate) -> Reason | None:
            allowed = is_open(candidate) or (open_otherwise and not is_named(candidate))
            return None if allowed else _DENIED

        return judge

    return Filter.prepared(prepare)


def _rule(where: str, given: object) -> _Rule:
    if not isinstance(given, Mapping) or not set(given) <= set(_FIELDS):
        raise OptionError(where, f"a map of {', '.join(_FIELDS)}")
    instances = _texts(f"{where}.instances", given.get("instances"))
    if not instances:
        raise OptionError(f"{where}.instances", "a list of ids or base URLs, at least one")
    owners, groups = (
        _texts(f"{where}.{name}", given[name]) if given.get(name) is not None else None for name in ("owners", "groups")
    )
    tags = given["tags"] if given.get("tags") is not None else {}
    if not isinstance(tags, Mapping) or not all(isinstance(each, str) for pair in tags.items() for each in pair):
        raise OptionError(f"{where}.tags", "a map of texts; write numbers in quotes")
    if owners is None and groups is None and not tags:
        raise OptionError(where, 'given owners, groups or tags; owners: ["*"] means everybody')
    return _Rule(owners, groups, dict(tags), instances)


def _texts(where: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise OptionError(where, "a list of texts")
    return tuple(cast("Sequence[str]", given))
