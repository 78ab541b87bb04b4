"""What executes jobs: threads here, Celery there (DESIGN.md section 5, "Runner").

A job is a name and a key. The key is an id, never a document or a credential: whatever a job needs it reads from the
store. Jobs are delivered at least once, so handlers are safe to run twice, and end within 60 seconds or re-submit
themselves.

What is said here of running once, or never twice at once, holds in one process. Workers behind a broker may be given
the same job at the same time: what must not happen twice then is for a lease in the store to decide. A job that was
submitted may also be lost, with a broker or a process: whoever needs it to run finds it in the store and submits it
again.
"""

from collections.abc import Callable
from typing import Protocol

Handler = Callable[[str], None]


class Runner(Protocol):
    """Runs registered jobs somewhere else than in the caller's thread."""

    def register(self, job: str, handler: Handler) -> None:
        """Name the handler of a job; before `start`. Raises ValueError where the name is taken."""

    def submit(self, job: str, key: str) -> bool:
        """Ask for `job` to run on `key` soon; never blocks.

        The same (job, key) submitted again before it has started runs once; submitted while it runs, it runs once
        more afterwards. It never runs twice at once in one process.

        Returns:
            False where the queue is full or the broker is away, and the job will probably not run: the caller need not
            care, the sweep comes back to it.
        """

    def every(self, seconds: float, job: str) -> None:
        """Run `job` with key "" periodically in each process that runs jobs; before `start`."""

    def start(self) -> None:
        """Begin to run jobs; once, after fork."""

    def stop(self, grace_seconds: float) -> None:
        """Take no more jobs and wait up to `grace_seconds` for those that run; what is left goes to other processes."""
