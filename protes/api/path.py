"""Through which gateways a task came to the instance that ran it, as far as they tell.

A nested protes writes the rest of the way into `logs[].metadata` as `protes.path`; a proTES writes `forwarded_to`.
"""

import json
from collections.abc import Mapping
from typing import Any

from protes.store.records import Attempt

PATH_KEY = "protes.path"
_PROTES = "protes"
_FORWARDED_KEY = "forwarded_to"
_MOST_HOPS = 16
_LONGEST_TEXT = 2048
_FIELDS = ("instance", "url", "task_id")
_SECRET_FIELDS = ("url", "task_id")


def hops(attempt: Attempt, show_instances: bool) -> list[dict[str, str]]:
    """Return the instances an attempt passed, this gateway's choice first, the one that ran it last.

    Args:
        attempt: the attempt.
        show_instances: whether the caller may see URLs and task ids of instances.

    Returns:
        Objects with `instance` and, where they are known and may be seen, `url` and `task_id`.
    """
    own = {"instance": attempt.instance_id, "url": attempt.instance_url, "task_id": attempt.instance_task_id}
    metadata = (attempt.log or {}).get("metadata", {})
    way = [{name: text for name, text in own.items() if text}, *_further(attempt.dialect, metadata)]
    if show_instances:
        return way
    return [{name: text for name, text in hop.items() if name not in _SECRET_FIELDS} for hop in way]


def path_metadata(attempt: Attempt, show_instances: bool) -> dict[str, str]:
    """Return what the views add to `logs[].metadata` of a task that went through another gateway."""
    way = hops(attempt, show_instances)
    return {PATH_KEY: json.dumps(way, separators=(",", ":"))} if len(way) > 1 else {}


def _further(dialect: str, metadata: Mapping[str, str]) -> list[dict[str, str]]:
    """Read the hops behind the instance; what an instance says there that is no gateway is not believed."""
    if dialect == _PROTES:
        found = _listed(_parsed(metadata.get(PATH_KEY)))
        if found:
            return found
        next_one = {
            "instance": metadata.get("protes.instance"),
            "url": metadata.get("protes.instance_url"),
            "task_id": metadata.get("protes.instance_task_id"),
        }
        return _listed([next_one])
    forwarded = _parsed(metadata.get(_FORWARDED_KEY))
    if not isinstance(forwarded, Mapping):
        return []
    url = forwarded.get("url")
    return _listed([{"instance": url, "url": url, "task_id": forwarded.get("id")}])


def _listed(found: Any) -> list[dict[str, str]]:
    """Keep what has the shape of hops."""
    if not isinstance(found, list):
        return []
    read = (
        {name: each[name][:_LONGEST_TEXT] for name in _FIELDS if isinstance(each.get(name), str) and each[name]}
        for each in found[:_MOST_HOPS]
        if isinstance(each, Mapping)
    )
    return [hop for hop in read if "instance" in hop]


def _parsed(text: object) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
