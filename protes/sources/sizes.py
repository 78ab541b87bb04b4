"""Sizes of http(s) inputs, by HEAD; where a server does not take that, by asking for the first byte."""

import re

from protes.outbound.web import Silent, Web, WebAnswer

_NO_HEAD = frozenset({400, 403, 404, 405, 501})
_RANGE = re.compile(r"bytes 0-0/([0-9]{1,18})")


def http_size(web: Web, url: str, until: float) -> int | None:
    """Return how many bytes a URL has; None where its server does not say.

    Raises:
        Silent: the server says nothing that can be used.
    """
    answer = web.request("HEAD", url, until=until)
    if answer.status == 200:
        found = _length(answer)
        if found is not None:
            return found
    elif answer.status not in _NO_HEAD:
        raise Silent(f"answered {answer.status}")
    # A URL that is signed for GET refuses HEAD.
    answer = web.request("GET", url, until=until, headers={"Range": "bytes=0-0"}, most_bytes=64 * 1024)
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    return int(match.group(1)) if answer.status == 206 and match else None


def _length(answer: WebAnswer) -> int | None:
    text = answer.headers.get("content-length", "")
    if "content-encoding" in answer.headers and answer.headers["content-encoding"] != "identity":
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
