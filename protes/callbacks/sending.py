"""One webhook: the POST, and what its answer means."""

import email.utils
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from protes.callbacks.outbox import Pending
from protes.callbacks.signing import headers
from protes.clock import Clock, rfc3339
from protes.events.selection import Selection
from protes.events.streaming import task_document
from protes.outbound.web import Silent, Web, WebAnswer

_LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a POST.

    Attributes:
        error: why it is to be repeated, for people; None: the receiver has it.
        gone: the receiver wants no more.
        wait_seconds: it asked not to be called again before.
        answered: the receiver's host is there, whatever it said of this event.
    """

    error: str | None = None
    gone: bool = False
    wait_seconds: float = 0.0
    answered: bool = True


class Sender:
    """Sends webhooks, each once. Safe under threads."""

    def __init__(
        self,
        web: Web,
        keys: Sequence[SecretStr],
        clock: Clock,
        seconds: float,
        all_states: bool,
        allowed: Callable[[str], None],
    ) -> None:
        """Send through `web`, signed with `keys`, within `seconds` each.

        `allowed` raises ValueError for a URL that may not be called any more.
        """
        self._web = web
        self._keys = keys
        self._clock = clock
        self._seconds = seconds
        self._eyes = Selection(all_states=all_states)
        self._allowed = allowed

    def state(self, pending: Pending) -> str:
        """Return the state that the receiver is told."""
        return str(self._eyes.seen_state(pending.event))

    def send(self, pending: Pending) -> Sent:
        """POST an event and return what became of it."""
        try:
            self._allowed(pending.url)
        except ValueError as problem:
            return Sent(f"not sent: {problem}")
        now = self._clock.now()
        body = self._body(pending)
        signed = headers(pending.event_id, int(now.timestamp()), body, self._keys)
        try:
            answer = self._web.request(
                "POST",
                pending.url,
                until=self._clock.monotonic() + self._seconds,
                headers={**signed, "Content-Type": "application/json"},
                body=body,
                most_bytes=None,
            )
        except Silent as problem:
            return Sent(f"the receiver could not be asked: {problem}", answered=False)
        return _meaning(answer, now)

    def _body(self, pending: Pending) -> bytes:
        state = self._eyes.seen_state(pending.event)
        assert state is not None  # noqa: S101 - removals are not sent
        document = {
            "type": "task",
            "timestamp": rfc3339(pending.event.at),
            "data": task_document(pending.event, state),
        }
        return json.dumps(document, separators=(",", ":")).encode("ascii")


def _meaning(answer: WebAnswer, now: datetime) -> Sent:
    if 200 <= answer.status < 300:
        return Sent()
    text = f"the receiver answered {answer.status}"
    if answer.status == 410:
        return Sent(f"{text}: it wants no more of them", gone=True)
    if 300 <= answer.status < 400:
        return Sent(f"{text}: redirects are not followed")
    return Sent(text, wait_seconds=_retry_after(answer, now), answered=answer.status < 500 and answer.status != 429)


def _retry_after(answer: WebAnswer, now: datetime) -> float:
    """Return how long the receiver asks us to wait (RFC 9110, section 10.2.3), within reason; 0 where it does not."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_SECONDS)
    try:
        seconds = (email.utils.parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST_WAIT_SECONDS)
