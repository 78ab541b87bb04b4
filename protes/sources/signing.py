"""Signed URLs of blobs: Azure's service SAS, made with the key of a storage account.

The text that is signed is that of service version 2020-12-06 and later ("Create a service SAS", Azure Storage REST
reference). A signed URL is a credential: it goes into the document that is forwarded and nowhere else.
"""

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from middleware import Permission
from protes.clock import Clock
from protes.config.credentials import Credentials
from protes.config.loading import ConfigError, read_secret
from protes.config.planning import SignerSettings
from protes.outbound.web import origin_of

SERVICE_VERSION = "2020-12-06"

_SKEW = timedelta(minutes=15)
"""Clocks differ: a URL is good from so long ago, which Azure's documentation recommends."""

_LETTERS: Mapping[Permission, str] = {"read": "r", "create": "c", "write": "w", "list": "l"}
"""In the order that the service wants."""


class BlobSigner:
    """Signs for one account, or for one container of it. Safe under threads; a `SignerPort`."""

    def __init__(self, settings: SignerSettings, clock: Clock, environ: Mapping[str, str]) -> None:
        """Read the key.

        Raises:
            ConfigError: there is no key, it is none, or the endpoint is no URL; the text holds no value.
        """
        self._settings = settings
        self._clock = clock
        where = f"sources.signers.{settings.name}"
        self._key = _key(settings, environ, where)
        endpoint = settings.endpoint or f"https://{settings.account}.blob.core.windows.net"
        try:
            parts = urlsplit(endpoint)
            self.origin = origin_of(endpoint)
        except ValueError as problem:
            raise ConfigError(f"{where}.endpoint: {problem}") from None
        if parts.query or parts.fragment:
            raise ConfigError(f"{where}.endpoint: has no query and no fragment")
        self._path = parts.path.rstrip("/")

    def __repr__(self) -> str:
        """Name it; the key is not shown."""
        return f"BlobSigner({self._settings.name!r})"

    def signed(
        self, url: str, permissions: frozenset[Permission], seconds: float | None = None, *, below: bool = False
    ) -> str | None:
        """Return a blob's URL with a SAS for it alone, or with one for its container where `below`.

        None where the URL is not below the endpoint and the container, has a query already, or is no clean path. Where
        the settings allow it for less than `seconds`, it is good for less.
        """
        place = self._place(url)
        if place is None or not permissions:
            return None
        container, blob = place
        if not blob and not below:
            return None
        longest = self._settings.expire_seconds
        life = timedelta(seconds=math.ceil(min(longest, seconds if seconds is not None else longest)))
        now = self._clock.now()
        fields = {
            "sp": "".join(letter for name, letter in _LETTERS.items() if name in permissions),
            "st": _time(now - _SKEW),
            "se": _time(now + life),
            "spr": "https,http" if self._settings.allow_http else "https",
            "sv": SERVICE_VERSION,
            "sr": "c" if below else "b",
        }
        resource = f"/blob/{self._settings.account}/{container}" + ("" if below else f"/{blob}")
        return f"{url}?{urlencode({**fields, 'sig': self._signature(fields, resource)}, quote_via=quote)}"

    def covers(self, url: str) -> bool:
        """Tell whether it would sign a blob's URL."""
        place = self._place(url)
        return place is not None and bool(place[1])

    def _place(self, url: str) -> tuple[str, str] | None:
        """The container and the name of the blob, decoded; None where this signer is not for the URL."""
        try:
            parts = urlsplit(url)
            path = unquote(parts.path, errors="strict")
            own = origin_of(url) == self.origin and not parts.query and not parts.fragment
        except ValueError:
            return None
        if not own or not path.startswith(f"{self._path}/") or _is_unclean(path):
            return None
        container, _, blob = path[len(self._path) + 1 :].partition("/")
        if not container or self._settings.container not in (None, container):
            return None
        return container, blob

    def _signature(self, fields: Mapping[str, str], resource: str) -> str:
        # Empty are: stored policy, addresses; snapshot, encryption scope, and five headers of the answer.
        signed = [fields["sp"], fields["st"], fields["se"], resource, "", "", fields["spr"], fields["sv"], fields["sr"]]
        text = "\n".join([*signed, *[""] * 7])
        key = base64.b64decode(self._key.get_secret_value())
        return base64.b64encode(hmac.new(key, text.encode("utf-8"), hashlib.sha256).digest()).decode("ascii")


def _key(settings: SignerSettings, environ: Mapping[str, str], where: str) -> SecretStr:
    source = Credentials(type="bearer", secret=settings.key, secret_env=settings.key_env, secret_file=settings.key_file)
    key = read_secret(source, environ, where)
    try:
        usable = key is not None and bool(base64.b64decode(key.get_secret_value(), validate=True))
    except (binascii.Error, ValueError):
        usable = False
    if key is None or not usable:
        raise ConfigError(f"{where}: the key is not one: it is base64 as the portal shows it")
    return key


def _is_unclean(path: str) -> bool:
    """Whether a server may read a path as another one, or the text that is signed would get further lines."""
    segments = path.split("/")
    return "\\" in path or not path.isprintable() or "." in segments or ".." in segments


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
