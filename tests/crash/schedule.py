"""What befalls the system when: pure, the same for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One fault.

    Attributes:
        at: seconds after the load has begun.
        kind: name of the fault, see `tests.crash.faults`.
        choice: picks one of what the fault may befall.
    """

    at: float
    kind: str
    choice: int


def schedule(seed: int, kinds: Sequence[str], seconds: float, times: int = 1) -> Sequence[Event]:
    """Return every kind of fault `times` times, each at a random moment of its share of `seconds`, in order of time.

    The shares are dealt out at random: over the seeds each order of faults comes about, and no two are at once.
    """
    chance = random.Random(seed)
    dealt = [kind for kind in kinds for _ in range(times)]
    chance.shuffle(dealt)
    share = seconds / max(1, len(dealt))
    moments = (share * (number + chance.uniform(0.1, 0.9)) for number in range(len(dealt)))
    return [Event(at, kind, chance.randrange(1_000_000)) for at, kind in zip(moments, dealt, strict=True)]
