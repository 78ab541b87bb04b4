"""Mappings that cannot be changed, for the frozen value types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

__all__ = ["immutable"]


def immutable(mapping: Mapping[Key, Value]) -> Mapping[Key, Value]:
    """Return a read-only copy of a mapping; one that is read-only already comes back as it is."""
    return mapping if isinstance(mapping, MappingProxyType) else MappingProxyType(dict(mapping))
