"""A clock whose time of day can be wrong."""

from datetime import datetime, timedelta

from protes.clock import ManualClock


class JumpingClock(ManualClock):
    """Its time of day jumps when the test says so; what it measures stays true."""

    _offset = timedelta(0)

    def now(self) -> datetime:
        """Return the time of day, right or wrong."""
        return super().now() + self._offset

    def jump(self, seconds: float) -> None:
        """Set the time of day forward (above 0) or back."""
        self._offset += timedelta(seconds=seconds)
