"""Checks of registries and instances: reachable, TLS, credentials, dialect, service-info, clock."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from protes.cli.doctor.certificate import check_certificate
from protes.cli.doctor.finding import Finding, Reporter
from protes.cli.doctor.skew import judged, skew_seconds
from protes.clock import Clock
from protes.config.instances import RegistrySettings
from protes.config.loading import ConfigError
from protes.config.outbound import OutboundSettings
from protes.config.settings import Settings
from protes.federation.clients import Clients
from protes.federation.guards import listed_guard
from protes.federation.known import KnownInstance
from protes.federation.merge import Listed, merge
from protes.federation.registries import Registries
from protes.store.memory import MemoryRecords
from protes.tes.errors import BadAnswer, DownstreamError, Refused, Throttled, Unreachable
from protes.tes.probe import Probe, probe
from protes.tes.timeouts import Timeouts

_TIMEOUTS = Timeouts(connect_seconds=5, read_seconds=10, get_seconds=15)
_AT_ONCE = 16
_MOST_LISTED = 200
_DENIED = frozenset({401, 403})


def check_federation(settings: Settings, environ: Mapping[str, str], clock: Clock) -> Iterator[Finding]:
    """Ask every registry, and probe every instance of the configuration and of the registries; with GET only."""
    listed: list[Listed] = []
    for each in settings.registries:
        yield _registry(each, environ, clock, listed)
    known = merge(settings.instances, listed)
    if not known:
        yield Reporter("instance").warn("there is none", "name instances or a registry (docs/federation.md)")
        return
    if len(known) > _MOST_LISTED:
        text = f"only the first {_MOST_LISTED} of {len(known)} are looked at"
        yield Reporter("instance").skip(text, "`protes instances` shows all, as the gateway has found them")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for findings in pool.map(lambda each: _instance(each, settings, environ, clock), known[:_MOST_LISTED]):
            yield from findings


def _registry(settings: RegistrySettings, environ: Mapping[str, str], clock: Clock, listed: list[Listed]) -> Finding:
    report = Reporter("registry", settings.url)
    try:
        registries = Registries((settings,), environ, MemoryRecords(), clock)
    except ConfigError as error:
        return report.fail(str(error), "mend the setting, or set the variable")
    try:
        [snapshot] = registries.refresh().values()
        if snapshot.error is not None:
            return report.fail(snapshot.error, "see that it runs, and that url and token_env are right")
        [found], _ = registries.listed()
    finally:
        registries.close()
    listed += found
    text = f"it lists {len(snapshot.services)} services, {len(found)} of them TES instances"
    if snapshot.warnings:
        return report.warn(f"{text}; {snapshot.warnings[0]}", "tell those who keep the registry")
    if not found:
        return report.warn(text, "see that its entries have type.artifact tes, and group and version as configured")
    return report.ok(text)


def _instance(known: KnownInstance, settings: Settings, environ: Mapping[str, str], clock: Clock) -> list[Finding]:
    """Probe one instance through a client of its own: what is wrong with others does not matter here."""
    report = Reporter("instance", known.id)
    own = (known.settings,) if known.source == "configuration" else ()
    try:
        clients = Clients(settings.model_copy(update={"instances": own, "credentials": {}}), environ, clock)
    except ConfigError as error:
        return [report.fail(str(error), "set the variable, or make the file, that its credentials name")]
    try:
        return list(_probed(known, settings.outbound, clients, clock, report))
    except ValueError as error:
        return [report.fail(f"its address cannot be used: {error}", "mend its url, or have the registry mend it")]
    finally:
        clients.close()


def _probed(
    known: KnownInstance, outbound: OutboundSettings, clients: Clients, clock: Clock, report: Reporter
) -> Iterator[Finding]:
    transport = clients.transport(known)
    transport = transport.at(transport.base_url, _TIMEOUTS)
    try:
        found = probe(transport)
    except DownstreamError as error:
        yield report.fail(error.text, _todo(error))
        return
    guard = listed_guard(outbound).addresses if known.guarded else None
    ca_file = known.settings.tls.ca_file or outbound.ca_file
    certificate = check_certificate(found.base_url, ca_file, clock.now(), report, guard)
    if certificate is not None:
        yield certificate
    yield _found(found, known, report)
    if known.settings.credentials.type == "pass_through":
        yield report.skip("it is shown callers' tokens, which cannot be tried here")
        return
    if found.auth_required:
        yield report.fail("it refuses our credentials", _CREDENTIALS)
        return
    asked = clock.now()
    try:
        answer = transport.at(found.base_url, _TIMEOUTS).get("/tasks", [("view", "MINIMAL"), ("page_size", "1")])
    except Refused as error:
        if error.status not in _DENIED:
            yield report.warn(f"its list of tasks is {error.text}", "tell those who run it; tasks are looked at singly")
            return
        yield report.fail(f"service-info is open, its tasks are not: {error.text}", _CREDENTIALS)
        return
    except DownstreamError as error:
        yield report.warn(f"its list of tasks does not work: {error.text}", _todo(error))
        return
    yield report.ok(f"it takes our credentials ({known.settings.credentials.type})")
    yield judged(report, skew_seconds(answer.headers, asked, clock.now()))


_CREDENTIALS = "mend its credentials in the configuration (docs/credentials.md)"


def _found(found: Probe, known: KnownInstance, report: Reporter) -> Finding:
    pinned = known.settings.dialect
    version = str(found.service_info.get("version") or "unknown")[:40]
    text = f"answers at {found.base_url}, dialect {found.dialect}, version {version}"
    if pinned is not None and pinned != found.dialect:
        return report.warn(f"{text}; the configuration says {pinned}", "take `dialect` out of its settings, or be sure")
    if not found.service_info and not found.auth_required:
        return report.warn(f"{text}; it has no service-info", "pin its `dialect` in the settings (docs/instances.md)")
    return report.ok(text)


def _todo(error: DownstreamError) -> str:
    if isinstance(error, Unreachable):
        return "see that it runs, that the address is right, and that no firewall stands between (docs/federation.md)"
    if isinstance(error, Throttled):
        return "wait, and ask less often"
    if isinstance(error, BadAnswer):
        return "see that its url is that of a TES server, with or without /ga4gh/tes/v1"
    return "look at the log of the instance"
