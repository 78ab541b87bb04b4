"""Servers that do what TES 1.1.0 says: our own, another protes, and one of unknown make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.dialects.base import DialectFake


def _info(service_id: str) -> dict[str, Any]:
    return {
        "id": service_id,
        "name": "fake",
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "organization": {"name": "Example", "url": "https://example.org"},
        "version": "1.0",
        "storage": ["file:///"],
    }


class Node(DialectFake):
    """`protes node`."""

    NAME = "node"

    def service_info(self) -> dict[str, Any]:
        return {**_info("org.ga4gh.protes.node"), "tesResources_backend_parameters": ["queue"]}


class Protes(DialectFake):
    """A protes behind this one."""

    NAME = "protes"

    def service_info(self) -> dict[str, Any]:
        return _info("org.example.protes")

    def info_headers(self) -> Mapping[str, str]:
        return {"X-Protes-Gateway": "another-gateway"}


class Unknown(DialectFake):
    """A server that nobody has described."""

    NAME = "unknown"

    def service_info(self) -> dict[str, Any]:
        return _info("org.example.mystery")
