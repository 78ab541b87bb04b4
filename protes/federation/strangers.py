"""Asking servers that a client named: guarded, capped, within a time, and what goes wrong is an answer too."""

from collections.abc import Mapping
from dataclasses import dataclass

from protes.clock import Clock
from protes.config.instances import Declared
from protes.federation.found import declared_of, probed_of
from protes.federation.known import Probed
from protes.federation.merge import NOTHING_DECLARED, key_of
from protes.outbound.addresses import NotAllowed
from protes.outbound.guard import Guard
from protes.outbound.tls import Tls
from protes.tes.errors import BadAnswer, ConnectionLost, DownstreamError, TimedOut, Unreachable
from protes.tes.probe import probe
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from service_registry_client import ExternalService, Limits, RegistryClient, RegistryError, filter_services

MOST_LISTED = 100
"""Instances that are taken from one registry."""

_CONNECT_SECONDS = 2.0
_SHORTEST_SECONDS = 0.001
_MOST_BYTES = 2 * 1024 * 1024
_MOST_ENTRIES = 2000
_MOST_PAGES = 10
_VERSION = "1.1.0"

_CODES: Mapping[type[DownstreamError], str] = {
    Unreachable: "unreachable",
    TimedOut: "unreachable",
    ConnectionLost: "unreachable",
    BadAnswer: "no_tes",
}


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a URL of a task is of no use.

    Attributes:
        code: for programs: `unknown`, `off`, `unreachable`, `failing`, `no_tes`, `registry`, `own`,
            `retired` or `unasked`.
        text: for people, without the URL.
        permanent: it will not change by itself.
    """

    code: str
    text: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A TES instance as a client, or a client's registry, named it.

    Attributes:
        url: its URL, normalised.
        name: its name for people; "" where it was given none.
        declared: what else was said of it.
    """

    url: str
    name: str = ""
    declared: Declared = NOTHING_DECLARED


class Strangers:
    """Asks them. Safe under threads."""

    def __init__(self, gateway_id: str, clock: Clock, guard: Guard, tls: Tls) -> None:
        """Ask only what the guard allows, checked as `tls` says; `gateway_id` is ours.

        Raises:
            BadTls: a file that `tls` names cannot be used.
        """
        self._gateway_id = gateway_id
        self._clock = clock
        self._guard = guard
        self._tls = tls.check()

    def instance(self, url: str, until: float) -> Probed | Unusable:
        """Look for a TES instance at a URL until a monotonic time."""
        left = self._left(until)
        try:
            self._guard.check(url)
            with Transport(
                url,
                timeouts=Timeouts(min(_CONNECT_SECONDS, left), left, left, left),
                max_body_bytes=_MOST_BYTES,
                pool_size=1,
                clock=self._clock,
                tls=self._tls,
                allow_address=self._guard.rules.allows,
                resolver=self._guard.resolver,
                until=until,
            ) as transport:
                found = probe(transport)
        except NotAllowed as refusal:
            return Unusable("unreachable", str(refusal))
        except DownstreamError as error:
            return Unusable(_CODES.get(type(error), "failing"), error.text)
        if found.gateway_id == self._gateway_id:
            return Unusable("own", "is this gateway itself", permanent=True)
        now = self._clock.now()
        return probed_of(found, url, now, now)

    def registry(self, url: str, until: float) -> tuple[Entry, ...] | Unusable:
        """Ask a registry for its TES instances until a monotonic time."""
        left = self._left(until)
        limits = Limits(
            connect_seconds=min(_CONNECT_SECONDS, left),
            read_seconds=left,
            total_seconds=left,
            max_body_bytes=_MOST_BYTES,
            max_pages=_MOST_PAGES,
            max_entries=_MOST_ENTRIES,
        )
        try:
            self._guard.check(url)
            with RegistryClient(
                url,
                limits=limits,
                allow_address=self._guard.rules.allows,
                allow_url=self._guard.follower(url),
                tls=self._tls.context(),
                resolver=lambda host, port: self._guard.addresses.look_up(host, port, left),
                clock=self._clock.monotonic,
            ) as client:
                services = client.services().services
        except NotAllowed as refusal:
            return Unusable("registry", f"the registry cannot be asked: {refusal}")
        except RegistryError as error:
            return Unusable("registry", f"the registry cannot be asked: {error.reason}")
        wanted: dict[str, Entry] = {}
        for each in filter_services(services, group="org.ga4gh", artifact="tes", version=_VERSION):
            if len(wanted) < MOST_LISTED:
                wanted.setdefault(key_of(each.url), _entry(each))
        return tuple(wanted.values())

    def _left(self, until: float) -> float:
        return max(_SHORTEST_SECONDS, until - self._clock.monotonic())


def _entry(service: ExternalService) -> Entry:
    return Entry(service.url, service.name, declared_of(service.extra.get("protes"), service.url))
