"""Who of those that are ejected is let in after all, because too many would be left out: pure.

Two rules, both Envoy's and both stricter here. A proxy that lets a sick host in risks a failed request. A gateway risks
more: a POST /tasks that a sick TES server does not answer well has an unknown outcome, which takes minutes to settle
and may end the task. Waiting costs nothing: a task that finds no instance stays QUEUED and is tried again.

- **Maximum ejection percentage.** That an instance is `failing` is a judgement of ours, made of its answers. Where we
  judge that way of very many at once, the cause is likelier ours, or the tasks', than theirs. So only a share of the
  instances may be left out for that, one at least; those that were left out first stay out. `unreachable` and `asked`
  are no judgements: no connection comes about, or the instance said so itself. They are not capped and never let in.
- **Panic.** Where fewer than a share of the instances are left, the `failing` ones that have answered a probe since
  they were left out are let in as well. One that does not even answer service-info is not: it would take no task.

The instances that count are those that tasks could be sent to if all were well: members of the federation with a known
base URL that are not drained.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from protes.config.federation import HealthSettings
from protes.federation.known import KnownInstance

_TOO_MANY = "too many instances would be left out for their answers"
_PANIC = "few instances are left, and this one answers service-info"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def judge(instances: Sequence[KnownInstance], settings: HealthSettings) -> tuple[tuple[KnownInstance, ...], bool]:
    """Set `let_in` anew for every instance.

    Args:
        instances: all of them, with the ejections that last now; in any order.
        settings: the two shares.

    Returns:
        The instances in the same order, and whether fewer than `panic_percent` of those that count are left.
    """
    counting = [each for each in instances if _counts(each)]
    let_in = dict.fromkeys((each.id for each in _beyond_cap(counting, settings)), _TOO_MANY)
    left = sum(each.ejection is None or each.id in let_in for each in counting)
    panicking = left * 100 < settings.panic_percent * len(counting)
    if panicking:
        let_in |= {each.id: _PANIC for each in counting if each.id not in let_in and _answers_again(each)}
    judged = (
        each if each.let_in == let_in.get(each.id) else replace(each, let_in=let_in.get(each.id)) for each in instances
    )
    return tuple(judged), panicking


def most_ejected(counting: int, settings: HealthSettings) -> int:
    """Return how many of so many instances may be left out for their answers."""
    return max(1, int(counting * settings.max_ejection_percent / 100))


def _counts(instance: KnownInstance) -> bool:
    return instance.is_member and instance.base_url is not None and not instance.settings.drain


def _is_failing(instance: KnownInstance) -> bool:
    return instance.ejection is not None and instance.ejection.kind == "failing"


def _beyond_cap(counting: Sequence[KnownInstance], settings: HealthSettings) -> Sequence[KnownInstance]:
    """Return those that are failing too, when the cap was reached before them."""
    failing = sorted((each for each in counting if _is_failing(each)), key=lambda each: (_since(each), each.id))
    return failing[most_ejected(len(counting), settings) :]


def _since(instance: KnownInstance) -> datetime:
    return (instance.ejection.since if instance.ejection is not None else None) or _LONG_AGO


def _answers_again(instance: KnownInstance) -> bool:
    probed, ejection = instance.probed, instance.ejection
    if probed is None or ejection is None or ejection.since is None:
        return False
    return _is_failing(instance) and probed.ok and probed.at > ejection.since
