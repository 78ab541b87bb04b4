"""Where webhooks may go: hosts that the operator has listed, and no others."""

from collections.abc import Sequence

from protes.outbound.addresses import NotAllowed
from protes.outbound.rules import PORTS, target_of

LONGEST_URL = 2048


def check(url: str, hosts: Sequence[str], http: bool) -> str:
    """Return the URL of a webhook.

    Args:
        url: as the client wrote it.
        hosts: `events.callback_hosts`.
        http: `events.callback_http`.

    Raises:
        ValueError: it may not be called; the text says what would be right, and does not repeat the URL.
    """
    if not hosts:
        raise ValueError("webhooks are off here: the operator has listed no hosts in events.callback_hosts")
    if len(url) > LONGEST_URL:
        raise ValueError(f"must be {LONGEST_URL} characters at most")
    try:
        target = target_of(url)
    except NotAllowed as problem:
        raise ValueError(str(problem)) from None
    if target.scheme != "https" and not http:
        raise ValueError("must begin with https:// (http only where the operator sets events.callback_http)")
    own_port = target.port == PORTS[target.scheme]
    names = (f"{target.shown_host}:{target.port}", *((target.shown_host,) if own_port else ()))
    if not any(_fits(name, host) for name in names for host in hosts):
        raise ValueError("its host is not one that the operator has listed in events.callback_hosts")
    return url


def _fits(name: str, host: str) -> bool:
    return name.endswith(host[1:]) if host.startswith("*.") else name == host
