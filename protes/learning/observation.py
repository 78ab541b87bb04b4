"""What is learned from and what comes out: plain values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from middleware import Basis

Outcome = Literal["complete", "executor_error", "system_error", "canceled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One task as one instance ran it.

    Two observations that are equal in everything are one and the same: learning from it again changes nothing.

    Attributes:
        at: when it was seen to have ended, aware.
        instance_url: base URL of the instance.
        signature: its kind by `signature_of`.
        bucket: its class of resources by `bucket_of`.
        queue_seconds: how long it waited before it started, None where that is not known.
        run_seconds: how long it ran, None where that is not known; counted where it is complete only.
        output_bytes: size of all its outputs, None where that is not known; counted where it is complete only.
        outcome: how it ended; `system_error` is the instance's fault, `executor_error` the task's.
        predicted_wait: the wait predicted when it was sent, seconds, None where that is not known.
        queued: how many of our tasks waited there then.
        id: tells tasks that ended at the same time apart.
    """

    at: datetime
    instance_url: str
    signature: str
    bucket: str
    queue_seconds: float | None
    run_seconds: float | None
    output_bytes: int | None
    outcome: Outcome
    predicted_wait: float | None = None
    queued: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A learned figure with the interval it lies in in 80 of 100 cases.

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end.
        count: how many observations stand behind it, older ones counting less.
        basis: where it comes from.
    """

    value: float
    low: float
    high: float
    count: float
    basis: Basis = "learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wait as it is expected now.

    Attributes:
        seconds: the wait.
        interval: where it lies in 80 of 100 cases, None as long as too few predictions were seen to come true or not.
        count: how many waits there stand behind it, older ones counting less.
        basis: `learned` where anything is learned, else `configured`, else `default`.
    """

    seconds: float
    interval: tuple[float, float] | None
    count: float
    basis: Basis
