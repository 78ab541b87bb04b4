"""Traces of tasks (docs/observing.md); nothing of OpenTelemetry is imported where they are off."""
