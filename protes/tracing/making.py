"""From settings to a tracer; OpenTelemetry is imported here, and only where traces are on."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from protes.clock import Clock
from protes.config.loading import ConfigError
from protes.config.observing import TracingSettings
from protes.store.protocols import Records
from protes.tracing.port import Tracer

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def make_tracer(settings: TracingSettings, records: Records, clock: Clock, process: str) -> Tracer | None:
    """Return what records traces, None where they are off.

    Args:
        settings: the settings.
        records: where the trace of a task is kept.
        clock: the clock.
        process: the name of this process.

    Raises:
        ConfigError: the extra is not installed, or the file of headers cannot be used.
    """
    if not settings.enabled:
        return None
    if not _installed():
        raise ConfigError("custom.tracing.enabled: traces need OpenTelemetry; install protes[trace]")
    headers = _headers(settings)
    from protes.tracing.exporting import make_provider
    from protes.tracing.recording import Recorder

    return Recorder(settings, make_provider(settings, headers, process), records, clock)


def _installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in _NEEDED)
    except ModuleNotFoundError:
        return False


def _headers(settings: TracingSettings) -> Mapping[str, str]:
    """Return the headers for the endpoint; in no error's text.

    Raises:
        ConfigError: their file cannot be read, or has something else in it.
    """
    if settings.headers_file is None:
        return {name.lower(): value.get_secret_value() for name, value in settings.headers.items()}
    where = f"custom.tracing.headers_file: {settings.headers_file}"
    try:
        lines = Path(settings.headers_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{where} cannot be read: {type(problem).__name__}") from None
    headers = {}
    for number, line in enumerate(lines, start=1):
        name, colon, value = line.partition(":")
        if line.strip() and (not colon or not name.strip() or not value.strip()):
            raise ConfigError(f"{where}: line {number} is not `Name: value`")
        if line.strip():
            headers[name.strip().lower()] = value.strip()
    return headers
