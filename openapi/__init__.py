"""Our own documents of the APIs, as files beside this one."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ["document", "path"]

# The C loader reads the same YAML ten times as fast; it is not there on every machine.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def path(name: str) -> Path:
    """Return where a document lies, such as `path("tes.yaml")`."""
    return Path(__file__).with_name(name)


@cache
def document(name: str) -> Mapping[str, Any]:
    """Return a document as it is published; it is read once, and whoever gets it must leave it as it is."""
    parsed: Mapping[str, Any] = yaml.load(path(name).read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - a safe one
    return parsed
