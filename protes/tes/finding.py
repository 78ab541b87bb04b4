"""What a search for a task at an instance tells."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Found:
    """The instance has the task, once or (ids in the order of its list) several times."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The whole search showed no such task. Whether it may still appear, `Dialect.late_commit_seconds` says."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The search showed no such task and proves nothing; `text` says why."""

    text: str


Finding: TypeAlias = Found | Absent | CannotTell
