"""The task as middleware sees it: a TES document as typed, frozen values.

Field names and meanings are those of TES 1.1.0. A view carries everything a client may set, so that a rewritten view
can be forwarded without a look at the original. What may hold secrets (URLs, commands, contents, free maps) is kept out
of `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from middleware.immutable import immutable
from middleware.needs import Needs, needs_of

__all__ = ["ExecutorView", "InputView", "OutputView", "Resources", "TaskView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputView:
    """One input of a task (TES `tesInput`)."""

    path: str
    """Absolute path in the container."""
    url: str | None = field(default=None, repr=False)
    """Where it is fetched from; a bare absolute path counts as a file URL; None with `content`."""
    content: str | None = field(default=None, repr=False)
    """The content itself, in place of a URL; an empty string is an empty file."""
    type: str = "FILE"
    """`FILE` or `DIRECTORY`."""
    size_bytes: int | None = None
    """Size in bytes where known; not part of TES."""
    streamable: bool = False
    name: str | None = None
    description: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputView:
    """One output of a task (TES `tesOutput`)."""

    path: str
    """Absolute path in the container; may hold wildcards where `path_prefix` is set."""
    url: str = field(repr=False)
    """Where it is sent to; a bare absolute path counts as a file URL."""
    path_prefix: str | None = None
    """Prefix taken off matched paths; its presence means wildcards (TES 1.1)."""
    type: str = "FILE"
    """`FILE` or `DIRECTORY`."""
    name: str | None = None
    description: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorView:
    """One command in one container image (TES `tesExecutor`)."""

    image: str
    command: tuple[str, ...] = field(repr=False)
    workdir: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ignore_error: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "env", immutable(self.env))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task asks for (TES `tesResources`); None means not said."""

    cpu_cores: float | None = None
    """Cores; fractions are allowed (TES 1.2 draft)."""
    ram_gb: float | None = None
    """Memory in GB (10^9 bytes)."""
    disk_gb: float | None = None
    """Disk in GB (10^9 bytes)."""
    preemptible: bool | None = None
    zones: tuple[str, ...] = ()
    """Compute zones asked for; their meaning is the instance's own."""
    backend_parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameters meant for the instance; those that the gateway itself reads are not among them."""
    backend_parameters_strict: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "backend_parameters", immutable(self.backend_parameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task (TES `tesTask` without what servers set)."""

    id: str
    """The gateway's id of the task."""
    executors: tuple[ExecutorView, ...]
    name: str | None = None
    description: str | None = field(default=None, repr=False)
    inputs: tuple[InputView, ...] = ()
    outputs: tuple[OutputView, ...] = ()
    resources: Resources = Resources()
    volumes: tuple[str, ...] = ()
    """Absolute paths that executors share."""
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The client's tags, the gateway's own included."""
    needs: Needs = field(init=False, repr=False, compare=False)
    """What the document asks of an instance, found once for all candidates."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", immutable(self.tags))
        object.__setattr__(self, "needs", needs_of(self))
