"""What probing told as JSON for `Records`, and back."""

from collections.abc import Mapping
from typing import Any

from protes.clock import parse_rfc3339, rfc3339
from protes.federation.known import Probed


def probed_to_json(probed: Probed) -> dict[str, Any]:
    """Write a `Probed`."""
    return {
        "ok": probed.ok,
        "at": rfc3339(probed.at),
        "next_at": rfc3339(probed.next_at),
        "heard_at": rfc3339(probed.heard_at) if probed.heard_at else None,
        "failures": probed.failures,
        "base_url": probed.base_url,
        "dialect": probed.dialect,
        "version": probed.version,
        "storage": list(probed.storage),
        "backend_parameters": list(probed.backend_parameters),
        "gateway_id": probed.gateway_id,
        "declared": dict(probed.declared),
        "error": probed.error,
        "silent": probed.silent,
    }


def probed_from_json(value: Mapping[str, Any]) -> Probed:
    """Read what `probed_to_json` wrote."""
    return Probed(
        ok=value["ok"],
        at=parse_rfc3339(value["at"]),
        next_at=parse_rfc3339(value["next_at"]),
        heard_at=parse_rfc3339(value["heard_at"]) if value["heard_at"] else None,
        failures=value["failures"],
        base_url=value["base_url"],
        dialect=value["dialect"],
        version=value["version"],
        storage=tuple(value["storage"]),
        backend_parameters=tuple(value["backend_parameters"]),
        gateway_id=value["gateway_id"],
        declared=value.get("declared", {}),  # records of earlier versions have none
        error=value["error"],
        silent=value.get("silent", False),
    )
