"""A runner in a process of its own: `python -m tests.support.runner_process PREFIX`, the broker's URL in BROKER_URL.

It takes the job "job" and never ends it; it says which keys it was given.
"""

import os
import sys
import threading

from pydantic import SecretStr

from protes.clock import SystemClock
from protes.runner.broker import Broker
from protes.runner.celery_runner import CeleryRunner


def main(prefix: str) -> None:
    """Run until killed."""
    never = threading.Event()

    def handle(key: str) -> None:
        print(key, flush=True)
        never.wait()

    broker = Broker(SecretStr(os.environ["BROKER_URL"]), SystemClock(), 1000, prefix=prefix)
    runner = CeleryRunner(broker, SystemClock(), 2, 1000, execute=True)
    runner.register("job", handle)
    runner.start()
    never.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
