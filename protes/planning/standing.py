"""Which instances are asked to run a task at all, and why the others are not; the chain judges the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

from middleware import Reason
from protes.federation.brought import Gathered
from protes.federation.known import FederationView, KnownInstance
from protes.planning.consent import Consent
from protes.planning.consent import reason as not_allowed
from protes.planning.tried import tried
from protes.store.records import TaskRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """How the instances stand to a task before the chain is asked.

    Attributes:
        asked: the candidates, by id.
        reasons: why others are none, by id, or by URL where a task named one that is of no use.
        complete: there can be no others.
    """

    asked: Mapping[str, KnownInstance]
    reasons: Mapping[str, Reason]
    complete: bool


def standing_of(
    record: TaskRecord,
    view: FederationView,
    brought: Gathered | None,
    profiles: Mapping[str, object],
    consent: Consent | None = None,
    *,
    arriving: bool = False,
) -> Standing:
    """Sort out who is asked.

    Args:
        record: the task.
        view: the federation.
        brought: the instances that the task brings along and which alone it may go to; None where it brings none.
        profiles: the operator's profiles, by name.
        consent: where its owner's tasks may go; None: anywhere.
        arriving: the task is being submitted; what its owner does not allow now is impossible for it.
    """
    if brought is None:
        instances, complete = tuple(each for each in view.instances if each.is_member), view.complete
        reasons: dict[str, Reason] = {}
    else:
        instances, complete = brought.instances, view.complete and brought.complete
        reasons = {
            url: Reason(code=each.code, text=each.text, permanent=each.permanent)
            for url, each in brought.reasons.items()
        }
    reasons |= _not_asked(record, instances, profiles)
    if consent is not None:
        why = not_allowed(arriving=arriving)
        reasons |= {each.id: why for each in instances if not consent.allows(each)}
    return Standing({each.id: each for each in instances if each.id not in reasons}, reasons, complete)


def _not_asked(
    record: TaskRecord, instances: tuple[KnownInstance, ...], profiles: Mapping[str, object]
) -> dict[str, Reason]:
    """Return why instances are no candidates for a task, by id."""
    profile = record.preference.get("profile")
    if profile is not None and profile not in profiles:
        # Its limits are not known any more: the task waits until the operator brings it back.
        gone = Reason(code="profile", text=f"the profile {profile} is not configured any more", permanent=False)
        return {each.id: gone for each in instances}
    refused = {attempt.instance_url: attempt.message or "" for attempt in record.attempts if attempt.refused}
    before = tried(record)
    reasons: dict[str, Reason] = {}
    for each in instances:
        reason = _out(each, record.via, refused, before)
        if reason is not None:
            reasons[each.id] = reason
    return reasons


def _out(
    instance: KnownInstance, via: tuple[str, ...], refused: Mapping[str, str], before: Mapping[str, Reason]
) -> Reason | None:
    probed, base_url = instance.probed, instance.base_url
    if base_url is None:
        why = f"is unreachable: {probed.error}" if probed else "has not been probed yet"
        return Reason(code=instance.status, text=why, permanent=False)
    if probed is not None and probed.gateway_id in via:
        # It would send the task round and round (DESIGN.md section 4, "Loops are refused").
        return Reason(code="loop", text="is a gateway that the task has passed", permanent=True)
    if base_url in refused:
        return Reason(code="refused", text=f"refused the task: {refused[base_url]}", permanent=True)
    if base_url in before:
        return before[base_url]
    if instance.settings.drain:
        return Reason(code="draining", text="takes no new tasks (drain)", permanent=False)
    return None
