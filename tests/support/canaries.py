"""Secrets that are easy to recognise wherever they turn up, also percent-encoded, in base64 or packed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from tests.support.http_messages import Request
from tests.support.scripted_server import ScriptedServer


@dataclass
class Canaries:
    """The secrets of one test, by name.

    Attributes:
        values: what must not be seen; of a key, the key itself.
    """

    values: dict[str, str] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """Return a secret made of letters and digits: the same for the same name."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:20]
        return self.keep(name, f"canary{name.title().replace('-', '').replace(' ', '')}{digest}")

    def key(self, name: str, size: int = 32) -> str:
        """Return a key of so many bytes in base64."""
        raw = hashlib.shake_256(name.encode()).digest(size)
        return self.keep(name, base64.b64encode(raw).decode())

    def keep(self, name: str, value: str) -> str:
        """Watch for a secret that somebody else has made."""
        assert name not in self.values, name
        self.values[name] = value
        return value

    def in_(self, material: bytes) -> set[str]:
        """Return the names of the secrets that are found in something."""
        plain = unquote_to_bytes(unquote_to_bytes(material)) if b"%" in material else material
        both = (material,) if plain == material else (material, plain)
        return {
            name
            for name, value in self.values.items()
            if any(each in some for each in set(_forms(value)) for some in both)
        }


def _forms(value: str) -> Iterator[bytes]:
    """Yield how a secret may be written, as it is or in the middle of something in base64."""
    raw = value.encode()
    yield raw
    yield quote(value, safe="").encode()
    yield value.replace("+", "-").replace("/", "_").rstrip("=").encode()
    with suppress(ValueError):
        key = base64.b64decode(value, validate=True)
        if len(key) >= 32:
            yield key
            yield key.hex().encode()
    for shift in range(3):
        # Without the characters at both ends, which have bits of what stands beside it.
        encoded = base64.b64encode(b"\0" * shift + raw)
        middle = encoded[4 if shift else 0 : len(encoded) - 4]
        yield middle
        yield middle.translate(bytes.maketrans(b"+/", b"-_"))


def arrived(server: ScriptedServer) -> bytes:
    """Return all that a server was sent."""
    return b"\n".join(map(_sent, server.requests()))


def _sent(request: Request) -> bytes:
    head = "\n".join(
        [f"{request.method} {request.target}", *(f"{name}: {each}" for name, each in request.headers.items())]
    )
    return head.encode() + b"\n\n" + unpacked(request.body)


def unpacked(body: bytes) -> bytes:
    """Return a body with what is packed in it."""
    with suppress(OSError, EOFError, zlib.error):
        return body + gzip.decompress(body)
    return body


def files_of(folder: Path) -> bytes:
    """Return the content of all files of a folder, write-ahead logs included."""
    return b"\n".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def leaks(
    canaries: Canaries, seen: Mapping[str, bytes], may: Mapping[str, Sequence[str]]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Compare where secrets were found with where they may be.

    Args:
        canaries: the secrets.
        seen: what each place has.
        may: by secret, the places that have it by right; where its name ends in `!`, it must be found there.

    Returns:
        Where secrets are that should not be there, by secret; and where they are missing that should be.
    """
    found: dict[str, set[str]] = {name: set() for name in canaries.values}
    for place, material in seen.items():
        for name in canaries.in_(material):
            found[name].add(place)
    right = {name: {place.rstrip("!") for place in may.get(name, ())} for name in found}
    needed = {name: {place.rstrip("!") for place in may.get(name, ()) if place.endswith("!")} for name in found}
    strange = {name: places - right[name] for name, places in found.items() if places - right[name]}
    missing = {name: needed[name] - places for name, places in found.items() if needed[name] - places}
    return strange, missing
