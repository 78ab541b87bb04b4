"""How long to wait before a broker that is away is tried again, and what to say of it."""

import logging

logger = logging.getLogger(__name__)

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 5.0


class Pauses:
    """Pauses that grow while the broker is away; used by one thread."""

    def __init__(self, what: str) -> None:
        """Count from the start, and name what is done in the log."""
        self._what = what
        self._failures = 0

    def next(self, error: Exception) -> float:
        """Return the pause after one more failure, seconds; the first of a row is logged.

        Only the kind of the error is told: what a driver says may repeat the broker's URL.
        """
        self._failures += 1
        if self._failures == 1:
            logger.warning("%s: the broker is away (%s); trying again", self._what, type(error).__name__)
        return min(_FIRST_SECONDS * 2.0 ** min(self._failures - 1, 16), _LONGEST_SECONDS)

    def over(self) -> None:
        """Note that the broker is there."""
        if self._failures:
            logger.info("%s: the broker is back", self._what)
        self._failures = 0
