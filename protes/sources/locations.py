"""Where data lies by the operator's word: the longest URL prefix that fits (ESTIMATES.md, "Zone")."""

import re
from collections.abc import Sequence

from protes.config.planning import LocationSettings

_ORIGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(.*)$", re.DOTALL)


class Locations:
    """The operator's map from URLs to places."""

    def __init__(self, settings: Sequence[LocationSettings]) -> None:
        """Know these prefixes."""
        self._places = sorted(((folded(each.prefix), each) for each in settings), key=lambda pair: -len(pair[0]))

    def at(self, url: str) -> LocationSettings | None:
        """Return the place of a URL, or None where nothing is said of it."""
        text = folded(url)
        return next((place for prefix, place in self._places if text.startswith(prefix)), None)


def folded(url: str) -> str:
    """Return a URL with scheme and host in lower case; the rest tells names apart and stays."""
    match = _ORIGIN.match(url)
    return match.group(1).lower() + match.group(2) if match else url
