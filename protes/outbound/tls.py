"""How the gateway checks the servers that it speaks to, and shows itself to them: one place for all of HTTP."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import certifi

from protes.config.outbound import OutboundSettings, TlsSettings

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CONTEXTS_KEPT = 256


class BadTls(ValueError):
    """A CA bundle, a certificate or a key cannot be used; the text names the file and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How servers are checked; there is no way not to check them.

    Attributes:
        ca_file: CA bundle; certifi's by default.
        minimum_version: oldest TLS.
        client_cert_file: certificate that is shown to servers that ask for one.
        client_key_file: its key; None where it is in the same file.
    """

    ca_file: str | None = None
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    client_cert_file: str | None = None
    client_key_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context for clients; the same one as long as the files are the same. Nobody changes it.

        Raises:
            BadTls: a file cannot be read or has something else in it.
        """
        files = (self.ca_file or certifi.where(), self.client_cert_file, self.client_key_file)
        return _context(self, tuple(_stamp(each) for each in files if each is not None))

    def check(self) -> "Tls":
        """Return this, when its files can be used.

        Raises:
            BadTls: see `context`.
        """
        self.context()
        return self


def tls_of(outbound: OutboundSettings, own: TlsSettings | None = None) -> Tls:
    """Return how a server is checked: as is said of it, and else as is said of all."""
    one = own or TlsSettings()
    return Tls(one.ca_file or outbound.ca_file, outbound.tls_minimum_version, one.client_cert_file, one.client_key_file)


def _stamp(file: str) -> tuple[int, int, int]:
    try:
        found = Path(file).stat()
    except OSError as problem:
        raise BadTls(f"{file} cannot be read: {problem.strerror}") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _context(tls: Tls, stamps: tuple[tuple[int, int, int], ...]) -> ssl.SSLContext:
    """Make a context; a bundle takes long to read, and thousands of instances share it."""
    del stamps
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # certificate and host name are required
    made.minimum_version = _VERSIONS[tls.minimum_version]
    ca_file = tls.ca_file or certifi.where()
    try:
        if Path(ca_file).is_dir():
            made.load_verify_locations(capath=ca_file)
        else:
            made.load_verify_locations(cafile=ca_file)
    except (OSError, ValueError):  # ssl.SSLError is one
        raise BadTls(f"{ca_file} is no CA bundle in PEM") from None
    if tls.client_cert_file is not None:
        _load_own(made, tls.client_cert_file, tls.client_key_file)
    return made


def _load_own(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    try:
        # A password would be asked for at the terminal; a key that has one cannot be used.
        context.load_cert_chain(cert_file, key_file, password=lambda: "")
    except (OSError, ValueError):
        raise BadTls(f"{cert_file} and its key are no certificate with a key without a password, in PEM") from None
