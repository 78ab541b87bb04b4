"""How a request arrives, byte by byte: when a thread may take it up, and when it has taken too long. Pure.

A request occupies no thread before its head is complete, and its body too where that is small. So clients that send
slowly, by mistake or on purpose, hold a connection and some bytes of memory, each for a bounded time, and nothing else.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_LARGE = re.compile(rb"\r\n(?:transfer-encoding|expect)[ \t]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may take its time for.

    Attributes:
        head_seconds: its request line and headers must be there within this.
        head_bytes: and be no larger than this.
        held_bytes: a body that is no larger is awaited without a thread.
        body_bytes_per_second: slower than this a body may not come, on average,
        grace_seconds: after this time.
        large_wait_seconds: one that is larger waits for a thread no longer than this.
        stall_seconds: an answer of which it takes nothing for so long is given up.
    """

    head_seconds: float = 15.0
    head_bytes: int = 64 * 1024
    held_bytes: int = 64 * 1024
    body_bytes_per_second: float = 32 * 1024.0
    grace_seconds: float = 10.0
    large_wait_seconds: float = 30.0
    stall_seconds: float = 30.0


class Verdict(Enum):
    """How things stand with a request."""

    MORE = auto()
    """More of it is awaited."""
    READY = auto()
    """All of it is there."""
    LARGE = auto()
    """Its head is there, and the body, which is large or of a length that nobody knows, is to be read by a thread."""
    TOO_LARGE = auto()
    """Its head is too large."""


class Arrival:
    """One request on its way in."""

    def __init__(self, bounds: Bounds, now: float, data: bytes = b"") -> None:
        """Await a request within `bounds`, from monotonic time `now` on; `data` of it is there already."""
        self._bounds = bounds
        self._data = bytearray()
        self._needed: int | None = None
        self.deadline = now + bounds.head_seconds
        self.verdict = Verdict.MORE
        if data:
            self.add(data, now)

    @property
    def data(self) -> bytes:
        """What has arrived."""
        return bytes(self._data)

    def add(self, data: bytes, now: float) -> Verdict:
        """Take in what came at monotonic time `now`; return how things stand."""
        searched = max(0, len(self._data) - len(_END) + 1)
        self._data += data
        if self._needed is None and self.verdict is Verdict.MORE:
            end = self._data.find(_END, searched)
            if end >= 0:
                self._read_head(end + len(_END), now)
            elif len(self._data) > self._bounds.head_bytes:
                self.verdict = Verdict.TOO_LARGE
        if self._needed is not None and len(self._data) >= self._needed and self.verdict is Verdict.MORE:
            self.verdict = Verdict.READY
        return self.verdict

    def _read_head(self, size: int, now: float) -> None:
        if size > self._bounds.head_bytes:
            self.verdict = Verdict.TOO_LARGE
            return
        head = bytes(self._data[:size])
        lengths = [int(each) for each in _LENGTH.findall(head)]
        if _LARGE.search(head) or max(lengths, default=0) > self._bounds.held_bytes:
            self.verdict = Verdict.LARGE
            return
        # Of several lengths, which the parser refuses, the first will do to get there.
        length = lengths[0] if lengths else 0
        self._needed = size + length
        self.deadline = now + self._bounds.grace_seconds + length / self._bounds.body_bytes_per_second
