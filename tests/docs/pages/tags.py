"""`docs/tags.md`: the tags that tasks may have, and what the gateway tells in log metadata, from the code."""

import re
from pathlib import Path

from protes.api.preference_values import READERS

ROOT = Path(__file__).parents[3]
_BAD = "\0"

MEANINGS = {
    "weight": "cost (0) against run time (1)",
    "value_of_time": "what an hour is worth, in the place of a weight",
    "max_cost": "offers that cost more are out",
    "deadline_seconds": "offers that take longer are out",
    "runtime_seconds": "expected run time at reference speed",
    "affinity": "tasks of the same name stay at one instance where that costs little",
    "allowed_zones": "where the task may run",
    "instances": "only these instances, not these, or these first",
    "tes_urls": "run at one of these instances ([instances per task](task-instances.md))",
    "service_registry_urls": "run at an instance that one of these registries lists",
    "retries": "failures of an instance after which another is tried ([reliability](reliability.md#tries-elsewhere))",
    "profile": "the operator's preset ([profiles](preferences.md#profiles))",
    "offer": "run the task as offered ([offers](offers.md))",
    "group": "which of the caller's groups may see the task",
    "callback_url": "where changes of the task's state are pushed to",
}
"""What each tag that a client may set is for."""

_VALUES = {"callback_url": "a URL that the operator's settings allow"}
"""Values of tags that the settings judge, not a grammar."""

METADATA = {
    "protes.instance": "id of the instance that runs it",
    "protes.instance_url": "its URL, for operators or with `api.show_instances`",
    "protes.instance_task_id": "the instance's id of the task, likewise",
    "protes.routing": "path of the routing explanation",
    "protes.rank": "which of the offers it was, from 1",
    "protes.weight": "the weight that counted",
    "protes.value_of_time": "the value of time that counted, in the place of a weight",
    "protes.cost": "estimated cost, with currency",
    "protes.seconds": "estimated time to the end, seconds",
    "protes.wait_seconds": "the wait that was expected, seconds",
    "protes.queued": "how many of the gateway's tasks waited there",
    "protes.run_seconds": "estimated run time alone, seconds",
    "protes.run_cost": "estimated cost of the run alone",
    "protes.basis": "what the estimate rests on",
    "protes.offers": "what the best five offered",
    "protes.chain": "what each step of the chain did",
    "protes.replicas": "which copy of each input was chosen",
}
"""What the gateway adds to `logs[].metadata`."""

OWN = {
    "protes_attempt": "`<task id>-<n>`: marks the copy of an attempt, so that it can be found again",
    "protes_gateway": "ids of the gateways that the task has passed, so that rings are seen",
}
"""Tags of forwarded copies, which clients may not set."""

_HEAD = """# Tags and metadata

Tags under `protes.` are wishes of a client; how they are weighed against headers, URLs and defaults is said in
[wishes per task](preferences.md). Tags are strings. A tag that is not in this table, and a value that is not what
it says, is a 400. All other tags are yours and come back untouched.

This page is made from the code: `python -m tests.docs.generate`.

## Tags that you may set

| tag | backend parameter | value | meaning |
|---|---|---|---|
"""

_METADATA = """
## What the gateway tells

`logs[].metadata` is a map of strings. What a middleware adds stands beside these, such as `protes.submitter.engine`.

| key | meaning |
|---|---|
"""

_OWN = """
## Tags of forwarded copies

An instance sees these on what the gateway sends it; from anyone but a configured gateway they are refused.

| tag | meaning |
|---|---|
"""


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for name in READERS:
        parts.append(f"| `protes.{name}` | `protes_{name}` | {allowed(name)} | {MEANINGS[name]} |\n")
    parts.append(_METADATA)
    parts += [f"| `{key}` | {meaning} |\n" for key, meaning in METADATA.items()]
    parts.append(_OWN)
    parts += [f"| `{key}` | {meaning} |\n" for key, meaning in OWN.items()]
    return "".join(parts)


def allowed(name: str) -> str:
    """Return what a tag's value must be, in the words of its refusal."""
    if name in _VALUES:
        return _VALUES[name]
    try:
        READERS[name](_BAD)
    except ValueError as error:
        return re.sub(r"\bmust be ", "", str(error)).replace("|", "\\|")
    raise AssertionError(f"protes.{name} takes anything")
