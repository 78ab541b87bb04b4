"""What is known of a task's data and of what instances say of it: from caches at once, or by asking (DESIGN.md 5).

Silence degrades a figure, never a task: nothing here raises but for the store. Whatever was asked is kept for a while.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from middleware import DataObject, Replica, Reported, TaskView
from middleware.needs import scheme_of
from protes.clock import Clock
from protes.config.loading import ConfigError
from protes.config.outbound import OutboundSettings
from protes.config.planning import LocationSettings, SourceSettings
from protes.outbound.guard import guard_of
from protes.outbound.tls import BadTls, tls_of
from protes.outbound.web import Silent, Web
from protes.sources.asking import Asker
from protes.sources.blob_logs import DIALECT as LOGS_ARE_BLOBS
from protes.sources.blob_logs import BlobLogs, LogSigner
from protes.sources.cache import Cache
from protes.sources.drs import DrsClient
from protes.sources.locations import Locations
from protes.sources.output_urls import with_own_urls
from protes.sources.outputs import Made, Outputs
from protes.sources.signing import BlobSigner
from protes.sources.sizes import http_size
from protes.sources.task_info import InstanceCaller, TaskInfo, question
from protes.store.protocols import Records, StoreError
from protes.store.records import Attempt, TaskRecord

logger = logging.getLogger(__name__)

_NOTHING_SECONDS = 60.0
_MOST_INPUTS = 1000


class AskedInstance(Protocol):
    """What must be known of an instance to ask it."""

    @property
    def base_url(self) -> str | None:
        """Its base URL."""

    @property
    def task_info(self) -> bool | None:
        """Whether to ask it; None leaves it to the setting for all."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a task's data.

    Attributes:
        data: by the URL of the input.
        zones: zone of each output, by its URL, where known.
    """

    data: Mapping[str, DataObject]
    zones: Mapping[str, str]


class Sources:
    """All sources together. Safe under threads. An `AccessPort` for rewrites.

    Attributes:
        signers: makers of signed URLs, by name; for rewrites too.
    """

    def __init__(
        self,
        settings: SourceSettings,
        locations: Sequence[LocationSettings],
        records: Records,
        clock: Clock,
        environ: Mapping[str, str],
        instances: InstanceCaller,
        outbound: OutboundSettings | None = None,
    ) -> None:
        """Ask nothing yet.

        Raises:
            ConfigError: a token or a key is not where it should be, a URL is none, or a CA bundle.
        """
        outbound = outbound or OutboundSettings()
        self._settings = settings
        self._clock = clock
        self._locations = Locations(locations)
        self._web = _web(clock, settings, outbound)
        resolver = settings.drs_resolver if settings.drs else None
        self._drs = DrsClient(settings.drs_servers, resolver, self._web, self._locations, clock, environ, outbound)
        keep, entries = settings.keep_seconds, settings.keep_entries
        self._objects: Cache[DataObject] = Cache(clock, entries, keep, min(_NOTHING_SECONDS, keep))
        self._outputs = Outputs(records, clock, settings.outputs_keep_seconds)
        self._task_info = TaskInfo(instances, records, clock, entries, keep)
        self._asker = Asker(settings.parallel)
        self.signers: Mapping[str, BlobSigner] = {
            each.name: BlobSigner(each, clock, environ) for each in settings.signers
        }
        logs = [LogSigner(self.signers[each.name], frozenset(each.logs_of)) for each in settings.signers]
        self._blob_logs = BlobLogs(logs, self._web, clock, settings.wait_seconds)

    def known(self, task: TaskView, audience: str = "") -> Facts:
        """Return what is known already; nobody is asked. Outputs are those of tasks shown to the same audience."""
        return self._facts(task, audience, {})

    def gather(self, task: TaskView, audience: str = "") -> Facts:
        """Ask what is not known yet, at most `sources.wait_seconds` long, and return all there is then."""
        urls = [url for url in _input_urls(task) if not self._objects.known(url)[0]]
        questions = {url: ask for url in urls if (ask := self._question(url)) is not None}
        answers = self._asker.ask(questions, self._settings.wait_seconds, _server_of) if questions else {}
        return self._facts(task, audience, answers)

    def reported(
        self, instances: Sequence[AskedInstance], task: TaskView, runtime_seconds: float | None, ask: bool
    ) -> Mapping[str, Reported]:
        """Return what instances estimate themselves for a task, by base URL; those that are silent are left out."""
        body = question(task, runtime_seconds)
        found: dict[str, Reported] = {}
        missing: dict[str, Callable[[], Reported | None]] = {}
        for each in instances:
            base = each.base_url
            if base is None or not (self._settings.task_info if each.task_info is None else each.task_info):
                continue
            there, answer = self._task_info.known(base, body)
            if answer is not None:
                found[base] = answer
            elif ask and not there and self._task_info.serves(base):
                missing[base] = self._asking(base, body)
        answers = self._asker.ask(missing, self._settings.wait_seconds, str) if missing else {}
        return found | {base: answer for base, answer in answers.items() if answer is not None}

    def access(self, url: str, replica: Replica | None, schemes: frozenset[str] | None) -> str | None:
        """Return a URL by which a `drs://` input is read now, see `AccessPort`; never kept, logged or stored."""
        if not self._settings.drs:
            return None
        try:
            return self._drs.access(url, replica, schemes, self._until())
        except Silent as silent:
            logger.info("a drs:// input cannot be resolved: its server %s", silent)
            return None

    def remember(self, finished: Sequence[TaskRecord]) -> None:
        """Note where the outputs of finished tasks went; a store that is down costs the note, not the relay."""
        try:
            self._outputs.remember(finished)
        except StoreError as error:
            logger.warning("where outputs of %d tasks went is not remembered: %s", len(finished), error)

    def completed(
        self, record: TaskRecord, attempt: Attempt, log: Mapping[str, Any], tail_bytes: int
    ) -> Mapping[str, Any]:
        """Return the log of a task that has ended as its client should see it.

        Outputs have the client's URLs, and the content of blobs stands in place of their URLs where it can be had now.

        Args:
            record: the task, with its document where the log lists outputs.
            attempt: the one that has ended.
            log: its `tesTaskLog` as the instance shows it.
            tail_bytes: of stdout and stderr at most, from the end.
        """
        if record.document and log.get("outputs"):
            log = with_own_urls(json.loads(record.document).get("outputs", ()), log)
        if attempt.dialect != LOGS_ARE_BLOBS:
            return log
        return self._blob_logs.filled(attempt.instance_id, log, tail_bytes)

    def close(self) -> None:
        """Ask nothing more."""
        self._asker.close()

    def _asking(self, base: str, body: str) -> Callable[[], Reported | None]:
        return lambda: self._task_info.ask(base, body, self._settings.wait_seconds)

    def _facts(self, task: TaskView, audience: str, answers: Mapping[str, DataObject | None]) -> Facts:
        data: dict[str, DataObject] = {}
        urls = _input_urls(task)
        made = self._outputs.find_all(urls, audience)
        for url in urls:
            found = self._described(url, answers.get(url) or self._objects.known(url)[1], made.get(url))
            if found is not None:
                data[url] = found
        places = {each.url: self._locations.at(each.url) for each in task.outputs}
        zones = {url: place.zone for url, place in places.items() if place is not None and place.zone is not None}
        return Facts(data, zones)

    def _described(self, url: str, asked: DataObject | None, made: Made | None) -> DataObject | None:
        """Put together what was asked, where the operator says it lies, and who made it."""
        place = self._locations.at(url)
        if made is not None:
            own = Replica(
                url=url,
                zone=place.zone if place is not None else None,
                coordinates=place.coordinates if place is not None else None,
                instance=made.instance,
            )
            size = made.size_bytes if made.size_bytes is not None else (asked.size_bytes if asked else None)
            others = asked.replicas if asked is not None else ()
            return DataObject(size_bytes=size, replicas=(own, *others))
        if asked is not None and asked.replicas:
            return asked
        if place is None:
            return asked
        here = Replica(url=url, zone=place.zone, coordinates=place.coordinates)
        return replace(asked or DataObject(), replicas=(here,))

    def _question(self, url: str) -> Callable[[], DataObject | None] | None:
        scheme = scheme_of(url)
        if scheme == "drs" and self._settings.drs:
            return lambda: self._objects.ask(url, lambda: self._ask_drs(url))
        if scheme in ("http", "https") and self._settings.http_sizes:
            return lambda: self._objects.ask(url, lambda: self._ask_size(url))
        return None

    def _ask_drs(self, url: str) -> DataObject | None:
        try:
            return self._drs.describe(url, self._until())
        except Silent as silent:
            logger.info("a drs:// input is not known: its server %s", silent)
            return None

    def _ask_size(self, url: str) -> DataObject | None:
        try:
            size = http_size(self._web, url, self._until())
        except Silent as silent:
            logger.info("the size of an input is not known: its server %s", silent)
            return None
        return DataObject(size_bytes=size) if size is not None else None

    def _until(self) -> float:
        return self._clock.monotonic() + self._settings.wait_seconds


def _web(clock: Clock, settings: SourceSettings, outbound: OutboundSettings) -> Web:
    try:
        return Web(clock, guard_of(outbound, allow_private=settings.allow_private), tls_of(outbound))
    except BadTls as problem:
        raise ConfigError(f"custom.outbound.ca_file: {problem}") from None


def _server_of(url: str) -> str:
    """The scheme and what stands for the server in a URL, also where it is a compact identifier."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?#:]', rest, maxsplit=1)[0]}".lower()


def _input_urls(task: TaskView) -> list[str]:
    """The URLs that inputs are fetched from, each once."""
    urls = (each.url for each in task.inputs[:_MOST_INPUTS] if each.url and each.content is None)
    return list(dict.fromkeys(urls))
