"""The instances that a task brings along: `protes.tes_urls` and `protes.service_registry_urls` (DESIGN.md section 6).

The operator's policy decides: `off` takes none, `subset` those that the federation knows already, `open` also others.
Those are asked for here, when the task is planned, and what they answered serves the tasks after it.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from protes.clock import Clock
from protes.config.federation import TaskInstancesSettings
from protes.config.instances import Declared, InstanceSettings
from protes.config.outbound import OutboundSettings
from protes.federation.guards import brought_guard
from protes.federation.known import FederationView, InstanceHealth, KnownInstance, Probed
from protes.federation.looks import Looks, Turns
from protes.federation.merge import filled, key_of
from protes.federation.selection import Selection, select
from protes.federation.strangers import Entry, Strangers, Unusable
from protes.outbound.addresses import Resolver, resolve
from protes.outbound.tls import tls_of

__all__ = ["Brought", "Gathered", "Unusable", "client_id"]

Answer = TypeVar("Answer")

_THREADS = 8
_FRESH_FAILURE_SECONDS = 30.0
_KEPT_TIMES = 2
_LONGEST_HOST = 40
_HASH_CHARACTERS = 8
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")

_OFF = Unusable("off", "the operator takes no instances from tasks")
_UNKNOWN = Unusable("unknown", "is not known to this gateway")
_UNASKED = Unusable("unasked", "has not answered yet")
_RETIRED = Unusable("retired", "has left the federation while tasks still run there")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a task's URLs come to.

    Attributes:
        instances: the candidates, ordered by id: known ones as they are, others with the source `client`.
        reasons: why URLs are of no use, by URL.
        complete: all that had to be asked has answered, well or badly.
    """

    instances: tuple[KnownInstance, ...] = ()
    reasons: Mapping[str, Unusable] = field(default_factory=dict)
    complete: bool = True


class Brought:
    """Gathers them. Safe under threads; a thousand tasks with the same URLs cost one look at each."""

    def __init__(
        self,
        settings: TaskInstancesSettings,
        gateway_id: str,
        clock: Clock,
        *,
        states: Callable[[], Mapping[str, InstanceHealth]] = dict,
        outbound: OutboundSettings | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            settings: policy, guard and times.
            gateway_id: ours, by which the gateway recognises itself.
            clock: measures.
            states: returns what workers have seen of instances, by base URL.
            outbound: what may be asked; as by default.
            resolver: finds the addresses of hosts.

        Raises:
            BadTls: a file that `outbound` names cannot be used.
        """
        self._settings = settings
        self._clock = clock
        self._states = states
        self._turns = Turns(_THREADS)
        outbound = outbound or OutboundSettings()
        strangers = Strangers(gateway_id, clock, brought_guard(settings, outbound, resolver), tls_of(outbound))
        self._instances: Looks[Probed | Unusable] = self._looks(strangers.instance)
        self._registries: Looks[tuple[Entry, ...] | Unusable] = self._looks(strangers.registry)

    def gather(
        self, tes_urls: Sequence[str], registry_urls: Sequence[str], view: FederationView, *, ask: bool, until: float
    ) -> Gathered:
        """Return the instances that a task names, by its URLs or its registries'.

        Args:
            tes_urls: URLs of instances, normalised.
            registry_urls: URLs of registries, normalised.
            view: the federation; what it knows is not asked again.
            ask: whether servers may be asked, within `fetch_seconds`; else what is known already must do.
            until: monotonic time by which this returns in any case.

        Raises:
            ValueError: a URL is none.
        """
        if self._settings.policy == "off":
            return Gathered(reasons=dict.fromkeys((*tes_urls, *registry_urls), _OFF))
        selection = select(view, tes_urls, registry_urls)
        if self._settings.policy == "subset":
            unknown = (*selection.unknown_instances, *selection.unknown_registries)
            return Gathered(selection.instances, dict.fromkeys(unknown, _UNKNOWN))
        return self._open(selection, view, ask, until)

    def close(self) -> None:
        """Ask nothing more."""
        self._turns.close()

    def _open(self, selection: Selection, view: FederationView, ask: bool, until: float) -> Gathered:
        now = self._clock.monotonic()
        until = min(until, now + self._settings.fetch_seconds)
        # Under way while the registries are waited for.
        self._instances.answers(selection.unknown_instances, now, ask=ask)
        lists = self._registries.answers(selection.unknown_registries, until, ask=ask)
        reasons = {url: found for url, found in lists.items() if isinstance(found, Unusable)}
        reasons.update((url, _UNASKED) for url in selection.unknown_registries if url not in lists)
        known, entries = _sorted_out(selection, lists, view)
        answers = self._instances.answers([each.url for each in entries.values()], until, ask=ask)
        states = self._states() if entries else {}
        found = []
        for key, entry in entries.items():
            answer = answers.get(entry.url, _UNASKED)
            made = answer if isinstance(answer, Unusable) else self._instance(key, entry, answer, view, states)
            if isinstance(made, Unusable):
                reasons[entry.url] = made
            else:
                found.append(made)
        # Of two addresses of one server a member's stays.
        instances = {each.base_url or each.key: each for each in (*found, *known)}
        ordered = tuple(sorted(instances.values(), key=lambda each: each.id))
        return Gathered(ordered, reasons, _UNASKED not in reasons.values())

    def _instance(
        self, key: str, entry: Entry, probed: Probed, view: FederationView, states: Mapping[str, InstanceHealth]
    ) -> KnownInstance | Unusable:
        """Make an instance of what was found at a URL; a member that answers there stays what it is.

        One that the operator has taken out is not brought back: how its tasks are relayed must not depend on a client.
        """
        before = view.at(probed.base_url or "")
        if before is not None and before.is_member:
            return before
        if before is not None and before.source == "retired":
            return _RETIRED
        settings = filled(InstanceSettings(id=client_id(entry.url), url=entry.url), entry.declared)
        if probed.declared:
            settings = filled(settings, Declared.model_validate(probed.declared))
        health = states.get(probed.base_url or "")
        made = KnownInstance(
            settings,
            key,
            entry.name or settings.id,
            "client",
            probed=probed,
            ejection=health.ejection if health is not None else None,
            guarded=not self._settings.allow_private,
            health=health,
        )
        if before is None:
            return made
        # Tasks run there already.
        return replace(made, ejection=before.ejection, in_flight=before.in_flight, queued=before.queued)

    def _looks(self, look: Callable[[str, float], Answer]) -> Looks[Answer]:
        settings = self._settings

        def fresh_seconds(answer: object) -> float:
            failed = isinstance(answer, Unusable) and not answer.permanent
            return min(_FRESH_FAILURE_SECONDS, settings.keep_seconds) if failed else settings.keep_seconds

        return Looks(
            look,
            fresh_seconds,
            self._turns,
            self._clock,
            look_seconds=settings.fetch_seconds,
            keep_seconds=_KEPT_TIMES * settings.keep_seconds,
            entries=settings.keep_entries,
        )


def _sorted_out(
    selection: Selection, lists: Mapping[str, tuple[Entry, ...] | Unusable], view: FederationView
) -> tuple[list[KnownInstance], dict[str, Entry]]:
    """Return the members that are named, and by key what else is, what the task names itself first."""
    listed = (each for found in lists.values() if not isinstance(found, Unusable) for each in found)
    known = {each.key: each for each in selection.instances}
    entries: dict[str, Entry] = {}
    for entry in (*map(Entry, selection.unknown_instances), *listed):
        key = key_of(entry.url)
        member = view.keyed(key)
        if member is not None and member.is_member:
            known[key] = member
        else:
            entries.setdefault(key, entry)
    return list(known.values()), entries


def client_id(url: str) -> str:
    """Make the id of an instance that a task brings: the same for the same URL, in every process.

    Raises:
        ValueError: `url` is none.
    """
    key = key_of(url)
    host = _NOT_IN_IDS.sub("-", urlsplit(key).netloc).strip("-._")[:_LONGEST_HOST]
    return f"client-{host}-{hashlib.sha256(key.encode()).hexdigest()[:_HASH_CHARACTERS]}"
