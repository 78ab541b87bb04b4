"""Our own documents of the APIs, as files beside this one."""

from pathlib import Path

__all__ = ["path"]


def path(name: str) -> Path:
    """Return where a document lies, such as `path("tes.yaml")`."""
    return Path(__file__).with_name(name)
