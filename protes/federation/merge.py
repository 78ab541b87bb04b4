"""One view of what the operator, registrations and registries say, merged by normalised URL; pure.

Of what several say of one instance the configuration wins field by field, then a registration, then a registry's entry,
then (in `federation.py`) the instance itself.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from protes.config.instances import Declared, InstanceSettings
from protes.config.loading import ConfigError
from protes.federation.known import KnownInstance
from service_registry_client import normalise_url

_API_PATHS = ("/ga4gh/tes/v1", "/v1")
NOTHING_DECLARED = Declared()
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 50
_HASH_CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Listed:
    """A TES instance that a registry lists.

    Attributes:
        url: its URL, normalised.
        name: its name for people.
        declared: what else the entry says of it in the extension field `protes`.
        registries: base URLs of the registry that lists it, and of those that list the registry.
        service: the entry as a GA4GH `ExternalService`.
        trusted: the operator lets this registry name private addresses.
        address: where to look for it first, where that is not `url`.
    """

    url: str
    name: str
    declared: Declared = NOTHING_DECLARED
    registries: tuple[str, ...] = ()
    service: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True
    address: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """An instance that an operator registered at run time.

    Attributes:
        settings: what the registration says.
        service: the registration as a GA4GH `ExternalService`.
    """

    settings: InstanceSettings
    service: Mapping[str, Any]


def key_of(url: str) -> str:
    """Return what tells instances apart: the normalised URL without the API path, which registries add or not.

    Raises:
        ValueError: `url` is none.
    """
    return _without_api_path(normalise_url(url))


def _without_api_path(normal: str) -> str:
    for path in _API_PATHS:
        if normal.endswith(path):
            return normal.removesuffix(path)
    return normal


def merge(
    configured: Iterable[InstanceSettings], listed: Iterable[Listed], registered: Iterable[Registered] = ()
) -> tuple[KnownInstance, ...]:
    """Merge sources into instances by URL; who comes first in the module's text wins.

    Returns:
        Instances ordered by id, nothing known of their health yet.
    """
    known: dict[str, KnownInstance] = {}
    for each in configured:
        key = key_of(each.url)
        known[key] = KnownInstance(each, key, each.id, "configuration")
    for registration in registered:
        _register(known, registration)
    by_key: dict[str, list[Listed]] = {}
    for entry in listed:
        by_key.setdefault(_without_api_path(entry.url), []).append(entry)
    names = _names({key: entries for key, entries in by_key.items() if key not in known}, known.values())
    for key, entries in by_key.items():
        _list(known, key, sorted(entries, key=_order), names)
    return tuple(sorted(known.values(), key=lambda each: each.id))


def filled(settings: InstanceSettings, declared: Declared) -> InstanceSettings:
    """Fill in, field by field, what is not said yet; what was said first stays."""
    said = declared.model_dump(exclude={"limits"})
    news = {name: getattr(declared, name) for name in said if getattr(settings, name) is None}
    limits = settings.limits.model_dump(exclude_none=True)
    news["limits"] = settings.limits.model_copy(
        update={name: value for name, value in declared.limits if name not in limits}
    )
    return settings.model_copy(update=news)


def _register(known: dict[str, KnownInstance], registration: Registered) -> None:
    """Add a registered instance, or what its registration adds to a configured one."""
    settings = registration.settings
    key = key_of(settings.url)
    before = known.get(key)
    if before is None:
        if any(each.id == settings.id for each in known.values()):
            # The configuration has taken its id for another instance since.
            settings = settings.model_copy(update={"id": f"{settings.id[:_LONGEST_NAME]}-{_hash(key)}"})
        name = str(registration.service.get("name") or settings.id)
        known[key] = KnownInstance(settings, key, name, "registration", service=registration.service)
        return
    known[key] = replace(before, settings=filled(before.settings, settings), service=registration.service)


def _list(known: dict[str, KnownInstance], key: str, entries: list[Listed], names: Mapping[str, str]) -> None:
    """Add an instance that registries list, or what they say of a known one; the first of several entries wins."""
    first = entries[0]
    before = known.get(key)
    settings = before.settings if before else InstanceSettings(id=names[key], url=first.address or first.url)
    for each in entries:
        if each.declared is not NOTHING_DECLARED:
            settings = filled(settings, each.declared)
    registries = first.registries
    if len(entries) > 1:
        registries = tuple(dict.fromkeys(url for each in entries for url in each.registries))
    if before is not None:
        service = before.service or first.service
        known[key] = replace(before, settings=settings, registries=registries, service=service)
        return
    # One registry whose word the operator takes is enough.
    guarded = not any(each.trusted for each in entries)
    known[key] = KnownInstance(
        settings, key, first.name, "registry", service=first.service, registries=registries, guarded=guarded
    )


def _order(entry: Listed) -> tuple[str, str, tuple[str, ...]]:
    return entry.url, entry.name, entry.registries


def _names(entries: Mapping[str, list[Listed]], known: Iterable[KnownInstance]) -> dict[str, str]:
    """Make an id for people of each entry's name, or host; registries' own ids repeat.

    A name that is not unique gets a part of the URL's hash behind it, so that an id never comes to mean another
    instance when one of two of the same name leaves.
    """
    wanted = {key: _wanted(min(each, key=_order)) for key, each in entries.items()}
    taken = Counter(wanted.values())
    taken.update(each.id for each in known)
    return {key: name if taken[name] == 1 else f"{name}-{_hash(key)}" for key, name in wanted.items()}


def _wanted(entry: Listed) -> str:
    name = _NOT_IN_IDS.sub("-", entry.name).strip("-._")[:_LONGEST_NAME].rstrip("-._")
    return name or _NOT_IN_IDS.sub("-", urlsplit(entry.url).netloc).strip("-._")[:_LONGEST_NAME].rstrip("-._")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_HASH_CHARACTERS]


def check_urls(configured: Iterable[InstanceSettings]) -> None:
    """Refuse configured URLs that are none, and two instances at one URL.

    Raises:
        ConfigError: names the instance.
    """
    keys: dict[str, str] = {}
    for each in configured:
        try:
            key = key_of(each.url)
        except ValueError as problem:
            raise ConfigError(f"custom.instances: {each.id}: url: {problem}") from None
        if key in keys:
            raise ConfigError(f"custom.instances: {each.id} has the same URL as {keys[key]}")
        keys[key] = each.id
