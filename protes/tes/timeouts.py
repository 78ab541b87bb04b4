"""How long the gateway waits for an instance (DIALECTS.md 2.7 rule 5)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds. The totals hold whatever the server does: neither a drip nor an endless body outlasts them.

    What they cannot bound is the look-up of the host's name, which the operating system's resolver bounds.

    Attributes:
        connect_seconds: for one TCP connection, and again for the TLS handshake.
        read_seconds: longest silence while an answer is awaited.
        get_seconds: for a whole GET, redirects and the one retry included.
        post_seconds: for a whole POST.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    get_seconds: float = 30.0
    post_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what would wait for ever, or not at all.

        Raises:
            ValueError: a value is not above zero.
        """
        if min(self.connect_seconds, self.read_seconds, self.get_seconds, self.post_seconds) <= 0:
            raise ValueError("timeouts must be above zero")

    def total(self, method: str) -> float:
        """Return the total for a method."""
        return self.post_seconds if method == "POST" else self.get_seconds
