"""Windows: the newest so many samples of something.

A window is the greatest elements of a set, so the order in which samples come does not matter, and a sample that comes
twice counts once. That is what makes folding safe to repeat after a crash.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

Sample = tuple[Any, ...]
"""Time in microseconds since 1970, a number that tells samples of the same time apart, then whatever was seen."""


class Window:
    """The `size` newest samples, oldest first."""

    __slots__ = ("revision", "samples", "size")

    def __init__(self, size: int, samples: Iterable[Sample] = ()) -> None:
        """Hold what `samples` (ascending, at most `size`) has."""
        self.size = size
        self.samples = list(samples)
        self.revision = 0

    def add(self, sample: Sample) -> bool:
        """Add a sample; return False where it was there or is too old."""
        samples = self.samples
        place = bisect_left(samples, sample)
        if place < len(samples) and samples[place] == sample:
            return False
        if len(samples) >= self.size:
            if place == 0:
                return False
            # A new list: whoever reads the old one meanwhile reads a whole one.
            self.samples = [*samples[1:place], sample, *samples[place:]]
        else:
            self.samples = [*samples[:place], sample, *samples[place:]]
        self.revision += 1
        return True

    @property
    def newest(self) -> int:
        """Time of the newest sample; 0 where there is none."""
        return int(self.samples[-1][0]) if self.samples else 0

    def weights(self, half_life: float) -> list[float]:
        """Weights of the samples as of the newest; `half_life` in microseconds."""
        newest = self.newest
        return [0.5 ** ((newest - sample[0]) / half_life) for sample in self.samples]
