"""The one place where the HTTP libraries' exceptions and HTTP statuses become our errors.

An exception before the first byte was sent is always `Unreachable`; afterwards `AFTER_SENDING` decides. Nothing of the
libraries' own messages is passed on: some of them quote header values.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

from requests import exceptions as requests_errors
from urllib3 import exceptions as urllib3_errors

from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    Refused,
    ServerFault,
    Throttled,
    TimedOut,
    Unreachable,
)
from protes.tes.redaction import redact

_DETAIL_CHARACTERS = 300
_DETAIL_FIELDS = ("error_description", "detail", "message", "messages", "error", "errors", "title", "msg")
_LONGEST_RETRY_AFTER_SECONDS = 86400.0

AFTER_SENDING: Mapping[type[Exception], type[DownstreamError]] = {
    # requests
    requests_errors.RequestException: ConnectionLost,
    requests_errors.ConnectionError: ConnectionLost,
    requests_errors.ProxyError: ConnectionLost,
    requests_errors.SSLError: ConnectionLost,
    requests_errors.ChunkedEncodingError: ConnectionLost,
    requests_errors.RetryError: ConnectionLost,
    requests_errors.UnrewindableBodyError: ConnectionLost,
    requests_errors.StreamConsumedError: ConnectionLost,
    requests_errors.Timeout: TimedOut,
    requests_errors.ConnectTimeout: TimedOut,
    requests_errors.ReadTimeout: TimedOut,
    requests_errors.HTTPError: BadAnswer,
    requests_errors.TooManyRedirects: BadAnswer,
    requests_errors.InvalidJSONError: BadAnswer,
    requests_errors.JSONDecodeError: BadAnswer,
    requests_errors.ContentDecodingError: BadAnswer,
    requests_errors.InvalidHeader: BadAnswer,
    requests_errors.URLRequired: BadAnswer,
    requests_errors.MissingSchema: BadAnswer,
    requests_errors.InvalidSchema: BadAnswer,
    requests_errors.InvalidURL: BadAnswer,
    requests_errors.InvalidProxyURL: BadAnswer,
    # urllib3, where requests lets it through
    urllib3_errors.HTTPError: ConnectionLost,
    urllib3_errors.TimeoutError: TimedOut,
    urllib3_errors.ReadTimeoutError: TimedOut,
    urllib3_errors.DecodeError: BadAnswer,
    urllib3_errors.InvalidHeader: BadAnswer,
    urllib3_errors.HeaderParsingError: BadAnswer,
    urllib3_errors.BodyNotHttplibCompatible: BadAnswer,
    urllib3_errors.ResponseNotChunked: BadAnswer,
    urllib3_errors.ResponseError: BadAnswer,
    urllib3_errors.LocationValueError: BadAnswer,
    urllib3_errors.ProxySchemeUnsupported: BadAnswer,
    # the standard library, below both
    RemoteDisconnected: ConnectionLost,
    IncompleteRead: ConnectionLost,
    HTTPException: BadAnswer,
    TimeoutError: TimedOut,
    OSError: ConnectionLost,
}

LIBRARY_ERRORS = (
    requests_errors.RequestException,
    urllib3_errors.HTTPError,
    urllib3_errors.ProxySchemeUnsupported,
    HTTPException,
    OSError,
)
"""What a transport catches. Everything below these classes is mapped."""


def from_exception(error: BaseException, *, sent: bool, post: bool, instance: str) -> DownstreamError:
    """Turn a library's exception into one of ours.

    Args:
        error: one of `LIBRARY_ERRORS`.
        sent: the first byte of the request had left, or tried to.
        post: the request was a POST.
        instance: base URL of the instance.
    """
    causes = list(_causes(error))
    text = _text(causes)
    if not sent:
        return Unreachable(text, instance=instance)
    return _class_of(causes)(text, instance=instance, ambiguous=post)


def from_status(
    status: int, headers: Mapping[str, str], detail: str, *, post: bool, instance: str, now: datetime
) -> DownstreamError:
    """Turn a status that is no success into an error.

    Args:
        status: HTTP status, not 2xx.
        headers: the answer's, looked up case-insensitively by the caller's mapping.
        detail: from `detail_of`.
        post: the request was a POST.
        instance: base URL of the instance.
        now: for a Retry-After that names a date.
    """
    retry_after = _retry_after(headers.get("Retry-After"), now)
    if status == 429:
        return Throttled("answered 429, too many requests", instance=instance, ambiguous=post, retry_after=retry_after)
    if 400 <= status < 500:
        return Refused(status, detail, instance=instance, post=post)
    if 500 <= status < 600:
        return ServerFault(status, detail, instance=instance, ambiguous=post, retry_after=retry_after)
    return BadAnswer(f"answered {status}, which is neither success nor error", instance=instance, ambiguous=post)


def detail_of(body: bytes, *secrets: str) -> str:
    """Return what an error body says, as one short redacted line; "" for HTML and for nothing (DIALECTS.md 1.2)."""
    text = body[: 64 * 1024].decode("utf-8", "replace").strip()
    if text[:1] in ("{", "[", '"'):
        # Cut off, or not JSON after all: then the text itself says something.
        with contextlib.suppress(ValueError, RecursionError):
            text = _flat(json.loads(text))
    elif text.startswith("<"):
        return ""
    line = " ".join(redact(text, *secrets).split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _DETAIL_CHARACTERS else line[: _DETAIL_CHARACTERS - 1] + "…"


def _flat(value: object) -> str:
    """The part of an error document that is meant for people."""
    if isinstance(value, dict):
        for name in _DETAIL_FIELDS:
            if value.get(name):
                return _flat(value[name])
    return value if isinstance(value, str) else json.dumps(value)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what it wraps, outermost first: libraries wrap in arguments, `reason` and `__cause__`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]


def _class_of(causes: list[BaseException]) -> type[DownstreamError]:
    """The class of the outermost exception, made more precise by a time-out or by bad HTTP that it wraps."""
    found = [
        next((AFTER_SENDING[base] for base in type(cause).__mro__ if base in AFTER_SENDING), None) for cause in causes
    ]
    outer = found[0] or ConnectionLost
    if outer is ConnectionLost:
        return next((each for each in found if each in (TimedOut, BadAnswer)), outer)
    return outer


def _text(causes: list[BaseException]) -> str:
    """The innermost reason in words that hold nothing of the request."""
    for cause in reversed(causes):
        if isinstance(cause, TimeoutError | urllib3_errors.TimeoutError | requests_errors.Timeout) and not isinstance(
            cause, urllib3_errors.NewConnectionError
        ):
            return "no answer in time"
        words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
        if isinstance(words, str) and words:
            return words.lower()
    return _words(type(causes[-1]).__name__)


def _words(class_name: str) -> str:
    """RemoteDisconnected -> remote disconnected."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", class_name).lower()


def _retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), or None where it says nothing sensible."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), _LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter of a year, or an offset, of twenty digits
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST_RETRY_AFTER_SECONDS)
