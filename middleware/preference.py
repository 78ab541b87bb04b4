"""What a client wants of the choice, and the grammar of the weight (DESIGN.md section 6)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["WEIGHT_ONE", "InstanceChoice", "Money", "Preference", "Weight", "parse_weight"]

WEIGHT_ONE = 1_000_000
"""The weight 1 (runtime alone) in the millionths that all reckoning uses."""

_ALLOWED = "a weight is 0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random"
_NUMBER = re.compile(r"0|1|1\.0|0\.[0-9]{1,6}")

Mode = Literal["weight", "random"]


@dataclass(frozen=True, slots=True)
class Weight:
    """A parsed weight: cost (0) against runtime (1), or `random`; `str` gives its shortest spelling."""

    mode: Mode
    millionths: int | None
    """0 to 1,000,000; None for `random`."""

    def __str__(self) -> str:
        if self.millionths is None:
            return "random"
        whole, rest = divmod(self.millionths, WEIGHT_ONE)
        return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def parse_weight(text: str) -> Weight:
    """Read a weight as it stands in a tag, a header or a URL.

    Args:
        text: `0`, `1`, `1.0`, `0.` and 1 to 6 digits, `cost` (0), `time` (1) or `random`; nothing else.

    Raises:
        ValueError: It is none of these; the message says what is allowed and does not repeat the text.
    """
    if text == "random":
        return Weight("random", None)
    if text == "cost":
        return Weight("weight", 0)
    if text == "time":
        return Weight("weight", WEIGHT_ONE)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(_ALLOWED)
    whole, _, digits = text.partition(".")
    return Weight("weight", int(whole) * WEIGHT_ONE + int(digits.ljust(6, "0")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount of money."""

    amount: Decimal
    currency: str
    """ISO 4217 code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceChoice:
    """The client's own choice among the known instances (`protes.instances`)."""

    type: Literal["order", "allow", "forbid"]
    """`order`: these first, in this order, the others after them; `allow`: only these; `forbid`: none of these."""
    instances: tuple[str, ...]
    """Ids or base URLs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The effective preference of a task (DESIGN.md section 6: tag > backend parameter > header > URL > defaults)."""

    mode: Mode = "weight"
    """`random` asks for any order; the weight then says nothing."""
    weight_millionths: int | None = None
    """Cost (0) against runtime (1,000,000); None leaves it to the ranker's setting."""
    runtime_seconds: int | None = None
    """Expected run time at reference speed, seconds (`protes.runtime_seconds`)."""
    allowed_zones: tuple[str, ...] = ()
    """Where the task may run: `cloud:region` or country codes; empty means anywhere."""
    value_of_time: Money | None = None
    """What an hour is worth: an absolute alternative to the weight, which then says nothing."""
    max_cost: Money | None = None
    """Plans that cost more are out."""
    deadline_seconds: int | None = None
    """Plans that take longer, in seconds from now, are out."""
    affinity: str | None = None
    """Name under which tasks are kept together at one instance (`protes.affinity`)."""
    instances: InstanceChoice | None = None
    """The client's own choice."""
    carrier: str = "default"
    """What brought the weight, such as `tag`, `header`, `url` or `default`; for explanations."""

    def __post_init__(self) -> None:
        weight = self.weight_millionths
        if weight is not None and not 0 <= weight <= WEIGHT_ONE:
            raise ValueError(f"weight_millionths must be 0 to {WEIGHT_ONE}")
