"""What a check has found."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what the doctor says.

    Attributes:
        result: `warn` is no failure yet; `skip` could not be looked at.
        check: what was checked: `configuration`, `secrets`, `store`, `broker`, `registry`, `instance` or `gateway`.
        subject: which one, such as an instance's id; empty where there is one only.
        text: what was found, without secrets.
        todo: what to do about it; empty where nothing is.
    """

    result: Result
    check: str
    subject: str
    text: str
    todo: str = ""

    def document(self) -> dict[str, str]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the findings of one check of one thing."""

    check: str
    subject: str = ""

    def ok(self, text: str) -> Finding:
        """Nothing to do."""
        return Finding("ok", self.check, self.subject, text)

    def warn(self, text: str, todo: str) -> Finding:
        """It works, and may not for long."""
        return Finding("warn", self.check, self.subject, text, todo)

    def fail(self, text: str, todo: str) -> Finding:
        """It does not work."""
        return Finding("fail", self.check, self.subject, text, todo)

    def skip(self, text: str, todo: str = "") -> Finding:
        """It could not be looked at, or there is nothing to look at."""
        return Finding("skip", self.check, self.subject, text, todo)


Check = Callable[[], Iterable[Finding]]
