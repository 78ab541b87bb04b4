"""The use case behind POST /tasks: from a schema-valid document to a durable task (DESIGN.md section 4).

No instance is asked, and nothing here waits for anything but the store.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from protes.api import admission, task_instances
from protes.api.callers import Caller
from protes.api.idempotency import fingerprint, id_for_key
from protes.api.preference import Surroundings, effective, reserved_tag_errors
from protes.api.problems import FieldError, Problem, invalid
from protes.api.services import Services
from protes.api.validation import semantic_errors
from protes.api.visibility import GROUP, audience_for
from protes.clock import rfc3339
from protes.federation.known import FederationView
from protes.federation.naming import named
from protes.planning.convert import TOKEN_UNTIL
from protes.store.ids import new_task_id
from protes.store.records import TaskRecord, tag_entry
from protes.tes.documents import normalise

DISPATCH = "dispatch"
_GATEWAY_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
# A job is on its way; should it get lost, the sweep looks again after this.
_FIRST_ENQUEUE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Submission:
    """A POST of a task.

    Attributes:
        document: the parsed body, valid by the schema.
        base: TES base path it came on.
        prefix: gateway root it came on.
        url_weight: the weight in the root, or None.
        url_profile: the profile in the root, or None.
        header_weight: the `X-Protes-Weight` header, or None.
        token_kinds: kinds of the tokens that the task needs taken, such as that of the caller's own.
        authorization: the caller's own token, as the header has it, to be passed on to instances that want it; never
            that of the operator, and None where the request keeps none.
        via: the `Via` header, or None.
        key: the `Idempotency-Key` header, or None.
    """

    document: Mapping[str, Any]
    base: str
    prefix: str = ""
    url_weight: str | None = None
    url_profile: str | None = None
    header_weight: str | None = None
    token_kinds: tuple[str, ...] = ()
    authorization: SecretStr | None = None
    via: str | None = None
    key: str | None = None


def submit(parts: Services, caller: Caller, submission: Submission) -> str:
    """Make the task durable and return its id.

    Raises:
        Problem: 400 with what is wrong, or why no instance can ever run it; 413 or 429 where it is more than the caller
            may store; 422 for a reused key; 508 for a loop of gateways; 503 where the store does not keep up.
    """
    record = described(parts, caller, submission, gateways_passed(submission, parts.gateway_id))
    body = fingerprint(*wish(record))
    with parts.intake.place():
        if submission.key is not None:
            task_id = id_for_key(parts.records, parts.clock, caller.subject, submission.key, body, record.id)
            return _store(parts, caller, record, task_id, submission.authorization, keyed=True)
        sent = _in_name(parts, body, submission.authorization)
        with parts.reposts.watch(caller.subject, sent, submission.prefix, submission.base, record.id) as task_id:
            return _store(parts, caller, record, task_id, submission.authorization)


def _in_name(parts: Services, body: str, authorization: SecretStr | None) -> str:
    """Hash a body with its sender where tokens are passed on: who is anonymous here is not so at an instance."""
    if authorization is None or not parts.settings.passes_tokens:
        return body
    return fingerprint(body, parts.federation.tokens.mark(authorization))


def wish(record: TaskRecord) -> tuple[str, str]:
    """Return what two requests for the same task have in common."""
    return record.document, json.dumps(dict(record.preference), sort_keys=True)


def prepare(parts: Services, caller: Caller, submission: Submission, via: tuple[str, ...] = ()) -> TaskRecord:
    """Check a task that is not to be stored, and make the record that would be.

    Raises:
        Problem: 400 with everything that is wrong with it, or with the instances that it asks for; 413 or 429 where the
            caller asks for more than its quota.
    """
    record = described(parts, caller, submission, via)
    admission.dry_run(parts.quotas, caller, record)
    return _with_token(parts, _pinned(parts, record), submission.authorization)


def described(parts: Services, caller: Caller, submission: Submission, via: tuple[str, ...]) -> TaskRecord:
    """Check what the request itself says, which is the same whenever it is sent; make a record of it.

    Raises:
        Problem: 400 with everything that is wrong with it.
    """
    document = submission.document
    preference, errors = effective(document, _surroundings(parts, submission))
    if submission.token_kinds:
        preference["token_kinds"] = list(submission.token_kinds)
    if caller.groups:
        preference["groups"] = sorted(caller.groups)
    audience, refusal = _audience(parts, caller, preference)
    errors += refusal
    from_gateway = any(gateway in parts.settings.api.upstream_gateways for gateway in via)
    errors += semantic_errors(document) + reserved_tag_errors(document, from_gateway)
    if errors:
        raise invalid(errors)
    task = normalise(document)
    now = parts.clock.now()
    return TaskRecord(
        id=new_task_id(now),
        owner=caller.subject,
        audience=audience,
        created_at=now,
        document=json.dumps(task, separators=(",", ":")),
        name=task.get("name", ""),
        tags=tuple(sorted(tag_entry(key, value) for key, value in task.get("tags", {}).items())),
        preference=preference,
        via=via,
        due_at=now,
    )


def _audience(parts: Services, caller: Caller, preference: Mapping[str, Any]) -> tuple[str, Sequence[FieldError]]:
    """Return to whom the task is shown, and what is wrong with that."""
    try:
        return audience_for(caller, parts.settings.visibility, preference.get(GROUP)), ()
    except Problem as problem:
        return "", problem.errors


def _surroundings(parts: Services, submission: Submission) -> Surroundings:
    settings = parts.settings
    return Surroundings(
        header=submission.header_weight,
        url_weight=submission.url_weight,
        url_profile=submission.url_profile,
        default=settings.api.weight,
        profiles={name: profile.weight for name, profile in settings.profiles.items()},
        max_retries=settings.dispatch.max_retries,
        callback_hosts=settings.events.callback_hosts,
        callback_http=settings.events.callback_http,
    )


def _pinned(parts: Services, record: TaskRecord) -> TaskRecord:
    """Pin a task with an offer to the offer's instance; refuse a choice of instances that leaves none.

    Raises:
        Problem: 400, the offer is not, or not any more; or an instance is not known, or may not be brought along.
    """
    preference = record.preference
    view = parts.federation.view()
    if "offer" in preference:
        try:
            instance = parts.offers.instance_for(preference["offer"], record.owner, parts.clock.now())
        except ValueError as problem:
            raise invalid([FieldError("tags.protes.offer", str(problem))]) from None
        choice = {"type": "allow", "instances": [instance]}
        record = replace(record, preference={**preference, "instances": choice})
    elif view.complete:
        _refuse_unknown(parts, record, view)
    task_instances.check(parts.settings, view, record)
    return record


def _refuse_unknown(parts: Services, record: TaskRecord, view: FederationView) -> None:
    """Refuse a choice of an instance that neither the federation nor the task itself names.

    Raises:
        Problem: 400.
    """
    asked = record.preference.get("instances")
    if asked is None or asked["type"] == "forbid":
        return
    for place, name in enumerate(asked["instances"]):
        if named(view, name) is None and not task_instances.may_be_named(parts.settings, record.preference, name):
            raise invalid([FieldError("tags.protes.instances", f"instances[{place}] is not known")])


def gateways_passed(submission: Submission, own_id: str) -> tuple[str, ...]:
    """Return the ids of the gateways the task has passed, oldest first.

    Raises:
        Problem: 508 where this gateway is among them.
    """
    hops = (hop.split() for hop in (submission.via or "").split(","))
    names = [hop[1] for hop in hops if len(hop) > 1]
    names += str(submission.document.get("tags", {}).get("protes_gateway", "")).split(",")
    passed = tuple(dict.fromkeys(name.strip() for name in names if _GATEWAY_ID.fullmatch(name.strip())))
    if own_id in passed:
        raise Problem(508, "the task has passed this gateway before: the gateways form a ring")
    return passed


def _with_token(parts: Services, record: TaskRecord, authorization: SecretStr | None) -> TaskRecord:
    """Note until when the caller's token can be passed on, where there is an instance that wants it."""
    if authorization is None or not parts.settings.passes_tokens:
        return record
    ends = parts.federation.tokens.usable_until(authorization, record.created_at)
    if ends is None:
        return record
    return replace(record, preference={**record.preference, TOKEN_UNTIL: rfc3339(ends)})


def _store(
    parts: Services,
    caller: Caller,
    record: TaskRecord,
    task_id: str,
    authorization: SecretStr | None,
    *,
    keyed: bool = False,
) -> str:
    """Make the task durable under `task_id`: its own, or that of an earlier request for the same task.

    `keyed`: other requests may have made it under that id, too.
    """
    # A repeat of a stored task is that task, whatever has become of its offer and its instances since. It is durable,
    # and not stored once more: it may be deleted at this very moment.
    repeat = task_id != record.id
    if repeat and (parts.tasks.get(task_id, head=True) is not None or parts.removal.was_removed(task_id)):
        return task_id
    record = replace(record, id=task_id)
    with admission.entrance(parts.quotas, caller) as entrance:
        with entrance.room(record):
            record = possible(parts, record, authorization)
        keep_token(parts, record, authorization)
        record = on_its_way(parts, record)
        stored = parts.tasks.create(record)
    if (keyed or repeat) and parts.removal.again([stored.id]):
        return stored.id
    if record.enqueued_until is not None:
        parts.runner.submit(DISPATCH, stored.id)
    parts.waiting.nudge()
    return stored.id


def possible(parts: Services, record: TaskRecord, authorization: SecretStr | None) -> TaskRecord:
    """Check whether the task can be run by the instances known now; return it as it is to be stored.

    Raises:
        Problem: 400, it asks for instances that are not known, or none can ever run it.
    """
    record = _with_token(parts, _pinned(parts, record), authorization)
    reasons = parts.planner.impossible(record)
    if reasons:
        raise Problem(400, "no instance can ever run this task: " + "; ".join(reasons))
    return record


def keep_token(parts: Services, record: TaskRecord, authorization: SecretStr | None) -> None:
    """Keep the caller's token of a `possible` task; before the task is stored, as it may be dispatched at once."""
    if authorization is not None and TOKEN_UNTIL in record.preference:
        tokens, tasks = parts.federation.tokens, parts.tasks
        tokens.keep(record.id, authorization, lambda: tasks.get(record.id, head=True) is not None)


def on_its_way(parts: Services, record: TaskRecord) -> TaskRecord:
    """Note that a job is about to be submitted for the new task, where there is anywhere to bring it."""
    # Where there is no instance yet the tick brings the task to one as soon as there is.
    ready = parts.federation.view().ready or task_instances.may_bring(parts.settings, record.preference)
    return replace(record, enqueued_until=parts.clock.now() + _FIRST_ENQUEUE) if ready else record
