"""Where inputs come from and outputs go: `file://` and `http(s)://` URLs, bare absolute paths (TES 1.1.0)."""

from urllib.parse import quote, unquote, urlsplit

SCHEMES = ("file", "http", "https")


def scheme_of(url: str) -> str:
    """Return the scheme in lower case; a bare absolute path counts as `file`, anything else without one as ""."""
    if url.startswith("/"):
        return "file"
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator else ""


def fault_of(url: str) -> str | None:
    """Say why a URL cannot be used, or None."""
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        return "must be a file://, http:// or https:// URL, or an absolute path"
    if "\0" in url:
        return "must not hold a NUL character"
    if scheme == "file" and not url.startswith("/") and not _rest(url).startswith("/"):
        return "must name an absolute path on this machine: file:///path"
    if scheme != "file" and not _has_host(url):
        return "must name a host: https://host/path"
    return None


def file_path(url: str) -> str:
    """Return the path that a `file` URL names; only `file://` URLs are percent-decoded, bare paths are as they are."""
    return url if url.startswith("/") else unquote(_rest(url))


def below(url: str, relative: str) -> str:
    """Return the URL of `relative` (with `/` between its parts, not encoded) in the folder `url`."""
    if url.startswith("/"):
        return f"{url.rstrip('/')}/{relative}"
    place, question_mark, query = url, "", ""
    if scheme_of(url) != "file":
        place, question_mark, query = url.partition("?")
    return f"{place.rstrip('/')}/{quote(relative)}{question_mark}{query}"


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _rest(url: str) -> str:
    """Return what follows `file://`, without the host where that is this machine."""
    rest = url.partition("://")[2]
    return rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
