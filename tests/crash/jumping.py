"""Run a module under faketime: `python -m tests.crash.jumping MODULE ARGUMENT...`.

The library takes a sleep until a moment of the monotonic clock, which Python's `time.sleep` makes of every sleep, for
one until a moment of the time that it changes, and refuses it. So sleeps are made by waiting for nothing instead.
"""

import runpy
import select
import sys
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float, /) -> None:
    select.select([], [], [], float(seconds))


def main() -> None:
    """Replace sleeping, then be the other module."""
    time.sleep = _sleep
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
