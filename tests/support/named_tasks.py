"""Tasks with names of few characters, queries for prefixes of them, and what a query finds, looked at one by one."""

import random
from collections.abc import Iterable

from hypothesis import strategies as st

from protes.store.records import TaskQuery, TaskRecord, tag_entry
from protes.tes.states import State, shown
from tests.support.task_records import START, a_task

# The borders of what a character is in UTF-8, what is special to patterns, and letters that differ in case only.
_CHARACTERS = "aAb%_*\x00\x7f\x80\ud7ff\ue000\uffff\U00010000\U0010ffff"
_OWNERS = ("", "ann", "ben")
_AUDIENCES = ("", "user:ann", "group:g", "group:h")
_STATES = (State.QUEUED, State.RUNNING, State.PAUSED)
_COUNT = 200

_names = st.text(st.sampled_from(_CHARACTERS), max_size=3)
_tags = st.sampled_from([("k", "1"), ("k", "2"), ("k", None), ("l", None), ("m", None)])
_ids = st.integers(-1, _COUNT).map("n{:04}".format)

queries = st.builds(
    TaskQuery,
    owner=st.sampled_from([None, None, *_OWNERS]),
    state=st.sampled_from([None, None, *_STATES]),
    shown=st.booleans(),
    name_prefix=_names,
    tags=st.lists(_tags, max_size=2, unique=True).map(tuple),
    before=st.none() | _ids,
    limit=st.sampled_from([0, 1, 3, 20, 1000]),
    heads=st.just(True),
    audiences=st.none() | st.lists(st.sampled_from([*_AUDIENCES, "absent"]), unique=True).map(tuple),
)
"""Pages of some of `named_tasks`."""


def named_tasks(seed: int = 1) -> list[TaskRecord]:
    """Return tasks that differ in what queries ask for; the same for the same seed."""
    chance = random.Random(seed)
    return [_named(chance, number) for number in range(_COUNT)]


def naive(tasks: Iterable[TaskRecord], query: TaskQuery) -> list[str]:
    """Return the ids that a query is to find."""
    found = sorted((task.id for task in tasks if _wanted(task, query)), reverse=True)
    return [each for each in found if not query.before or each < query.before][: query.limit]


def _named(chance: random.Random, number: int) -> TaskRecord:
    tags = {tag_entry(key, chance.choice("12")) for key in chance.sample("kl", chance.randrange(3))}
    return a_task(
        f"n{number:04}",
        name="".join(chance.choices(_CHARACTERS, k=chance.randrange(5))),
        owner=chance.choice(_OWNERS),
        audience=chance.choice(_AUDIENCES),
        state=chance.choice(_STATES),
        last_steady=State.RUNNING,
        tags=tuple(sorted(tags)),
        due_at=START,
    )


def _wanted(task: TaskRecord, query: TaskQuery) -> bool:
    if query.owner is not None and task.owner != query.owner:
        return False
    if query.audiences is not None and task.audience not in query.audiences:
        return False
    state = shown(task.state, task.last_steady) if query.shown else task.state
    if query.state is not None and state is not query.state:
        return False
    return task.name.startswith(query.name_prefix) and all(_tagged(task, *tag) for tag in query.tags)


def _tagged(task: TaskRecord, key: str, value: str | None) -> bool:
    if value is not None:
        return tag_entry(key, value) in task.tags
    return any(entry.partition("=")[0] == key for entry in task.tags)
