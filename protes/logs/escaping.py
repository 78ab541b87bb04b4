"""Text from elsewhere that cannot forge a line, nor order a terminal about: pure."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0, C1), line and paragraph separators, what turns the direction of writing, half characters."""


def escaped(text: str) -> str:
    """Write control characters as a Python string would: a newline becomes a backslash and an `n`."""
    return _CONTROL.sub(_written, text)


def escaped_lines(text: str) -> str:
    """Do the same in each line of a text that has several, such as a traceback."""
    return "\n".join(escaped(line) for line in text.split("\n"))


def _written(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
