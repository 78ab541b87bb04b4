"""The error tree, and the one place where libraries' exceptions and statuses become part of it."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected

import pytest
import requests.exceptions
import urllib3.exceptions
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from protes.tes import errors
from protes.tes.error_mapping import AFTER_SENDING, LIBRARY_ERRORS, detail_of, from_exception, from_status
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    NotSent,
    Refused,
    ServerFault,
    TaskMissing,
    Throttled,
    TimedOut,
    Unreachable,
)
from protes.tes.redaction import redact

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
WHERE = "https://tes.example.org/v1"


def library_exceptions() -> list[type[Exception]]:
    found = [
        each
        for module in (requests.exceptions, urllib3.exceptions)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception) and not issubclass(each, Warning)
    ]
    return [each for each in dict.fromkeys(found) if each.__module__.startswith(("requests", "urllib3"))]


@pytest.mark.parametrize("kind", library_exceptions(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_exception_of_the_libraries_is_unmapped(kind: type[Exception]) -> None:
    assert issubclass(kind, LIBRARY_ERRORS), "a transport would let it through"
    assert any(base in AFTER_SENDING for base in kind.__mro__)
    if kind.__module__.startswith("requests"):
        assert kind in AFTER_SENDING, "each of requests' own is decided by itself"
    error = kind.__new__(kind)
    sent = from_exception(error, sent=True, post=True, instance=WHERE)
    assert sent.ambiguous
    assert sent.instance == WHERE
    assert sent.text
    unsent = from_exception(error, sent=False, post=True, instance=WHERE)
    assert isinstance(unsent, Unreachable)
    assert not unsent.ambiguous
    assert not from_exception(error, sent=True, post=False, instance=WHERE).ambiguous


def test_the_docstring_draws_the_whole_tree() -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DownstreamError)]
    drawing = errors.__doc__ or ""
    assert [each.__name__ for each in classes if each.__name__ not in drawing] == []


def test_a_cause_makes_a_lost_connection_more_precise() -> None:
    pool = None
    wrapped: dict[type[DownstreamError], Exception] = {
        TimedOut: requests.exceptions.ConnectionError(ReadTimeoutError(pool, "/", "late")),  # type: ignore[arg-type]
        ConnectionLost: requests.exceptions.ConnectionError(ProtocolError("gone", RemoteDisconnected("closed"))),
        BadAnswer: requests.exceptions.ConnectionError(ProtocolError("odd", BadStatusLine("SSH-2.0"))),
    }
    for expected, error in wrapped.items():
        assert type(from_exception(error, sent=True, post=False, instance="")) is expected
    cut = requests.exceptions.ChunkedEncodingError(ProtocolError("cut", IncompleteRead(b"half")))
    assert type(from_exception(cut, sent=True, post=False, instance="")) is ConnectionLost
    slow_send = requests.exceptions.ConnectionError(ProtocolError("aborted", TimeoutError("timed out")))
    assert type(from_exception(slow_send, sent=True, post=True, instance="")) is TimedOut


def test_texts_say_why_and_quote_nothing() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = NewConnectionError(None, "https://user:hunter2@host failed")  # type: ignore[arg-type]
    wrapped.__cause__ = refused
    error = from_exception(requests.exceptions.ConnectionError(wrapped), sent=False, post=False, instance=WHERE)
    assert str(error) == f"{WHERE}: connection refused"
    header = requests.exceptions.InvalidHeader("Invalid header 'Bearer hunter2'")
    assert "hunter2" not in str(from_exception(header, sent=False, post=False, instance=WHERE))


@pytest.mark.parametrize("status", range(400, 600))
def test_only_the_listed_statuses_prove_that_nothing_was_created(status: int) -> None:
    error = from_status(status, {}, "", post=True, instance=WHERE, now=NOW)
    assert error.ambiguous == (status not in {400, 401, 403, 404, 405, 413, 415, 422})
    assert not from_status(status, {}, "", post=False, instance=WHERE, now=NOW).ambiguous
    expected = Throttled if status == 429 else Refused if status < 500 else ServerFault
    assert type(error) is expected
    assert error.retryable == (status >= 500 or status in {408, 409, 425, 429, 499})


@pytest.mark.parametrize("status", [100, 204 + 100, 301, 999])
def test_other_statuses_are_bad_answers(status: int) -> None:
    error = from_status(status, {}, "", post=True, instance=WHERE, now=NOW)
    assert type(error) is BadAnswer
    assert error.ambiguous


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 01 May 2024 12:01:30 GMT", 90.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("999999999", 86400.0),
        ("-5", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    for status, kind in ((429, Throttled), (503, ServerFault)):
        error = from_status(status, {"Retry-After": value}, "", post=False, instance=WHERE, now=NOW)
        assert isinstance(error, kind)
        assert getattr(error, "retry_after") == seconds  # noqa: B009 - both kinds have it


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"error": "task not found"}', "task not found"),
        (b'{"detail": [{"msg": "field required"}]}', '[{"msg": "field required"}]'),
        (b'{"errors": {"detail": "no"}}', "no"),
        (b'{"timestamp": 1, "status": 400, "messages": ["a", "b"]}', '["a", "b"]'),
        (b'"Invalid ID"', "Invalid ID"),
        (b"Invalid\r\n ID\x00", "Invalid ID?"),
        (b"<html>secret stack trace</html>", ""),
        (b"", ""),
        (b'{"error": ', '{"error":'),
        (b"[" * 5000, "[" * 299 + "…"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error": "x", "detail": null}', "x"),
    ],
)
def test_what_an_error_body_says(body: bytes, detail: str) -> None:
    assert detail_of(body) == detail


@pytest.mark.parametrize(
    "text",
    [
        "cannot fetch ftp://user:hunter2@host/x",
        "https://a.blob.core.windows.net/c?sv=1&sig=hunter2&se=2",
        "X-Amz-Signature=hunter2",
        "Authorization: Bearer hunter2.abc-def",
        "got Basic aHVudGVyMg== instead",
        'wrong {"password": "hunter2"}',
        "hunter2 is not right",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    masked = redact(text, "hunter2", "")
    assert "hunter2" not in masked
    assert "aHVudGVyMg" not in masked
    assert "***" in masked


def test_plain_text_stays_as_it_is() -> None:
    text = "executors[0].image: must name an image, see https://example.org/a?b=c (token missing)"
    assert redact(text) == text


def test_some_errors_are_never_ambiguous() -> None:
    for error in (NotSent("x", ambiguous=True), Unreachable("x", ambiguous=True), TaskMissing()):
        assert not error.ambiguous
    assert not TaskMissing().retryable
