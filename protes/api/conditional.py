"""What clients say so that they need not ask as often: `If-None-Match` (RFC 9110) and `Prefer: wait` (RFC 7240)."""

import hashlib
import re

from flask import Response
from werkzeug.http import parse_list_header, unquote_header_value

_WAIT = "wait"
_SECONDS = re.compile(r"[0-9]{1,9}")
_DIGITS = 32


def entity_tag(decisive: str) -> str:
    """Make the strong validator, without quotes, of an answer that this text decides to the byte."""
    return hashlib.sha256(decisive.encode()).hexdigest()[:_DIGITS]


def wait_seconds(prefer: str | None, longest: int) -> int:
    """Return for how long a request prefers to wait, seconds, at most `longest`; 0 where it does not.

    A preference that is not understood is ignored, and of two the first counts (RFC 7240 section 2).
    """
    for preference in parse_list_header(prefer or ""):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == _WAIT:
            text = unquote_header_value(value.strip())
            return min(int(text), longest) if _SECONDS.fullmatch(text) else 0
    return 0


def marked(response: Response, tag: str, waited: int = 0) -> Response:
    """Say what an answer is a version of, who may keep it, and, where it is so, that it was waited for.

    What is shown depends on who asks; whoever keeps it asks each time whether it is still right.
    """
    headers = response.headers
    headers["ETag"] = f'"{tag}"'
    headers["Cache-Control"] = "private, no-cache"
    headers["Vary"] = "Authorization"
    if waited:
        headers["Preference-Applied"] = f"{_WAIT}={waited}"
    return response
