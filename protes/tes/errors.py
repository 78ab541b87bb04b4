"""What can go wrong between the gateway and an instance (DESIGN.md section 5, "Downstream client").

    DownstreamError        retryable  ambiguous (of a POST)
    ├── NotSent            yes        never   the deadline passed before the first byte left
    ├── Unreachable        yes        never   no connection: refused, no such host, TLS, an address that is none
    ├── TimedOut           yes        yes     no complete answer in time
    ├── ConnectionLost     yes        yes     closed or reset before the answer was complete
    ├── Throttled          yes        yes     429
    ├── Refused            some       some    any other 4xx
    ├── ServerFault        yes        yes     5xx
    ├── BadAnswer          yes        yes     not HTTP, not JSON, too big, a redirect, or not what was asked for
    ├── TokenEnded         no         never   the token of the task's caller is over
    │   └── TokenRefused   no         never   it is not, and the instance answers it with 401
    ├── TokenUnreadable    yes        never   the token of the task's caller cannot be decrypted here and now
    └── TaskMissing        no         never   the instance says that it has no such task

`retryable` means that asking the same later may help; it never allows a second POST /tasks. `ambiguous` means that the
instance may have created the task although no id arrived (DIALECTS.md 2.3 rule 2); it is False for every GET.
Libraries' exceptions and statuses become these in `error_mapping.py` and nowhere else.
"""

from typing import ClassVar

_LOOP_DETECTED = 508
NOT_CREATED = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
"""Statuses after which it is certain that POST /tasks created nothing (DIALECTS.md 2.3 rule 2)."""

_PASSING = frozenset({408, 409, 425, 499})
"""4xx that speak of the moment, not of the request."""


class DownstreamError(Exception):
    """An instance did not do, or did not answer, what it was asked.

    Attributes:
        text: one short line for people, without secrets.
        instance: base URL of the instance.
        retryable: whether asking the same later may help.
        ambiguous: for a POST: whether the instance may have acted nevertheless.
        gateway_id: id of the protes whose answer this is, None where it is none.
        in_callers_name: the instance answered a request that showed the token of a task's caller.
    """

    never_ambiguous: ClassVar[bool] = False

    def __init__(self, text: str, *, instance: str = "", ambiguous: bool = False, retryable: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.instance = instance
        self.retryable = retryable
        self.ambiguous = ambiguous and not self.never_ambiguous
        self.gateway_id: str | None = None
        self.in_callers_name = False

    def __str__(self) -> str:
        return f"{self.instance}: {self.text}" if self.instance else self.text


class NotSent(DownstreamError):
    """The deadline for sending passed before the first byte left; the instance knows nothing."""

    never_ambiguous = True


class Unreachable(DownstreamError):
    """No connection came about, so nothing was sent."""

    never_ambiguous = True


class TimedOut(DownstreamError):
    """The request was sent and no complete answer came within the time for silence or the time in total."""


class ConnectionLost(DownstreamError):
    """The request was sent and the connection ended before the answer was complete."""


class Throttled(DownstreamError):
    """429. `retry_after` is what the instance asks for, in seconds, if it does."""

    def __init__(
        self, text: str, *, instance: str = "", ambiguous: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(text, instance=instance, ambiguous=ambiguous)
        self.retry_after = retry_after


class Refused(DownstreamError):
    """A 4xx: `status`, and in `detail` what the instance says about it, shortened and redacted.

    Of a token server `oauth_error` is its word for why (RFC 6749, 5.2).

    Of a POST it is ambiguous unless the status is one of `NOT_CREATED`.
    """

    def __init__(self, status: int, detail: str = "", *, instance: str = "", post: bool = False) -> None:
        text = f"refused with {status}" + (f": {detail}" if detail else "")
        ambiguous = post and status not in NOT_CREATED
        super().__init__(text, instance=instance, ambiguous=ambiguous, retryable=status in _PASSING)
        self.status = status
        self.detail = detail
        self.oauth_error = ""


class ServerFault(DownstreamError):
    """A 5xx. `retry_after` is what the instance asks for, in seconds, if it does."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        instance: str = "",
        ambiguous: bool = False,
        retry_after: float | None = None,
    ) -> None:
        text = f"failed with {status}" + (f": {detail}" if detail else "")
        super().__init__(text, instance=instance, ambiguous=ambiguous)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class BadAnswer(DownstreamError):
    """An answer that cannot be used. `too_big`: it was cut because it passed the cap."""

    def __init__(self, text: str, *, instance: str = "", ambiguous: bool = False, too_big: bool = False) -> None:
        super().__init__(text, instance=instance, ambiguous=ambiguous)
        self.too_big = too_big


class TokenEnded(DownstreamError):
    """The instance wants the token of the task's caller, and that is over.

    It speaks of one caller, not of the instance, and nothing was done.
    """

    never_ambiguous = True

    def __init__(self, text: str, *, instance: str = "") -> None:
        super().__init__(text, instance=instance, retryable=False)


class TokenRefused(TokenEnded):
    """The instance answered 401 to the token of the task's caller, whose time is not over as far as it says.

    The token may have been taken back, or the instance may have lost, for now, what it checks tokens with: for a task
    that it runs already, only time tells.
    """


class TokenUnreadable(DownstreamError):
    """The instance wants the token of the task's caller, or one that is got for it, which is not to be had for now.

    This process lacks the key that it is encrypted with, the token server does not answer, or the instance has just
    refused a token that can be renewed. It speaks neither of the caller nor of the instance, and nothing was done.
    """

    never_ambiguous = True


class TaskMissing(DownstreamError):
    """The instance says that it has no such task.

    One such answer proves little (a proxy, a changed base path or other credentials say the same): DIALECTS.md 2.4
    rule 7 asks for several and for a new probe before the task counts as lost.
    """

    never_ambiguous = True

    def __init__(self, text: str = "has no such task", *, instance: str = "") -> None:
        super().__init__(text, instance=instance, retryable=False)


def is_loop(error: DownstreamError) -> bool:
    """Tell whether a gateway refused a task that it has sent on before (508, DESIGN.md section 4)."""
    return isinstance(error, ServerFault) and error.status == _LOOP_DETECTED
