"""Page tokens: opaque, bound to the filters they were made with, and nothing but a place in the caller's own list."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence

from protes.api.problems import FieldError, invalid

_VERSION = 1
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def write(before: str, filters: Sequence[object]) -> str:
    """Make the token that continues after the task with id `before`."""
    text = json.dumps([_VERSION, before, _digest(filters)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token: str, filters: Sequence[object]) -> str:
    """Return the id that the token continues after.

    Raises:
        Problem: 400, the token is none of ours, or was made with other filters.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        version, before, digest = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise invalid([FieldError("query parameter page_token", "is not a token of this server")]) from None
    if version != _VERSION or not isinstance(before, str) or not _TASK_ID.fullmatch(before):
        raise invalid([FieldError("query parameter page_token", "is not a token of this server")])
    if digest != _digest(filters):
        raise invalid([FieldError("query parameter page_token", "belongs to a list with other filters")])
    return before


def _digest(filters: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(filters, default=str).encode()).hexdigest()[:16]
