"""Objects of DRS servers: how large they are, where they lie, by which URL they are read (GA4GH DRS 1.2 to 1.5)."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from middleware import DataObject, Replica
from protes.clock import Clock
from protes.config.loading import ConfigError, read_token
from protes.config.outbound import OutboundSettings
from protes.config.planning import DrsServerSettings
from protes.outbound.tls import tls_of
from protes.outbound.web import Silent, Trusted, Web, WebAnswer, origin_of
from protes.secrets import Secrets
from protes.sources.cache import Cache
from protes.sources.drs_objects import (
    access_id_of,
    contents_size,
    gives,
    plain_url,
    scheme_by,
    size_of,
    usable_methods,
    zone_of,
)
from protes.sources.drs_uris import DrsUri, parse
from protes.sources.locations import Locations

logger = logging.getLogger(__name__)

_API = "/ga4gh/drs/v1"
_DAY = 86_400.0
_MOST_MINTED = 4
_MOST_LATER = 3


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is asked for.

    Attributes:
        url: URL of the object.
        token: bearer token for its server, or None.
        trusted: server that the operator has named, or None.
        zone: zone of replicas that name none.
    """

    url: str
    token: str | None = field(repr=False)
    trusted: Trusted | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class _Server:
    base: str
    token: str | None = field(repr=False)
    trusted: Trusted | None
    zone: str | None


class DrsClient:
    """Resolves `drs://` URIs. Safe under threads; keeps nothing but where prefixes of compact identifiers lead."""

    def __init__(
        self,
        servers: Sequence[DrsServerSettings],
        resolver_url: str | None,
        web: Web,
        locations: Locations,
        clock: Clock,
        environ: Mapping[str, str],
        outbound: OutboundSettings | None = None,
    ) -> None:
        """Know the operator's servers.

        Raises:
            ConfigError: a token is not in the environment, a URL is none, or a CA bundle.
        """
        self._clock = clock
        secrets, outbound = Secrets(environ), outbound or OutboundSettings()
        self._servers = {each.match: _server(each, secrets, outbound) for each in servers}
        self._hosts = {match.lower(): server for match, server in self._servers.items()}
        self._resolver_url = resolver_url.rstrip("/") if resolver_url else None
        self._web = web
        self._locations = locations
        self._patterns: Cache[str] = Cache(clock, 1000, _DAY, 600.0)

    def describe(self, uri: str, until: float) -> DataObject:
        """Return what a server says of an object.

        Raises:
            Silent: it says nothing that can be used.
        """
        place = self._place(uri, until)
        document = self._object(place, until)
        methods = usable_methods(document)
        replicas = tuple(found for each in methods for found in self._replicas(uri, each, place.zone))
        size = size_of(document.get("size"))
        if size is None and document.get("contents"):
            size = contents_size(document["contents"])
        return DataObject(size_bytes=size, size_basis="reported", replicas=replicas)

    def access(self, uri: str, replica: Replica | None, schemes: frozenset[str] | None, until: float) -> str | None:
        """Return a URL by which an object is read now, or None where no method fits; asked anew every time.

        Args:
            uri: the object.
            replica: the one to read, None for any.
            schemes: URL schemes that will do; None for any but `drs`.
            until: monotonic time by which it must be known.

        Raises:
            Silent: the server says nothing that can be used.
        """
        place = self._place(uri, until)
        methods = usable_methods(self._object(place, until))
        # The type of a method does not tell the scheme of the URL that its access id gives: `s3` is often signed https.
        methods.sort(key=lambda each: schemes is not None and scheme_by(each) not in schemes)
        if replica is not None:
            methods.sort(key=lambda each: not gives(each, replica))
        minted = 0
        for method in methods:
            ways = self._ways(place, method, until)
            if replica is not None and replica.access_id is not None and gives(method, replica):
                ways.reverse()
            for mints, way in ways:
                minted += mints
                url = way() if minted <= _MOST_MINTED or not mints else None
                if url is not None and (schemes is None or url.partition(":")[0].lower() in schemes):
                    return url
        return None

    def _ways(
        self, place: _Place, method: Mapping[str, Any], until: float
    ) -> list[tuple[bool, Callable[[], str | None]]]:
        """How a method's URL can be had, and whether that asks the server."""
        plain, access_id = plain_url(method.get("access_url")), access_id_of(method)
        ways: list[tuple[bool, Callable[[], str | None]]] = []
        if plain is not None:
            ways.append((False, lambda: plain))
        if access_id is not None:
            ways.append((True, lambda: self._minted(place, access_id, until)))
        return ways

    def _minted(self, place: _Place, access_id: str, until: float) -> str | None:
        url = f"{place.url}/access/{quote(access_id, safe='')}"
        try:
            return plain_url(_checked(self._get(place, url, until)).json())
        except Silent as silent:
            logger.info("a DRS access method cannot be used: %s", silent)
            return None

    def _object(self, place: _Place, until: float) -> Mapping[str, Any]:
        document = _checked(self._get(place, place.url, until)).json()
        if not isinstance(document, Mapping):
            raise Silent("answered with something that is no DrsObject")
        return document

    def _get(self, place: _Place, url: str, until: float) -> WebAnswer:
        """Ask; a server that says 202 is asked again when it says so, if there is time."""
        for _ in range(_MOST_LATER):
            answer = self._web.request("GET", url, until=until, bearer=place.token, trusted=place.trusted)
            later = answer.headers.get("retry-after", "")
            if answer.status != 202 or re.fullmatch("[0-9]{1,6}", later) is None:
                break
            if self._clock.monotonic() + int(later) >= until:
                break
            self._clock.wait(threading.Event(), max(0.1, int(later)))
        return answer

    def _place(self, uri: str, until: float) -> _Place:
        parsed = parse(uri)
        if parsed is None:
            raise Silent("is no drs:// URI")
        own = self._servers.get(parsed.authority) or self._servers.get(parsed.authority.rpartition("/")[2])
        if own is None and not parsed.compact:
            own = self._hosts.get(parsed.authority.lower())
        if own is not None:
            return _Place(f"{own.base}/objects/{quote(parsed.object_id, safe='')}", own.token, own.trusted, own.zone)
        if not parsed.compact:
            base = f"https://{parsed.authority.lower()}{_API}"
            return _Place(f"{base}/objects/{quote(parsed.object_id, safe='')}", None, None, None)
        pattern = self._patterns.ask(parsed.authority, lambda: self._pattern(parsed, until))
        if pattern is None:
            raise Silent("its prefix leads nowhere")
        return _Place(pattern.replace("{$id}", quote(parsed.object_id, safe="")), None, None, None)

    def _pattern(self, uri: DrsUri, until: float) -> str | None:
        """Ask the resolver of compact identifiers (identifiers.org) where a prefix leads: a URL with `{$id}` in it."""
        if self._resolver_url is None:
            return None
        provider, _, name = uri.authority.rpartition("/")
        prefix = quote(name, safe="")
        trusted = Trusted(origin_of(self._resolver_url))
        try:
            named = f"{self._resolver_url}/restApi/namespaces/search/findByPrefix?prefix={prefix}"
            found = _checked(self._web.request("GET", named, until=until, trusted=trusted)).json()
            links = found["_links"]["self"]["href"]
            number = str(links).rstrip("/").rpartition("/")[2]
            listed = f"{self._resolver_url}/restApi/resources/search/findAllByNamespaceId?id={quote(number, safe='')}"
            resources = _checked(self._web.request("GET", listed, until=until, trusted=trusted)).json()
            listed_here = [each for each in resources["_embedded"]["resources"] if isinstance(each, Mapping)]
            if provider:
                listed_here = [each for each in listed_here if each.get("providerCode") == provider]
            patterns = [each["urlPattern"] for each in listed_here]
        except (Silent, KeyError, TypeError) as problem:
            logger.info("the prefix of a compact identifier was not found: %s", type(problem).__name__)
            return None
        return next((each for each in patterns if isinstance(each, str) and "{$id}" in each), None)

    def _replicas(self, uri: str, method: Mapping[str, Any], zone: str | None) -> Iterator[Replica]:
        """What a method gives: its URL, and what its access id gives at the time of use; both are one place."""
        url, access_id = plain_url(method.get("access_url")), access_id_of(method)
        place = self._locations.at(url) if url is not None else None
        found = Replica(
            url=url or uri,
            zone=zone_of(method) or (place.zone if place is not None else None) or zone,
            coordinates=place.coordinates if place is not None else None,
            available=method.get("available") is not False,
        )
        if url is not None:
            yield found
        if access_id is not None:
            yield replace(found, url=uri, access_id=access_id)


def _server(settings: DrsServerSettings, secrets: Secrets, outbound: OutboundSettings) -> _Server:
    where = f"custom.sources.drs_servers: {settings.match}"
    found = read_token(settings.token, settings.token_env, secrets, where)
    token = found.get_secret_value() if found is not None else None
    base = (settings.url or f"https://{settings.match}{_API}").rstrip("/")
    try:
        trusted = Trusted(origin_of(base), tls_of(outbound, settings).check())
    except ValueError as problem:
        raise ConfigError(f"{where}: url: {problem}") from None
    return _Server(base, token, trusted if settings.url or settings.ca_file else None, settings.zone)


def _checked(answer: WebAnswer) -> WebAnswer:
    """Pass on what is 200; 202 means later, which is too late for us."""
    if answer.status != 200:
        raise Silent(f"answered {answer.status}")
    return answer
