"""What a probe found, as the federation keeps it."""

import logging
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from protes.config.instances import Declared
from protes.federation.known import Probed
from protes.federation.merge import NOTHING_DECLARED
from protes.tes.probe import Probe

logger = logging.getLogger(__name__)

_LONGEST_VERSION = 60


def probed_of(found: Probe, name: str, at: datetime, next_at: datetime) -> Probed:
    """Write down what a probe found.

    Args:
        found: by `protes.tes.probe`.
        name: of the instance, for the log.
        at: when it was found.
        next_at: when to look again.
    """
    return Probed(
        ok=True,
        at=at,
        next_at=next_at,
        heard_at=at,
        base_url=found.base_url,
        dialect=found.dialect,
        version=_version(found),
        storage=_strings(found, "storage"),
        backend_parameters=_strings(found, "tesResources_backend_parameters"),
        gateway_id=found.gateway_id,
        declared=declared_of(found.service_info.get("protes"), name).model_dump(
            mode="json", exclude_none=True, exclude_defaults=True
        ),
        error="it wants other credentials" if found.auth_required else None,
    )


def declared_of(said: object, name: str) -> Declared:
    """Read an extension field `protes`; one that does not fit is ignored, never who said it."""
    if said is None:
        return NOTHING_DECLARED
    try:
        return Declared.model_validate(said)
    except ValidationError as problem:
        logger.warning("%s: what it says under protes is ignored: %d errors", name, problem.error_count())
        return NOTHING_DECLARED


def _version(found: Probe) -> str | None:
    version = found.service_info.get("version")
    return str(version)[:_LONGEST_VERSION] if isinstance(version, str | int | float) else None


def _strings(found: Probe, field: str) -> tuple[str, ...]:
    values: Any = found.service_info.get(field)
    return tuple(each for each in values if isinstance(each, str) and each) if isinstance(values, list) else ()
