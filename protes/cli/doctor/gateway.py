"""Checks of a running gateway, as its clients see it."""

from argparse import Namespace
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests

from protes import __version__
from protes.cli import remote
from protes.cli.doctor.finding import Finding, Reporter
from protes.cli.doctor.skew import judged, skew_seconds
from protes.cli.output import CliError, Exit
from protes.clock import Clock
from protes.config.settings import Settings

_OK = 200
_SLOW_SECONDS = 1.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}
_TROUBLED = ("unreachable", "ejected")


def url_of(settings: Settings) -> str:
    """Return where the gateway of these settings serves on this machine."""
    host = settings.server.host
    named = _ANY_ADDRESS.get(host) or (f"[{host}]" if ":" in host else host)
    return f"http://{named}:{settings.server.port}"


def answers(url: str) -> bool:
    """Tell whether a gateway answers there."""
    try:
        answer = requests.get(f"{url.rstrip('/')}/healthz", timeout=remote.TIMEOUT_SECONDS)
    except requests.RequestException:
        return False
    return answer.status_code == _OK


def check_gateway(url: str, clock: Clock, *, expected: bool) -> Iterator[Finding]:
    """Look at a gateway.

    Args:
        url: its root.
        clock: the clock.
        expected: somebody said that it is there; else it is no failure that it is not.
    """
    report = Reporter("gateway", _shown(url))
    if not answers(url):
        if expected:
            yield report.fail("it does not answer", "start it (protes serve), or mend --url")
        else:
            yield report.skip("none answers there, so it is not looked at")
        return
    asked = clock.now()
    try:
        ready = requests.get(f"{url.rstrip('/')}/readyz", timeout=remote.TIMEOUT_SECONDS)
    except requests.RequestException:
        yield report.fail("it stopped answering (/readyz)", "look at the store, and at its log")
        return
    yield judged(report, skew_seconds(ready.headers, asked, clock.now()))
    if ready.status_code == _OK:
        yield report.ok("it is ready: it reaches its store")
    else:
        yield report.fail("it answers, but does not reach its store (/readyz)", "look at the store, and at its log")
    args = Namespace(url=url)
    try:
        yield from _asked(args, clock, report)
    except CliError as error:
        todo = "see that it is a protes, and that server.allowed_hosts has this name"
        yield report.fail(f"{error}" if error.code == Exit.FAILED else "it stopped answering", todo)


def _asked(args: Namespace, clock: Clock, report: Reporter) -> Iterator[Finding]:
    base = remote.gateway(args)
    info = remote.call("GET", f"{base}/ga4gh/tes/v1/service-info")
    version = str(info.get("version", "unknown"))
    if version == __version__:
        yield report.ok(f"it is version {version}, as this program is")
    else:
        yield report.warn(f"it is version {version}, this program is {__version__}", "update the older one")
    begun = clock.monotonic()
    instances = remote.call("GET", f"{base}/protes/v1/instances")["instances"]
    seconds = clock.monotonic() - begun
    if seconds > _SLOW_SECONDS:
        todo = "more threads or processes (server.threads, server.workers), or a faster store (docs/operations.md)"
        yield report.warn(f"it took {seconds:.1f} s to answer: its request threads are busy", todo)
    else:
        yield report.ok(f"it answers within {seconds * 1000:.0f} ms")
    yield from _seen(instances, report)


def _seen(instances: list[dict[str, Any]], report: Reporter) -> Iterator[Finding]:
    well = [each for each in instances if each["state"] == "ok"]
    text = f"{len(well)} of {len(instances)} instances are well"
    if not well:
        yield report.fail(text, "tasks wait until one is: see what is said of instances and registries")
    else:
        yield report.ok(text)
    for each in instances:
        if each["state"] in _TROUBLED:
            why = each.get("last_error") or each["state"]
            yield Reporter("instance", each["id"]).warn(
                f"the gateway has left it out: {why}", "it comes back by itself"
            )


def _shown(url: str) -> str:
    """A URL without what may be a password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
