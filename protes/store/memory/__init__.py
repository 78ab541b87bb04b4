"""Stores in memory: for trying out and for tests, lost at exit, seen by one process.

They obey the same contract suite as the others, so that a test may use them in the place of a real one. Values are
copied on their way in and out, as a disk would do.
"""

from protes.store.memory.records import MemoryRecords
from protes.store.memory.tasks import MemoryTaskStore

__all__ = ["MemoryRecords", "MemoryTaskStore"]
