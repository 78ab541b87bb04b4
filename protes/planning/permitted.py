"""Which instances a caller may use, whatever the task: what the step `access` and a profile's list leave."""

from collections.abc import Callable, Iterable

from middleware import Candidate, Context, Reason, TaskView
from middleware.access import create as make_access
from protes.config.planning import StepSettings
from protes.config.settings import Settings
from protes.federation.known import KnownInstance
from protes.federation.naming import is_named
from protes.planning.consent import Consent

_ACCESS = ("access", "middleware.access:create")
_NO_TASK = TaskView(id="", executors=())


def permitted(
    settings: Settings,
    subject: str,
    groups: frozenset[str],
    instances: Iterable[KnownInstance],
    profile: str | None = None,
    consent: Consent | None = None,
) -> frozenset[str]:
    """Return the ids of the instances that neither `access` nor the caller denies to the caller's tasks.

    A rule that asks for tags fits no caller here, as there is no task that could have them.

    Args:
        settings: the settings; the options of `access` in them were found right at start.
        subject: who calls, "" for anonymous.
        groups: the caller's groups.
        instances: the instances in question.
        profile: name of the profile under which the caller asks, None for none.
        consent: what the caller allows, None for everything.
    """
    preset = settings.profiles.get(profile) if profile is not None else None
    steps = preset.chain if preset is not None and preset.chain is not None else settings.chain
    listed = preset.instances if preset is not None else None
    context = Context(seed="", owner=subject, groups=groups)
    judges = [_judge(step, context) for step in _access_steps(steps)]

    def may_use(instance: KnownInstance) -> bool:
        if listed is not None and not is_named(instance, listed):
            return False
        if consent is not None and not consent.allows(instance):
            return False
        candidate = Candidate(id=instance.id, url=instance.base_url or instance.key)
        return all(judge(candidate) is None for judge in judges)

    return frozenset(each.id for each in instances if may_use(each))


def _access_steps(steps: Iterable[StepSettings]) -> list[StepSettings]:
    return [choice for step in steps for choice in (step, *step.alternatives) if choice.use in _ACCESS]


def _judge(step: StepSettings, context: Context) -> Callable[[Candidate], Reason | None]:
    access = make_access(**step.options)
    if access.prepare is not None:
        return access.prepare(_NO_TASK, context)
    return lambda candidate: access.check(_NO_TASK, candidate, context)
