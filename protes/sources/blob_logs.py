"""Logs that are blobs: ga4gh-tes names their URLs where others have the text (DIALECTS.md 3.3); here they are read.

Only for instances that the operator names: elsewhere what stands in a log is written by whoever submitted the task, and
the gateway must not read with its own key whatever a stranger points at. Silence leaves the URLs; nothing here raises.
"""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware import Permission
from protes.clock import Clock
from protes.outbound.web import Silent, Trusted, Web
from protes.sources.signing import BlobSigner
from protes.tes.redaction import redact

logger = logging.getLogger(__name__)

DIALECT = "ga4gh-tes"
"""The one dialect whose logs are URLs."""

_READ: frozenset[Permission] = frozenset({"read"})
_TEXTS = ("stdout", "stderr")
_MOST_BLOBS = 20
_SIGNED_SECONDS = 300.0
_SHARE = 0.25
_MOST_IN_A_ROW_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LogSigner:
    """A signer and the ids of the instances whose logs it is for."""

    signer: BlobSigner
    instances: frozenset[str]


class BlobLogs:
    """Puts the content of blobs in place of their URLs. Safe under threads.

    Reading takes at most a quarter of the time that passes, and 10 s in a row, so that slow storage holds up nobody's
    state. What is not read then keeps its URLs for good, since a finished task does not change.
    """

    def __init__(
        self,
        signers: Sequence[LogSigner],
        web: Web,
        clock: Clock,
        seconds: float,
        in_a_row_seconds: float = _MOST_IN_A_ROW_SECONDS,
    ) -> None:
        """Read nothing yet; later the logs of one task for at most `seconds`, and all for `in_a_row_seconds`."""
        self._signers = tuple(each for each in signers if each.instances)
        self._web = web
        self._clock = clock
        self._seconds = seconds
        self._patience = _Patience(clock, in_a_row_seconds)

    def filled(self, instance_id: str, log: Mapping[str, Any], tail_bytes: int) -> dict[str, Any]:
        """Return a `tesTaskLog` of a ga4gh-tes with texts in place of the URLs of blobs, where they can be had.

        Args:
            instance_id: where it comes from.
            log: as it was read.
            tail_bytes: of a text at most, from its end.
        """
        signers = [each.signer for each in self._signers if instance_id in each.instances]
        until = self._clock.monotonic() + self._seconds
        executors = [dict(each) for each in log.get("logs") or ()]
        for executor in executors:
            for name in _TEXTS:
                urls = _urls(executor.get(name))
                if urls:
                    text = self._text(signers, urls, until, tail_bytes)
                    executor[name] = redact(executor[name]) if text is None else text
        return {**log, "logs": executors}

    def _text(self, signers: Sequence[BlobSigner], urls: Sequence[str], until: float, most: int) -> str | None:
        """What the blobs hold, one after the other; None where it cannot be had now."""
        by_url = {url: signer for url in urls for signer in signers if signer.covers(url)}
        began = self._clock.monotonic()
        if len(by_url) < len(set(urls)) or not self._patience.left() or began >= until:
            return None
        try:
            return self._joined([(by_url[url], url) for url in urls], until, most)
        except Silent as silent:
            logger.info("a log is not read: its blob server %s", silent)
            return None
        finally:
            self._patience.spend(self._clock.monotonic() - began)

    def _joined(self, blobs: Sequence[tuple[BlobSigner, str]], until: float, most: int) -> str:
        """Read from the end, as much as there is room for; a first line says what was left out.

        Raises:
            Silent: a blob cannot be read.
        """
        data, left_out = b"", 0
        for signer, url in reversed(blobs):
            size = self._size(signer, url, until)
            wanted = min(size, most - len(data))
            left_out += size - wanted
            if wanted:
                data = self._end_of(signer, url, size, wanted, until) + data
        if left_out:
            whole = _without_broken_start(data)
            return f"[{left_out + len(data) - len(whole)} bytes before this were left out]\n{_decoded(whole)}"
        return _decoded(data)

    def _size(self, signer: BlobSigner, url: str, until: float) -> int:
        answer = self._web.request("HEAD", _readable(signer, url), until=until, trusted=Trusted(signer.origin))
        text = answer.headers.get("content-length", "")
        if answer.status != 200 or not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Silent(f"answered {answer.status} to HEAD")
        return int(text)

    def _end_of(self, signer: BlobSigner, url: str, size: int, wanted: int, until: float) -> bytes:
        answer = self._web.request(
            "GET",
            _readable(signer, url),
            until=until,
            headers={"Range": f"bytes={size - wanted}-{size - 1}"},
            trusted=Trusted(signer.origin),
            most_bytes=wanted,
        )
        if answer.status not in (200, 206) or len(answer.body) != wanted:
            raise Silent(f"answered {answer.status} with {len(answer.body)} bytes")
        return answer.body


class _Patience:
    """How much longer may be waited: a share of the time that passes, saved up to a bound. Safe under threads."""

    def __init__(self, clock: Clock, most_seconds: float) -> None:
        self._clock = clock
        self._most = most_seconds
        self._saved = most_seconds
        self._seen_at = clock.monotonic()
        self._lock = threading.Lock()

    def left(self) -> bool:
        """Tell whether there is any."""
        with self._lock:
            now = self._clock.monotonic()
            self._saved = min(self._most, self._saved + _SHARE * (now - self._seen_at))
            self._seen_at = now
            return self._saved > 0

    def spend(self, seconds: float) -> None:
        """Take what was waited."""
        with self._lock:
            self._saved -= seconds


def _urls(text: object) -> list[str]:
    """The URLs of blobs that a log consists of, without queries; none where it is a text."""
    if not isinstance(text, str) or not text.lstrip().startswith("["):
        return []
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_BLOBS:
        return []
    if not all(isinstance(each, str) and each.startswith(("https://", "http://")) for each in listed):
        return []
    return [each.partition("?")[0] for each in listed]


def _readable(signer: BlobSigner, url: str) -> str:
    signed = signer.signed(url, _READ, _SIGNED_SECONDS)
    if signed is None:
        raise Silent("is not the signer's")
    return signed


def _without_broken_start(data: bytes) -> bytes:
    """Drop what is left of a character that was cut."""
    start = next((index for index, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
    return data[start:]


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")
