"""The one spelling of a service's URL, by which services of several registries are told to be the same.

Registries list base URLs with blanks, double slashes, upper case, default ports and endpoints beneath the base.
"""

from __future__ import annotations

import ipaddress
import re
import string
from urllib.parse import quote, unquote, urlsplit

import idna

from service_registry_client.errors import InvalidURL

_MAX_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x20\x7f]")
# Underscores are no host names by the book, but names of containers have them.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9._~-]*")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
# Not part of a base URL, but of addresses beneath it that people copy from a browser.
_STRIPPED = frozenset({"", "service-info", "tasks", "ui", "swagger-ui.html"})
# Most URLs in registries are canonical already, and recognising those takes a tenth of the time. Anything in doubt is
# left out here: ports, addresses, dots at the beginning of a segment, escapes.
_CANONICAL = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*))*"
)
_CANONICAL_LENGTH = 253


def normalise_url(url: str) -> str:
    """The canonical form of a service's base URL; what is canonical already comes back as it is.

    Blanks around it go, scheme and host become lower case (international names their ASCII form), the default port and
    repeated slashes go, dot segments are resolved, needless percent-encoding is undone, and so are a trailing slash and
    the trailing segments `service-info`, `tasks`, `ui` and `swagger-ui.html`.

    Raises:
        InvalidURL: Not http or https, no host, user information, a query or a fragment, a bad port, or characters that
            no URL has.
    """
    if _is_canonical(url):
        return url
    trimmed = url.strip()
    if len(trimmed) > _MAX_LENGTH:
        raise InvalidURL(f"the URL is longer than {_MAX_LENGTH} characters")
    if _BLANK_OR_CONTROL.search(trimmed) or "\\" in trimmed:
        raise InvalidURL("the URL contains blanks, control characters or backslashes")
    if "?" in trimmed or "#" in trimmed:
        raise InvalidURL("the URL has a query or a fragment; a base URL has neither")
    try:
        parts = urlsplit(trimmed)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidURL("the URL's host or port is malformed") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidURL("the URL does not start with http:// or https://")
    if "@" in parts.netloc:
        raise InvalidURL("the URL contains user information; credentials do not belong in URLs")
    if not host:
        raise InvalidURL("the URL has no host")
    if port == 0:
        raise InvalidURL("the URL's port is 0")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    normal = f"{parts.scheme}://{canonical_host(host)}{shown_port}{_path(parts.path)}"
    if len(normal) > _MAX_LENGTH:
        raise InvalidURL(f"the URL is longer than {_MAX_LENGTH} characters")
    return normal


def registry_base_url(url: str) -> str:
    """The canonical base URL of a registry; beyond `normalise_url` a trailing `/services` is taken off.

    Raises:
        InvalidURL: As for `normalise_url`.
    """
    return normalise_url(normalise_url(url).removesuffix("/services"))


def _is_canonical(url: str) -> bool:
    """Whether the URL is canonical at first sight; False says nothing."""
    return (
        len(url) <= _CANONICAL_LENGTH
        and _CANONICAL.fullmatch(url) is not None
        and url.rpartition("/")[2] not in _STRIPPED
    )


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, what browsers call the origin of a URL.

    Raises:
        InvalidURL: The URL is not an absolute http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidURL("the URL's host or port is malformed") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidURL("the URL is not an absolute http or https URL")
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def shown(url: str) -> str:
    """A URL as it may be shown: without user information, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def canonical_host(host: str) -> str:
    """The host in canonical form, an IPv6 address in brackets.

    Raises:
        InvalidURL: It is neither a name nor an address. Spellings of an IPv4 address that only some resolvers know are
            refused.
    """
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]" if "%" not in host else _refuse_host()
        except ValueError:
            return _refuse_host()
    name = host.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return _refuse_host()
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        return _refuse_host()
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            return _refuse_host()
    return name


def _refuse_host() -> str:
    raise InvalidURL("the URL's host is neither a name nor an address")


def _path(path: str) -> str:
    """The path without its trailing slash and without what does not belong to a base URL; empty for the root."""
    segments: list[str] = []
    for segment in map(_segment, path.split("/")):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    while segments and segments[-1] in _STRIPPED:
        segments.pop()
    return "".join(f"/{segment}" for segment in segments)


def _segment(segment: str) -> str:
    """One spelling of percent-encoding: RFC 3986 section 6.2.2."""
    if _PLAIN_SEGMENT.fullmatch(segment):
        return segment

    def one_escape(match: re.Match[str]) -> str:
        plain = unquote(match[0], encoding="latin-1")
        return plain if plain in _UNRESERVED else match[0].upper()

    try:
        encoded = quote(segment, safe="%!$&'()*+,;=:@-._~")
    except UnicodeEncodeError:
        raise InvalidURL("the URL contains characters that cannot be encoded") from None
    lone_percent_encoded = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", encoded)
    return _ESCAPE.sub(one_escape, lone_percent_encoded)
