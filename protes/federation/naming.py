"""Finding an instance by what clients and operators call it: its id, or its URL in any of its spellings."""

from collections.abc import Collection

from protes.federation.known import FederationView, KnownInstance
from protes.federation.merge import key_of


def named(view: FederationView, name: str) -> KnownInstance | None:
    """Return the instance with this id or URL, or None."""
    return next((each for each in view.instances if is_named(each, (name,))), None)


def is_named(instance: KnownInstance, names: Collection[str]) -> bool:
    """Tell whether one of the names is the instance's."""
    return instance.id in names or any("://" in name and _key(name) == instance.key for name in names)


def _key(url: str) -> str | None:
    try:
        return key_of(url)
    except ValueError:
        return None
