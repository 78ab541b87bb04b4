"""Where the worker processes of one server share their figures: a folder that is made before the first is forked.

A lock says whether a folder is in use, and the system gives it back however its holders end: whoever starts next clears
away what a server left behind that was killed.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""What prometheus-client reads; an operator who sets it looks after the folder."""

_PREFIX, _LOCK = "protes-metrics-", "in-use"
_MAKING = ".making-"


class Unshared(Exception):
    """The folder cannot be made; the text says why, and what to do."""


@contextmanager
def shared(environ: MutableMapping[str, str], parent: str | None, *, wanted: bool) -> Iterator[None]:
    """Name a folder of its own in `environ` while the block lasts, and remove it afterwards.

    Args:
        environ: the process's environment; its children have what is in it.
        parent: where to make the folder; None: where temporary files are.
        wanted: do nothing where it is not, nor where the environment names one already.

    Raises:
        Unshared: it cannot be made.
    """
    if not wanted or environ.get(VARIABLE):
        yield
        return
    try:
        base = Path(parent or tempfile.gettempdir())
        base.mkdir(parents=True, exist_ok=True)
        _clear(base)
        made = Path(tempfile.mkdtemp(prefix=_MAKING, dir=base))
    except OSError as problem:
        text = (
            f"worker processes cannot share their figures: {problem}; set metrics.directory, or metrics.enabled to no"
        )
        raise Unshared(text) from None
    owner = os.getpid()
    with (made / _LOCK).open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = made.rename(base / (_PREFIX + made.name.removeprefix(_MAKING)))  # only now it is found by others
        environ[VARIABLE] = str(folder)
        try:
            yield
        finally:
            if os.getpid() == owner:  # a child comes by here too when it ends
                del environ[VARIABLE]
                shutil.rmtree(folder, ignore_errors=True)


def forget_process(pid: int) -> None:
    """Have the gauges of a process that has ended count no longer; for who started it."""
    for file in Path(os.environ[VARIABLE]).glob(f"gauge_live*_{pid}.db") if os.environ.get(VARIABLE) else ():
        file.unlink(missing_ok=True)


def _clear(base: Path) -> None:
    """Remove the folders that nobody uses any more."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / _LOCK).open("r+", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
