"""What an instance has done, on disk line by line: it survives `kill -9`, and a test counts by it."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A file that lines are appended to; a line is on disk when `append` returns. Safe under threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it where there is none; a line that a crash cut short is cut off."""
        self._path = path
        self._lock = threading.Lock()
        whole = path.read_bytes() if path.exists() else b""
        self._file = path.open("ab")
        self._file.truncate(whole.rfind(b"\n") + 1)

    def append(self, event: str, task_id: str, **more: Any) -> None:
        """Write what happened to a task."""
        line = json.dumps({"event": event, "id": task_id, **more}).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journal(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines that are whole, oldest first; also while the instance is at work."""
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
        yield json.loads(line)
