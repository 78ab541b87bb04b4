"""The dashboard's files, read once: types, validators, compressed forms, and the page that names them.

All files but the page have addresses with a digest of all of them, so that browsers keep them for good and a new
version is never mixed with an old one: modules name each other relatively, within the same digest.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

BASE = "/dashboard"
_PAGE = "index.html"
_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_TEXT = "text/plain; charset=utf-8"
_DIGEST_LENGTH = 16
_PRELOADS = "<!-- preloads -->"
_VERSION = "{version}"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent.

    Attributes:
        media_type: its `Content-Type`.
        body: its bytes.
        compressed: the same by gzip; None where that is no smaller.
        etag: its validator; weak, as it is the same for the compressed form.
        lasting: whether what is at its address never changes.
    """

    media_type: str
    body: bytes
    compressed: bytes | None
    etag: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Assets:
    """All files of the dashboard.

    Attributes:
        version: digest of all of them.
        page: the page.
        files: the others, by their address.
    """

    version: str
    page: Asset
    files: Mapping[str, Asset]

    def at(self, path: str) -> Asset | None:
        """Return what is at a path, or None; nothing but what was read is ever found, whatever the path says."""
        return self.page if path in ("/", BASE) else self.files.get(path)


@cache
def packaged() -> Assets:
    """Return the files that come with protes, read at the first call."""
    return build(_read(resources.files("protes.dashboard") / "static"))


def build(files: Mapping[str, bytes]) -> Assets:
    """Make what is served of files by their relative paths; one of them is the page.

    Raises:
        KeyError: there is no page.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    version = digest.hexdigest()[:_DIGEST_LENGTH]
    page = files[_PAGE].decode().replace(_VERSION, version).replace(_PRELOADS, _preloads(version, files))
    others = {f"{BASE}/{version}/{name}": _asset(name, body, True) for name, body in files.items() if name != _PAGE}
    return Assets(version, _asset(_PAGE, page.encode(), False), others)


def _preloads(version: str, files: Mapping[str, bytes]) -> str:
    """Name all modules in the page: a browser then fetches them at once, and not one after the other."""
    modules = sorted(
        name for name in files if name.rpartition(".")[2] in ("js", "mjs") and not name.startswith("early")
    )
    return "\n".join(f'<link rel="modulepreload" href="dashboard/{version}/{name}">' for name in modules)


def _asset(name: str, body: bytes, lasting: bool) -> Asset:
    compressed = gzip.compress(body, mtime=0)
    return Asset(
        media_type=_TYPES.get(name.rpartition(".")[2], _TEXT),
        body=body,
        compressed=compressed if len(compressed) < len(body) else None,
        etag=f'W/"{hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]}"',
        lasting=lasting,
    )


def _read(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _read(entry, f"{prefix}{entry.name}/")
        else:
            found[prefix + entry.name] = entry.read_bytes()
    return found
