"""How long the certificate of a server is good for."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from protes.cli.doctor.finding import Finding, Reporter

_CONNECT_SECONDS = 5.0
_SOON = timedelta(days=21)


def check_certificate(url: str, verify: bool | str, now: datetime, report: Reporter) -> Finding | None:
    """Look at the certificate of a server that answers; None where it has none, or it cannot be looked at.

    Args:
        url: of the server.
        verify: whether it is checked, or the CA bundle to check it with.
        now: the time.
        report: of whom.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    if verify is False:
        return report.warn(
            "its certificate is not checked (verify_tls: false): anybody on the way may be it",
            "name its CA bundle in verify_tls",
        )
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else _bundle())
        address = (parts.hostname, parts.port or 443)
        with (
            socket.create_connection(address, _CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
        ):
            certificate = connection.getpeercert() or {}
    except OSError:
        return None  # what is wrong with it, the probe says
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    text = f"its certificate is good until {ends:%Y-%m-%d}"
    return report.warn(text, "have it renewed in time") if ends - now < _SOON else report.ok(text)


def _bundle() -> str:
    """The bundle that requests to instances are checked with."""
    import certifi

    return certifi.where()
