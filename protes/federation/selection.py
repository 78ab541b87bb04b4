"""Which of the known instances a task names, by their URLs or by those of registries (DESIGN.md section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from protes.federation.known import FederationView, KnownInstance
from protes.federation.merge import key_of
from service_registry_client import normalise_url


@dataclass(frozen=True, slots=True)
class Selection:
    """What a task's URLs select.

    Attributes:
        instances: the known instances that any of the URLs names, ordered by id.
        unknown_instances: those of the instances' URLs at which no instance is known.
        unknown_registries: those of the registries' URLs by which no known instance is listed.
    """

    instances: tuple[KnownInstance, ...]
    unknown_instances: tuple[str, ...]
    unknown_registries: tuple[str, ...]


def select(view: FederationView, tes_urls: Sequence[str], registry_urls: Sequence[str]) -> Selection:
    """Select members of the federation; those who have left, or were brought by a task, are none.

    Args:
        view: the federation.
        tes_urls: of instances, in any spelling, with or without API path.
        registry_urls: of registries, in any spelling.

    Raises:
        ValueError: one of them is no URL.
    """
    keys = {url: key_of(url) for url in tes_urls}
    registries = {url: registry_url(url) for url in registry_urls}
    known = {key: each for key in keys.values() if (each := view.keyed(key)) is not None and each.is_member}
    listed = _listed(view, frozenset(registries.values())) if registries else {}
    chosen = {each.key: each for each in (*known.values(), *(each for found in listed.values() for each in found))}
    return Selection(
        tuple(sorted(chosen.values(), key=lambda each: each.id)),
        tuple(url for url, key in keys.items() if key not in known),
        tuple(url for url, key in registries.items() if key not in listed),
    )


def instance_url(url: str) -> str:
    """Return the one spelling of an instance's URL.

    Raises:
        ValueError: `url` is none.
    """
    return normalise_url(url)


def registry_url(url: str) -> str:
    """Return the one spelling of a registry's URL, as its client asks it.

    Raises:
        ValueError: `url` is none.
    """
    return normalise_url(normalise_url(url).removesuffix("/services"))


def _listed(view: FederationView, wanted: frozenset[str]) -> dict[str, list[KnownInstance]]:
    """Return the members that each of these registries lists; those that list none are left out."""
    found: dict[str, list[KnownInstance]] = {}
    for each in view.instances:
        if each.is_member and each.registries:
            for key in wanted & _registries_of(each.registries):
                found.setdefault(key, []).append(each)
    return found


@lru_cache(maxsize=1024)
def _registries_of(urls: tuple[str, ...]) -> frozenset[str]:
    """The same few tuples are in thousands of instances."""
    return frozenset(map(registry_url, urls))
