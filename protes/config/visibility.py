"""Settings of who sees whose tasks (docs/visibility.md)."""

from typing import Literal

from pydantic import Field

from protes.config.base import Section

Shown = Literal["none", "user", "tenant", "group"]


class VisibilitySettings(Section):
    """Who sees whose tasks."""

    tasks: Shown = Field(
        "user",
        description="Whom a new task is shown to besides operators and readers: `none`: no bounds, everybody sees all; "
        "`user`: who created it; `tenant`: their tenant; `group`: one of their groups. Whoever has no tenant or group "
        "has tasks of their own; the tasks of anonymous callers are everybody's.",
    )
    groups: tuple[str, ...] = Field(
        (), description="`group`: the groups that tasks can be shown to, as callers have them; any where it is empty."
    )
