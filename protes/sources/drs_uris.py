"""`drs://` URIs, parsed by hand: the compact form is no valid authority, and upper case tells names apart (GA4GH DRS,
"DRS URIs"; STANDARDS.md 4.2).
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_COMPACT = re.compile(r"(?:(?P<provider>[A-Za-z0-9._]+)/)?(?P<prefix>[A-Za-z0-9._]+):(?P<accession>.+)", re.DOTALL)
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class DrsUri:
    """A parsed URI.

    Attributes:
        authority: the host, or the prefix of a compact identifier with its provider.
        object_id: the id of the object, or the accession; not percent-encoded.
        compact: which of the two forms it is.
    """

    authority: str
    object_id: str
    compact: bool


def parse(uri: str) -> DrsUri | None:
    """Read a URI; None where it is none.

    A colon after the scheme makes it compact, since the hostname form allows no port. The id of the hostname form is
    percent-encoded in the URI; an accession is not, whatever is in it.
    """
    scheme, _, rest = uri.partition("://")
    if scheme.lower() != "drs" or not rest or len(uri) > _LONGEST or not is_text(uri):
        return None
    if ":" in rest:
        match = _COMPACT.fullmatch(rest)
        if match is None:
            return None
        provider = f"{match['provider']}/" if match["provider"] else ""
        return DrsUri(provider + match["prefix"], match["accession"], compact=True)
    host, _, object_id = rest.partition("/")
    if not object_id or not _HOST.fullmatch(host):
        return None
    return DrsUri(host, unquote(object_id), compact=False)


def is_text(value: str) -> bool:
    """Tell whether a string can be written at all: JSON lets half a surrogate pair through, UTF-8 does not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
