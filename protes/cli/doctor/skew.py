"""How far the clock of a server is from ours, by the header `Date` (RFC 9110, 6.6.1)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from protes.cli.doctor.finding import Finding, Reporter

_BEARABLE_SECONDS = 5.0
_TODO = "have both machines keep their time by NTP: tokens, leases and deadlines are compared across machines"


def skew_seconds(headers: Mapping[str, str], asked: datetime, answered: datetime) -> float | None:
    """Return by how much the server's clock is ahead of ours, at least; None where it does not say.

    What lies between the question and the answer is no difference, nor is the second that `Date` is rounded to.

    Args:
        headers: of the answer, with any case.
        asked: when the question was sent, by our clock.
        answered: when the answer had come.
    """
    said = next((value for name, value in headers.items() if name.lower() == "date"), None)
    if said is None:
        return None
    try:
        theirs = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    theirs = theirs.replace(tzinfo=UTC) if theirs.tzinfo is None else theirs
    ahead, behind = (theirs - answered).total_seconds(), (asked - theirs).total_seconds() - 1.0
    return ahead if ahead > 0 else -max(0.0, behind)


def judged(report: Reporter, skew: float | None) -> Finding:
    """Say whether a difference matters."""
    if skew is None:
        return report.skip("its answers carry no Date, so that its clock cannot be compared")
    if abs(skew) <= _BEARABLE_SECONDS:
        return report.ok("its clock agrees with ours")
    where = "ahead of" if skew > 0 else "behind"
    return report.warn(f"its clock is {abs(skew):.0f} s {where} ours", _TODO)
