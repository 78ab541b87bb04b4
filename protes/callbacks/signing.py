"""The signature of a webhook, as Standard Webhooks 1.0.0 has it (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"


def headers(event_id: str, timestamp: int, body: bytes, keys: Sequence[SecretStr]) -> Mapping[str, str]:
    """Return the headers that go with a body.

    Args:
        event_id: the same each time that the event is sent.
        timestamp: seconds since 1970; a receiver refuses what is old.
        body: what is sent.
        keys: in URL-safe base64; each signs.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (hmac.digest(base64.urlsafe_b64decode(key.get_secret_value()), signed, hashlib.sha256) for key in keys)
    return {
        ID_HEADER: event_id,
        TIME_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(f"v1,{base64.b64encode(each).decode('ascii')}" for each in signatures),
    }
