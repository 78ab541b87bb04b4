"""Finds the base path and the dialect of an instance, with GET only (DIALECTS.md 2.1).

A POST would be a task; a GET costs nothing wherever it lands. The caller probes once and remembers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from protes.tes.answer import Answer
from protes.tes.dialects.table import GATEWAY_HEADER, fingerprint, gateway_id
from protes.tes.errors import BadAnswer, DownstreamError, Refused, ServerFault
from protes.tes.transport import Transport
from protes.tes.urls import canonical

_BASES = ("/ga4gh/tes/v1", "/v1", "")
_INFO_PATHS = ("/service-info", "/tasks/service-info")
_AUTH_STATUSES = frozenset({401, 403})


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        base_url: what comes before `/tasks`, canonical.
        dialect: name of the dialect recognised.
        service_info: as answered; {} where there is none.
        gateway_id: id of the protes that answered, or None where it is none.
        auth_required: it wants other credentials than it got, so that base path and dialect are a guess.
    """

    base_url: str
    dialect: str
    service_info: Mapping[str, Any]
    gateway_id: str | None = None
    auth_required: bool = False


def probe(transport: Transport) -> Probe:
    """Look for the TES API at, below or beside the transport's base URL.

    Returns:
        The first base path that answers service-info as a TES does; else the first that wants credentials; else one
        that answers `{}`, as the oldest servers do, or that lists tasks.

    Raises:
        Unreachable, TimedOut, ConnectionLost, Throttled: at once; other paths would fare no better.
        ServerFault: nothing was found and something failed, so that a later try may find more.
        BadAnswer: there is no TES here.
    """
    seen = _Seen()
    for base, path in _info_urls(transport.base_url):
        answer = seen.get(transport.at(base), path)
        info = None if answer is None else _service_info(answer)
        if answer is None or info is None:
            continue
        base = _redirected(answer, base, path)
        if info:
            return Probe(base, fingerprint(info, answer.headers, path).name, info, gateway_id(answer.headers))
        seen.empty = seen.empty or (base, path)
    if seen.refused:
        headers = {GATEWAY_HEADER: seen.gateway_id} if seen.gateway_id else {}
        dialect = fingerprint({}, headers).name
        return Probe(_likeliest(transport.base_url), dialect, {}, seen.gateway_id, auth_required=True)
    if seen.empty is not None:
        base, path = seen.empty
        return Probe(base, fingerprint({}, {}, path).name, {})
    bare = _listing_base(transport, seen)
    if bare is not None:
        return Probe(bare, fingerprint({}, {}).name, {})
    raise seen.fault or BadAnswer("no TES API found at any known path", instance=transport.base_url)


class _Seen:
    """What the tries so far have shown."""

    def __init__(self) -> None:
        self.refused = False
        self.gateway_id: str | None = None
        self.fault: ServerFault | None = None
        self.empty: tuple[str, str] | None = None

    def get(self, transport: Transport, path: str, *query: tuple[str, str]) -> Answer | None:
        """One try; None where another path may do better."""
        try:
            return transport.get(path, query)
        except Refused as error:
            self.refused = self.refused or error.status in _AUTH_STATUSES
            self.gateway_id = self.gateway_id or error.gateway_id
        except ServerFault as error:
            self.fault = self.fault or error
        except BadAnswer:
            pass
        return None


def _info_urls(url: str) -> Iterator[tuple[str, str]]:
    """Base URLs and paths to try, in order, each once."""
    root = _root(url)
    tries = [(url, _INFO_PATHS[0]), *((root + base, path) for base in _BASES for path in _INFO_PATHS)]
    # Where the URL itself is no root, its own legacy path comes last.
    yield from dict.fromkeys([*tries, (url, _INFO_PATHS[1])])


def _root(url: str) -> str:
    """The URL without a base path that it ends with."""
    return next((url.removesuffix(base) for base in _BASES if base and url.endswith(base)), url)


def _likeliest(url: str) -> str:
    """The base URL to assume where every path wants credentials."""
    return url if _root(url) != url else url + _BASES[0]


def _service_info(answer: Answer) -> Mapping[str, Any] | None:
    """The service-info of a TES, or None where the answer is something else."""
    info = _object(answer)
    if info is None or (info and not (info.get("id") or info.get("name"))):
        return None
    kind = info.get("type")
    artifact = kind.get("artifact") if isinstance(kind, Mapping) else None
    other = isinstance(artifact, str) and artifact.strip().lower() not in ("", "tes")
    return None if other else info


def _object(answer: Answer) -> Mapping[str, Any] | None:
    try:
        document = answer.json()
    except DownstreamError:
        return None
    return document if isinstance(document, dict) else None


def _redirected(answer: Answer, base: str, path: str) -> str:
    """The base URL after redirects: a POST is not redirected, so it must go to the right place at once."""
    final = answer.url.partition("?")[0]
    return canonical(final.removesuffix(path)) if final.endswith(path) else base


def _listing_base(transport: Transport, seen: _Seen) -> str | None:
    """The first base path with a task list, for servers without service-info."""
    root = _root(transport.base_url)
    for base in dict.fromkeys([transport.base_url, *(root + each for each in _BASES)]):
        answer = seen.get(transport.at(base), "/tasks", ("view", "MINIMAL"), ("page_size", "1"))
        document = None if answer is None else _object(answer)
        if answer is not None and document is not None and isinstance(document.get("tasks"), list):
            return _redirected(answer, base, "/tasks")
    return None
