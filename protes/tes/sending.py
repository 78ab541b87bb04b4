"""How transports send: nothing of the environment, no cookies, no redirects, nothing sent twice.

An adapter of requests and no session of it: a session has cookies, redirects and `~/.netrc` that it would have to be
kept from, and merges its settings into each request, some 15 % of the processor time of a GET.
"""

import logging
from collections.abc import Sequence

import requests

from protes.tes.error_mapping import LIBRARY_ERRORS

_log = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
"""How much of a body is read at a time."""


def prepared(
    method: str, url: str, query: Sequence[tuple[str, str]], headers: dict[str, str], data: bytes | None
) -> requests.PreparedRequest:
    """Return a request with these headers and that of the body's length, no others, and the query, encoded.

    Args:
        method: GET or POST.
        url: http or https, without a query.
        query: names and values, not encoded.
        headers: by name.
        data: the body.

    Raises:
        requests.RequestException: the URL, or a header, could not be sent.
    """
    request = requests.PreparedRequest()
    request.prepare(method, url, headers, params=list(query), data=data)
    return request


def error_body(response: requests.Response) -> bytes:
    """Return the beginning of an error's body: the status has said what matters, so nothing in the body can fail."""
    body = bytearray()
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) >= CHUNK_BYTES:
                break
    except LIBRARY_ERRORS as error:
        _log.debug("the body of a %s ended early: %s", response.status_code, type(error).__name__)
    return bytes(body)
