"""What a node is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

PathMode = Literal["namespace", "mapped"]
"""How a task sees its absolute paths: in a mount namespace of its own, or mapped into a folder and rewritten."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of one node.

    Attributes:
        name: its name for people.
        directory: its private folder: tasks and their state.
        token: bearer token that every request must carry; None lets everybody in.
        slots: cores; a task takes at least one.
        ram_gb: memory of one task at most, GB; None: not bounded.
        disk_gb: disk of one task at most, GB; None: not bounded.
        speed: told to tasks in PROTES_NODE_SPEED; nothing is slowed down.
        roots: folders that `file://` URLs and bare paths may lead into; empty: `storage` in `directory`.
        shared: folders that every task sees at their own paths and may write, as on a cluster with a shared file
            system; they are `roots` too. What an input or output names there by its own path stays where it is.
        images: for images of this name, a folder whose `bin` comes first in PATH: what their containers would bring.
        allowed_hosts: names that requests may carry in `Host` besides loopback names.
        max_body_bytes: largest request body.
        log_bytes: largest stdout or stderr kept in a log, the tail of it.
        path_mode: `namespace`, `mapped`, or `auto`: the first where the system allows it.
    """

    name: str
    directory: Path
    token: SecretStr | None = None
    slots: int = 2
    ram_gb: float | None = None
    disk_gb: float | None = None
    speed: float = 1.0
    roots: tuple[Path, ...] = field(default=())
    shared: tuple[Path, ...] = field(default=())
    images: Mapping[str, Path] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = field(default=())
    max_body_bytes: int = 16 * 1024 * 1024
    log_bytes: int = 4 * 1024 * 1024
    path_mode: PathMode | Literal["auto"] = "auto"
