"""What a client wants to become of a session: an update of its phase (STANDARDS.md 5.1)."""

from collections.abc import Mapping
from typing import Any

from protes.offers.errors import IllegalTransition, InvalidRequest
from protes.offers.phases import OTHERS, Phase
from protes.offers.reading import Node

_KIND = "uri:enum-value-update"
_PATHS = ("/phase", "phase", "/state", "state")


def read_update(document: Any) -> Phase:
    """Read an update, that of 2026 or, under `update` and with `type` and `state`, that of 2025.

    Raises:
        InvalidRequest: it is none.
        IllegalTransition: it names a phase that sessions of this broker are never in.
    """
    if not isinstance(document, Mapping):
        raise InvalidRequest([("body", "must be an object, an update")])
    errors: list[tuple[str, str]] = []
    node = Node(document, "", errors)
    node = node.object("update") or node
    kind, path, value = node.text("kind") or node.text("type"), node.text("path"), node.text("value")
    if kind != _KIND and not errors:
        node.wrong("kind", f"must be {_KIND}")
    if path not in _PATHS and not errors:
        node.wrong("path", "must be /phase")
    if value not in {*Phase, *OTHERS} and not errors:
        node.wrong("value", "must be a phase: ACCEPTED, REJECTED or CANCELLED")
    if errors:
        raise InvalidRequest(errors)
    if value in OTHERS:
        raise IllegalTransition(f"a client cannot put a session into {value}; ACCEPTED, REJECTED, CANCELLED can be")
    return Phase(str(value))
