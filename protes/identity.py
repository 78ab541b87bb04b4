"""Who this gateway and this process are."""

import os
import secrets
import socket
import uuid
from contextlib import suppress

from protes.clock import Clock
from protes.config.settings import Settings
from protes.store.protocols import Conflict, Records

_KIND, _KEY = "gateway", "id"


def gateway_id(settings: Settings, records: Records, clock: Clock) -> str:
    """Return the configured id, or the one made at first start and kept in the store."""
    if settings.gateway_id is not None:
        return settings.gateway_id
    now = clock.now()
    with suppress(Conflict):  # made before
        records.put(_KIND, _KEY, {"id": str(uuid.uuid4())}, now, expected_version=0)
    stored = records.get(_KIND, _KEY, now)
    assert stored is not None  # noqa: S101 (it was just there and never expires)
    return str(stored.value["id"])


def process_name() -> str:
    """Return a name of this process that no other process has, for leases and leadership."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
