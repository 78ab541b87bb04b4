"""What a change of the settings means to a gateway that runs (docs/reload.md)."""

from typing import Any

from foca.models.config import Config
from pydantic import BaseModel

from protes.config.observing import LoggingSettings, MetricsSettings, TracingSettings
from protes.config.runner import RunnerSettings
from protes.config.settings import Settings
from protes.config.store import StoreSettings

FIXED = (
    "gateway_id",
    "server.host",
    "server.port",
    "server.threads",
    "server.workers",
    "server.cors_origins",
    "server.head_seconds",
    "server.slowest_body_bytes_per_second",
    *(f"store.{name}" for name in StoreSettings.model_fields),
    *(f"runner.{name}" for name in RunnerSettings.model_fields),
    *(f"metrics.{name}" for name in MetricsSettings.model_fields),
    *(f"tracing.{name}" for name in TracingSettings.model_fields),
    *(f"logging.{name}" for name in LoggingSettings.model_fields),
)
"""Settings of what is made once in the life of a process; they change with a restart."""


def changed_sections(old: Settings, new: Settings) -> tuple[str, ...]:
    """Return the names of the sections that differ, in the order of the settings."""
    return tuple(name for name in Settings.model_fields if getattr(old, name) != getattr(new, name))


def changed_beside(old: Config, new: Config) -> tuple[str, ...]:
    """Return the names of FOCA's own sections that differ: what is made of them is made at the start."""
    return tuple(name for name in Config.model_fields if name != "custom" and getattr(old, name) != getattr(new, name))


def keep_fixed(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Put the old values of what cannot change into new settings.

    Returns:
        The new settings with these values, and the names of the settings whose new values were dropped.
    """
    dropped = tuple(path for path in FIXED if _value(old, path) != _value(new, path))
    for path in dropped:
        section, _, name = path.rpartition(".")
        if section:
            part: BaseModel = getattr(new, section)
            new = new.model_copy(update={section: part.model_copy(update={name: _value(old, path)})})
        else:
            new = new.model_copy(update={name: _value(old, path)})
    return new, dropped


def _value(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value
