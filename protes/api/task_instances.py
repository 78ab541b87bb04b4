"""What POST /tasks refuses of the instances that a task brings along, by what is known without asking anybody.

Under `open`, whether there is an instance at a URL shows when the task is dispatched (`protes.federation.brought`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from protes.api.problems import FieldError, invalid
from protes.config.settings import Settings
from protes.federation.brought import client_id
from protes.federation.guards import brought_guard
from protes.federation.known import FederationView
from protes.federation.merge import key_of
from protes.federation.naming import is_named
from protes.federation.selection import Selection, registry_url, select
from protes.outbound.addresses import NotAllowed
from protes.outbound.guard import Guard
from protes.store.records import TaskRecord

TES_URLS = "tes_urls"
REGISTRY_URLS = "service_registry_urls"

_MOST_SHOWN = 16
_ADDRESS = (
    "leads to no public address, which the operator does not allow (task_instances.allow_private, "
    "outbound.allow_networks)"
)


def check(settings: Settings, view: FederationView, record: TaskRecord) -> None:
    """Refuse what can never be: URLs against the policy, and a choice that leaves no instance.

    Args:
        settings: the settings.
        view: the federation now; as long as it is not complete, what is not known may be soon.
        record: the task, an offer that it names already turned into an instance.

    Raises:
        Problem: 400, naming the fields.
    """
    given = {name: record.preference[name] for name in (TES_URLS, REGISTRY_URLS) if name in record.preference}
    if not given:
        return
    policy = settings.task_instances.policy
    if policy == "off":
        text = "is not allowed here: the operator's task_instances.policy is off"
        raise invalid([FieldError(_place(record, name), text) for name in given])
    tes_urls, registry_urls = given.get(TES_URLS, ()), given.get(REGISTRY_URLS, ())
    selection = select(view, tes_urls, registry_urls)
    if policy == "open":
        _refuse_unasked(settings, selection, record, given)
    elif view.complete and not selection.instances:
        raise invalid([FieldError(_place(record, name), _unknown(name, urls)) for name, urls in given.items()])
    if view.complete:
        _refuse_contradiction(selection, record, given, others=policy == "open")


def may_bring(settings: Settings, preference: Mapping[str, Any]) -> bool:
    """Tell whether a task may bring along an instance that is not known here."""
    return settings.task_instances.policy == "open" and (TES_URLS in preference or REGISTRY_URLS in preference)


def may_be_named(settings: Settings, preference: Mapping[str, Any], name: str) -> bool:
    """Tell whether `name` in `protes.instances` may be an instance that the task itself brings along."""
    if not may_bring(settings, preference):
        return False
    tes_urls = preference.get(TES_URLS, ())
    return REGISTRY_URLS in preference or _is_among(name, tes_urls)


def _refuse_unasked(
    settings: Settings, selection: Selection, record: TaskRecord, given: Mapping[str, Sequence[str]]
) -> None:
    """Refuse URLs that show that they may not be asked, but for those that the operator named himself."""
    guard = brought_guard(settings.task_instances, settings.outbound)
    own = {registry_url(each.url) for each in settings.registries}
    unknown = {*selection.unknown_instances, *(url for url in selection.unknown_registries if url not in own)}
    errors = []
    for name, urls in given.items():
        for url in urls:
            why = _refusal(guard, url) if url in unknown else None
            if why is not None:
                errors.append(FieldError(_place(record, name), f"{_shown(url)} {why}"))
    if errors:
        raise invalid(errors)


def _refusal(guard: Guard, url: str) -> str | None:
    """Return why a URL is not asked, as far as that shows in it; None where it may be."""
    try:
        guard.check(url)
    except NotAllowed as refusal:
        text = str(refusal)
        return _ADDRESS if text == str(NotAllowed()) else f"is not asked: {text} (settings outbound and task_instances)"
    return None


def _refuse_contradiction(
    selection: Selection, record: TaskRecord, given: Mapping[str, Sequence[str]], *, others: bool
) -> None:
    """Refuse a task whose own choice of instances, or whose offer, leaves none of those that it brings along.

    Args:
        selection: the known ones among them.
        record: the task.
        given: the URLs, by preference.
        others: there may be more of them than the known ones.
    """
    choice = record.preference.get("instances")
    if choice is None or choice["type"] == "order":
        return
    if others and (selection.unknown_registries or _is_left(choice, selection.unknown_instances)):
        return
    wanted = choice["type"] == "allow"
    if any(is_named(each, choice["instances"]) is wanted for each in selection.instances):
        return
    name = "offer" if "offer" in record.preference else "instances"
    tags = " and ".join(f"protes.{each}" for each in given)
    raise invalid([FieldError(_place(record, name), f"leaves none of the instances that {tags} name")])


def _is_left(choice: Mapping[str, Any], urls: Sequence[str]) -> bool:
    """Whether the choice leaves one of the instances at these URLs, which are not known yet."""
    named = {key for key in map(key_of, urls) if any(_is_among(name, (key,)) for name in choice["instances"])}
    return bool(named) if choice["type"] == "allow" else len(named) < len({*map(key_of, urls)})


def _is_among(name: str, urls: Collection[str]) -> bool:
    """Whether `name` is the URL, or the id that it will have, of an instance at one of these URLs."""
    keys = {*map(key_of, urls)}
    if "://" not in name:
        return name in {*map(client_id, urls)}
    try:
        return key_of(name) in keys
    except ValueError:
        return False


def _unknown(name: str, urls: Sequence[str]) -> str:
    which = ", ".join(map(_shown, urls[:_MOST_SHOWN]))
    if name == TES_URLS:
        return f"none of these is the URL of an instance that is known here: {which}"
    return f"none of these is a registry that lists an instance that is known here: {which}"


def _shown(url: str) -> str:
    return url if len(url) <= 200 else url[:199] + "…"


def _place(record: TaskRecord, name: str) -> str:
    """Return the path of the field that said it."""
    if f"protes.{name}" in json.loads(record.document).get("tags", {}):
        return f"tags.protes.{name}"
    return f"resources.backend_parameters.protes_{name}"
