"""A runner that runs jobs when the test says so, in the test's own thread."""

from protes.runner.protocol import Handler


class ManualRunner:
    """Keeps submitted jobs until `drain`."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.waiting: dict[tuple[str, str], None] = {}
        self.lost = False

    def register(self, job: str, handler: Handler) -> None:
        """Name the handler of a job."""
        if job in self.handlers:
            raise ValueError(f"the job {job} has a handler already")
        self.handlers[job] = handler

    def submit(self, job: str, key: str) -> bool:
        """Keep a job; with `lost`, as a broker that is away."""
        if self.lost:
            return False
        self.waiting[job, key] = None
        return True

    def every(self, seconds: float, job: str) -> None:
        """Nothing runs by the clock here: see `tick`."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self, grace_seconds: float) -> None:
        """Nothing to stop."""

    def run(self, job: str, key: str = "") -> None:
        """Run one job now."""
        self.handlers[job](key)

    def drain(self) -> None:
        """Run what waits, and what that submits, until nothing is left."""
        while self.waiting:
            job, key = next(iter(self.waiting))
            del self.waiting[job, key]
            self.run(job, key)

    def tick(self) -> None:
        """Run the periodic job and everything it submits."""
        self.run("tick")
        self.drain()
