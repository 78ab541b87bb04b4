"""Requests as a scripted server reads them from a connection."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    Attributes:
        method: Upper-case HTTP method.
        target: Path and query exactly as sent, percent-encoding untouched.
        path: The target without its query, percent-encoding untouched.
        query: Decoded query parameters, every value of each in order.
        headers: Case-insensitive; repeated headers are joined by ", ".
        body: The whole body, chunked encoding removed.
        params: What the placeholders of the matching route's pattern stood for, percent-decoded.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: CaseInsensitiveDict[str]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; raises ValueError if it is none."""
        return json.loads(self.body)


def read_request(reader: io.BufferedReader) -> Request | None:
    """The next request of a connection; None at its end.

    Raises:
        ValueError, http.client.HTTPException: What arrives is no HTTP request.
    """
    first = reader.peek(1)[:1]
    if first and not first.isalpha():
        # Such as a TLS handshake, in which the end of a line may never come.
        reader.read1()
        raise ValueError("no HTTP")
    line = reader.readline(65537).decode("latin-1").strip()
    if not line:
        return None
    method, target, _ = line.split(" ")
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in http.client.parse_headers(reader).items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
    body = _read_chunks(reader) if chunked else reader.read(int(headers.get("Content-Length", "0")))
    # Only "?" is looked for: urlsplit would read a path that starts with "//" as a host.
    path, _, query = target.partition("?") if target.startswith("/") else (urlsplit(target).path, "", "")
    values = {name: tuple(found) for name, found in parse_qs(query, keep_blank_values=True).items()}
    return Request(method, target, path, values, headers, body)


def _read_chunks(reader: io.BufferedReader) -> bytes:
    body = bytearray()
    while size := int(reader.readline().split(b";")[0], 16):
        body += reader.read(size)
        reader.readline()
    while reader.readline().strip():
        pass
    return bytes(body)
