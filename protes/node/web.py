"""Inputs from and outputs to `http(s)://` URLs."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from protes.clock import Clock
from protes.node.errors import TaskFailed

_CONNECT_SECONDS, _SILENCE_SECONDS, _TOTAL_SECONDS = 10.0, 20.0, 3600.0
_CHUNK_BYTES = 1 << 20


class Web:
    """Downloads and uploads with deadlines.

    Raises, from all methods:
        TaskFailed: the transfer failed; the text says why, without credentials of the URL.
        OSError: the file cannot be read or written.
    """

    def __init__(self, clock: Clock, go_on: Callable[[], None]) -> None:
        """Transfer until `go_on`, which is called between chunks, raises."""
        self._clock = clock
        self._go_on = go_on

    def download(self, url: str, target: Path) -> None:
        """Write the body of a GET to a file."""
        until = self._clock.monotonic() + _TOTAL_SECONDS
        try:
            with self._call("GET", url, stream=True) as answer, target.open("wb") as file:
                # What has come, not a whole chunk: else a server that drips is never interrupted.
                while chunk := answer.raw.read1(_CHUNK_BYTES):
                    self._check(until)
                    file.write(chunk)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TaskFailed(f"cannot download {shown(url)}: {_reason(error)}") from None

    def upload(self, source: Path, url: str) -> int:
        """PUT a file; return its size in bytes."""
        until = self._clock.monotonic() + _TOTAL_SECONDS
        try:
            with source.open("rb") as file:
                size = source.stat().st_size
                body = _Reader(file.read, size, lambda: self._check(until)) if size else b""
                self._call("PUT", url, data=body, allow_redirects=False).close()
        except requests.RequestException as error:
            raise TaskFailed(f"cannot upload to {shown(url)}: {_reason(error)}") from None
        return size

    def _call(self, method: str, url: str, **options: Any) -> requests.Response:
        answer = requests.request(
            method,
            url,
            headers={"Accept-Encoding": "identity"},
            timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS),
            auth=_as_it_is,
            **options,
        )
        if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            answer.close()
            verb = "download" if method == "GET" else "upload to"
            raise TaskFailed(f"cannot {verb} {shown(url)}: HTTP status {answer.status_code}")
        return answer

    def _check(self, until: float) -> None:
        self._go_on()
        if self._clock.monotonic() > until:
            raise TaskFailed(f"a transfer took longer than {_TOTAL_SECONDS:g} s")


class _Reader:
    """A request body that is read in chunks, with a length that can be told beforehand."""

    def __init__(self, read: Callable[[int], bytes], size: int, check: Callable[[], None]) -> None:
        self._read = read
        self._size = size
        self._check = check

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        self._check()
        return self._read(size)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials but those of the URL: without this, requests adds those of the node user's netrc file."""
    return request


def shown(url: str) -> str:
    """Return a URL without user, password and query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _reason(error: Exception) -> str:
    match error:
        case requests.ConnectTimeout() | requests.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
            return "the server does not answer"
        case requests.exceptions.SSLError():
            return "the server's certificate cannot be verified"
        case requests.ConnectionError() | urllib3.exceptions.ProtocolError():
            return "no connection, or it broke off"
        case _:
            return type(error).__name__
