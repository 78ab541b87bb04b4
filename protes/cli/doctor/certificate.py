"""How long the certificate of a server is good for."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from protes.cli.doctor.finding import Finding, Reporter
from protes.outbound.addresses import AddressGuard, NotAllowed

_CONNECT_SECONDS = 5.0
_SOON = timedelta(days=21)


def check_certificate(
    url: str, ca_file: str | None, now: datetime, report: Reporter, guard: AddressGuard | None = None
) -> Finding | None:
    """Look at the certificate of a server that answers; None where it has none, or it cannot be looked at.

    Args:
        url: of the server.
        ca_file: the CA bundle to check it with; certifi's where there is none.
        now: the time.
        report: of whom.
        guard: says whether its addresses may be connected to, where others than the operator have named it.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    host, port = parts.hostname, parts.port or 443
    try:
        context = ssl.create_default_context(cafile=ca_file or _bundle())
        address = host if guard is None else guard.addresses(host, port, _CONNECT_SECONDS)[0]
        with (
            socket.create_connection((address, port), _CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            certificate = connection.getpeercert() or {}
    except (OSError, NotAllowed):
        return None  # what is wrong with it, the probe says
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    text = f"its certificate is good until {ends:%Y-%m-%d}"
    return report.warn(text, "have it renewed in time") if ends - now < _SOON else report.ok(text)


def _bundle() -> str:
    """The bundle that requests to instances are checked with."""
    import certifi

    return certifi.where()
