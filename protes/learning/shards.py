"""What is learned of one instance and of one kind of task, and how each is written as JSON."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protes.learning.observation import Observation, Outcome
from protes.learning.speeds import Fit
from protes.learning.windows import Sample, Window

ENDS = 128
RUNS = 128
WAITS = 48
BUCKETS = 16
KIND_RUNS = 32
ERRORS = 128

UNKNOWN = -1
"""Stands for a figure that was not seen; samples are compared, and None cannot be."""

OUTCOMES: Sequence[Outcome] = ("complete", "executor_error", "system_error", "canceled")

JsonObject = dict[str, Any]


@dataclass(eq=False, slots=True)
class InstanceShard:
    """What is learned of an instance.

    Attributes:
        url: its base URL.
        configured: time and value of the last configured speed that came with an observation.
        ends: (time, number, place in OUTCOMES).
        runs: (time, number, kind, run time in ms).
        waits: by class of resources, (time, number, wait in ms).
        fit: what all runs of all instances told of its speed when they were fitted last.
        cache: figures reckoned from windows, by name, each with the revision of its window.
    """

    url: str
    configured: tuple[int, float] | None = None
    ends: Window = field(default_factory=lambda: Window(ENDS))
    runs: Window = field(default_factory=lambda: Window(RUNS))
    waits: dict[str, Window] = field(default_factory=dict)
    fit: Fit | None = None
    cache: dict[str, tuple[int, Any]] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """When a task ended there last, microseconds since 1970."""
        return self.ends.newest

    def wait_window(self, bucket: str) -> Window:
        """Return the window of a class of resources; the class not seen for longest makes room for a new one."""
        if bucket not in self.waits:
            if len(self.waits) >= BUCKETS:
                oldest = min(self.waits, key=lambda each: (self.waits[each].newest, each))
                del self.waits[oldest]
                self.cache.pop("waits " + oldest, None)
            self.waits[bucket] = Window(WAITS)
        return self.waits[bucket]

    def to_json(self) -> JsonObject:
        """Write it."""
        return {
            "url": self.url,
            "configured": list(self.configured) if self.configured else None,
            "ends": [list(each) for each in self.ends.samples],
            "runs": [list(each) for each in self.runs.samples],
            "waits": {key: [list(each) for each in self.waits[key].samples] for key in sorted(self.waits)},
            "fit": [self.fit.speed, self.fit.weight, self.fit.variance, self.fit.at] if self.fit else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "InstanceShard":
        """Read what `to_json` wrote."""
        configured, fit = value["configured"], value["fit"]
        return cls(
            url=value["url"],
            configured=(int(configured[0]), float(configured[1])) if configured else None,
            ends=Window(ENDS, map(tuple, value["ends"])),
            runs=Window(RUNS, map(tuple, value["runs"])),
            waits={key: Window(WAITS, map(tuple, each)) for key, each in value["waits"].items()},
            fit=Fit(*fit) if fit else None,
        )


@dataclass(eq=False, slots=True)
class KindShard:
    """What is learned of a kind of task.

    Attributes:
        runs: (time, number, base URL of the instance, run time in ms, bytes of outputs or UNKNOWN).
        cache: figures reckoned from them, by name, each with the revision of what it was reckoned from.
    """

    runs: Window = field(default_factory=lambda: Window(KIND_RUNS))
    cache: dict[str, tuple[object, Any]] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """When such a task ended last, microseconds since 1970."""
        return self.runs.newest

    def to_json(self) -> JsonObject:
        """Write it; URLs stand once."""
        urls = sorted({sample[2] for sample in self.runs.samples})
        places = {url: place for place, url in enumerate(urls)}
        return {"urls": urls, "runs": [[at, n, places[url], *seen] for at, n, url, *seen in self.runs.samples]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "KindShard":
        """Read what `to_json` wrote."""
        urls = value["urls"]
        samples: list[Sample] = [(at, n, urls[place], *seen) for at, n, place, *seen in value["runs"]]
        return cls(Window(KIND_RUNS, samples))


@dataclass(eq=False, slots=True)
class ErrorShard:
    """How right predicted waits were, of all instances together.

    Attributes:
        free: (time, number, predicted wait in ms, actual wait in ms) where none of our tasks waited.
        crowded: the same where some did.
    """

    free: Window = field(default_factory=lambda: Window(ERRORS))
    crowded: Window = field(default_factory=lambda: Window(ERRORS))

    @property
    def newest(self) -> int:
        """When the last task ended that was compared, microseconds since 1970; 0 where none was."""
        return max(self.free.newest, self.crowded.newest)

    def to_json(self) -> JsonObject:
        """Write it; nothing where there is nothing."""
        windows = {"free": self.free, "crowded": self.crowded}
        return {name: [list(each) for each in window.samples] for name, window in windows.items() if window.samples}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ErrorShard":
        """Read what `to_json` wrote."""
        return cls(*(Window(ERRORS, map(tuple, value.get(name, ()))) for name in ("free", "crowded")))


def number_of(seen: Observation) -> int:
    """Return a number that tells observations of the same time apart, and is the same for the same one."""
    parts = (seen.id, seen.signature, seen.bucket, seen.queue_seconds, seen.run_seconds, seen.output_bytes)
    return zlib.crc32(repr(parts).encode("utf-8", "replace"))
