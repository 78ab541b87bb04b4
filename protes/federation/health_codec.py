"""The health of instances as JSON for `Records`, and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protes.clock import parse_rfc3339, rfc3339
from protes.federation.health_rules import Condition, LearnedLimit
from protes.federation.known import Ejection


def condition_to_json(condition: Condition) -> dict[str, Any]:
    """Write a `Condition`; what is nothing is left out."""
    value: dict[str, Any] = {
        "submission_failures": condition.submission_failures,
        "other_failures": condition.other_failures,
        "local_origin_failures": condition.local_origin_failures,
        "ejection": ejection_to_json(condition.ejection) if condition.ejection is not None else None,
        "limit": _limit_to_json(condition.limit) if condition.limit is not None else None,
    }
    return {name: each for name, each in value.items() if each}


def condition_from_json(value: Mapping[str, Any]) -> Condition:
    """Read what `condition_to_json` wrote."""
    ejection, limit = value.get("ejection"), value.get("limit")
    return Condition(
        submission_failures=value.get("submission_failures", 0),
        other_failures=value.get("other_failures", 0),
        local_origin_failures=value.get("local_origin_failures", 0),
        ejection=ejection_from_json(ejection) if ejection is not None else None,
        limit=_limit_from_json(limit) if limit is not None else None,
    )


def ejection_to_json(ejection: Ejection) -> dict[str, Any]:
    """Write an `Ejection`."""
    return {
        "until": rfc3339(ejection.until),
        "times": ejection.times,
        "reason": ejection.reason,
        "kind": ejection.kind,
        "since": rfc3339(ejection.since) if ejection.since is not None else None,
    }


def ejection_from_json(value: Mapping[str, Any]) -> Ejection:
    """Read what `ejection_to_json` wrote."""
    return Ejection(
        until=parse_rfc3339(value["until"]),
        times=value["times"],
        reason=value["reason"],
        kind=value["kind"],
        since=_moment(value["since"]),
    )


def _limit_to_json(limit: LearnedLimit) -> dict[str, Any]:
    return {
        "tasks": limit.tasks,
        "first": limit.first,
        "refused_at": rfc3339(limit.refused_at),
        "changed_at": rfc3339(limit.changed_at),
    }


def _limit_from_json(value: Mapping[str, Any]) -> LearnedLimit:
    return LearnedLimit(
        tasks=value["tasks"],
        first=value["first"],
        refused_at=parse_rfc3339(value["refused_at"]),
        changed_at=parse_rfc3339(value["changed_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return parse_rfc3339(text) if text is not None else None
