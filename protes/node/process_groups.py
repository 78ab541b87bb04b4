"""Process groups that can be told from later ones with the same number.

A node that was killed leaves the processes of its tasks behind; the one that starts after it must end them, and never
a stranger who was given the same number since. A group is known by its leader's start time and boot.
"""

from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_START_TIME = 19  # /proc/PID/stat, field 22, counted from the field after the command's name (proc(5))


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One process group.

    Attributes:
        id: its number, the process id of its leader.
        start_ticks: when its leader started, in clock ticks since boot.
        boot_id: the boot in question.
    """

    id: int
    start_ticks: int
    boot_id: str


def identify(group: int) -> ProcessGroup | None:
    """Describe the group with this number, or return None where its leader is gone (or the system has no /proc)."""
    try:
        # The command's name stands in parentheses and may hold anything, parentheses included.
        fields = (_PROC / str(group) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return ProcessGroup(group, int(fields[_START_TIME]), boot_id)


def still_there(group: ProcessGroup) -> bool:
    """Tell whether the group's leader is the very process that was described."""
    return identify(group.id) == group
