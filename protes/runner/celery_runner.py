"""The runner past one machine: jobs go through a broker to workers, in Celery's messages (DESIGN.md section 7).

A process submits, or executes as well. Jobs are run by the threads of `ThreadRunner`, whose laws hold in each process:
a job that is delivered twice while it waits runs once, delivered while it runs it runs once more, and it never runs
twice at once. Between processes leases decide: of the task, of the instance that is swept, of who leads.
"""

from protes.clock import Clock
from protes.runner.broker import Broker
from protes.runner.consuming import Consumer
from protes.runner.protocol import Handler
from protes.runner.publishing import Publisher
from protes.runner.threads import ThreadRunner

_SILENT_SECONDS = 20.0
"""A broker that has delivered nothing for so long, though it was given jobs, is not relied upon."""


class CeleryRunner:
    """A `Runner` over a broker.

    While the broker is away, a process that executes jobs runs itself what it submits: since it is the leader that
    submits what is due, one worker goes on, and nobody waits for the broker. The same holds for a broker that takes
    everything and delivers nothing: what is submitted then is sent as well, to notice when it delivers again.
    """

    def __init__(self, broker: Broker, clock: Clock, threads: int, queue_limit: int, *, execute: bool) -> None:
        """Make a runner that has not started yet.

        Args:
            broker: where jobs go to and come from.
            clock: see `ThreadRunner`.
            threads: jobs that run at once here; so many deliveries of each job are held at most.
            queue_limit: jobs that wait here at most, to be sent or to be run.
            execute: whether this process runs jobs; without, neither do periodic ones run here.
        """
        self._clock = clock
        self._execute = execute
        self._jobs: list[str] = []
        self._threads = ThreadRunner(clock, threads, queue_limit)
        self._publisher = Publisher(broker, clock, queue_limit)
        self._consumer = Consumer(broker, clock, threads, self._threads.submit)
        self._started = False
        self._stopping = False
        # When the first job was submitted of those since the last delivery.
        self._unanswered_since: float | None = None

    @property
    def queued(self) -> int:
        """How many jobs wait here for a thread; those at the broker are not known."""
        return self._threads.queued

    def register(self, job: str, handler: Handler) -> None:
        """See `Runner.register`."""
        self._check_not_started()
        self._threads.register(job, self._consumer.following(job, handler))
        self._jobs.append(job)

    def every(self, seconds: float, job: str) -> None:
        """See `Runner.every`; each process that executes jobs runs it. Raises ValueError where it has no handler."""
        self._check_not_started()
        self._threads.every(seconds, job)

    def submit(self, job: str, key: str) -> bool:
        """See `Runner.submit`. Raises ValueError where the job has no handler."""
        if job not in self._jobs:
            raise ValueError(f"the job {job} has no handler")
        if self._stopping:
            return False
        if self._execute and self._publisher.is_away:
            return self._threads.submit(job, key)
        sent = self._publisher.submit(job, key)
        if self._execute and self._is_silent():
            return self._threads.submit(job, key)
        return sent

    def start(self) -> None:
        """See `Runner.start`. Raises RuntimeError the second time."""
        self._check_not_started()
        self._started = True
        self._publisher.start(self._jobs)
        if self._execute:
            self._threads.start()
            self._consumer.start(self._jobs)

    def stop(self, grace_seconds: float) -> None:
        """See `Runner.stop`; what waits, and what has not ended within the grace, goes back to the broker."""
        self._stopping = True
        self._consumer.stop_taking()
        self._threads.stop(grace_seconds)
        self._consumer.close()
        self._publisher.stop()

    def _is_silent(self) -> bool:
        """Tell whether nothing is delivered here though jobs have been submitted for long.

        Where other workers get everything, some of it runs here, too: leases decide, as they do after each redelivery.
        """
        now = self._clock.monotonic()
        if self._unanswered_since is None or self._unanswered_since < self._consumer.heard_at:
            self._unanswered_since = now
        return now - self._unanswered_since > _SILENT_SECONDS

    def _check_not_started(self) -> None:
        if self._started:
            raise RuntimeError("the runner has started")
