"""One view of configuration and registries: pure, ordered, the same whatever order its sources come in."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from protes.config.instances import Declared, InstanceSettings
from protes.config.loading import ConfigError
from protes.federation.known import KnownInstance
from service_registry_client import normalise_url

_API_PATHS = ("/ga4gh/tes/v1", "/v1")
NOTHING_DECLARED = Declared()
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Listed:
    """A TES instance that a registry lists.

    Attributes:
        url: its URL as listed.
        name: its name for people.
        declared: what else the entry says of it in the extension field `protes`.
    """

    url: str
    name: str
    declared: Declared = NOTHING_DECLARED


def key_of(url: str) -> str:
    """Return what tells instances apart: the normalised URL without the API path, which registries add or not.

    Raises:
        ValueError: `url` is none.
    """
    normal = normalise_url(url)
    for path in _API_PATHS:
        if normal.endswith(path):
            return normal.removesuffix(path)
    return normal


def merge(configured: Iterable[InstanceSettings], listed: Iterable[Listed]) -> tuple[KnownInstance, ...]:
    """Merge sources into instances by URL; what the configuration says of an instance wins.

    Returns:
        Instances ordered by id, nothing known of their health yet.
    """
    known = {key_of(each.url): _configured(each) for each in configured}
    ids = {each.id for each in known.values()}
    for entry in sorted(listed, key=lambda entry: (entry.url, entry.name)):
        key = key_of(entry.url)
        if key not in known:
            settings = InstanceSettings(id=_free_id(entry, ids), url=normalise_url(entry.url))
            ids.add(settings.id)
            known[key] = KnownInstance(settings, key, entry.name, "registry")
        known[key] = replace(known[key], settings=filled(known[key].settings, entry.declared))
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


def _configured(settings: InstanceSettings) -> KnownInstance:
    return KnownInstance(settings, key_of(settings.url), settings.id, "configuration")


def _free_id(entry: Listed, taken: Sequence[str] | set[str]) -> str:
    """Make an id for people of the entry's name, or host; registries' own ids repeat."""
    host = urlsplit(normalise_url(entry.url)).netloc
    wanted = _NOT_IN_IDS.sub("-", entry.name).strip("-._")[:50] or _NOT_IN_IDS.sub("-", host).strip("-._")[:50]
    candidates = (wanted if n == 1 else f"{wanted}-{n}" for n in range(1, len(taken) + 2))
    return next(each for each in candidates if each not in taken)


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
