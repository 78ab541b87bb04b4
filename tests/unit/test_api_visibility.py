"""Who sees whose tasks, as pure functions: what holds for every caller and every setting."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protes.api.callers import ANONYMOUS, OPERATOR, READER, USER, Caller
from protes.api.problems import Problem
from protes.api.visibility import audience_for, changeable_task, sight
from protes.config.visibility import VisibilitySettings
from protes.store.audiences import EVERYBODY, page
from protes.store.memory import MemoryTaskStore
from protes.store.records import TaskQuery
from tests.support.task_records import a_task

NAMES = st.sampled_from(("", "a", "b", "user:a", "tenant:a", "group:a"))
CALLERS = st.builds(Caller, NAMES, NAMES, st.frozensets(NAMES.filter(bool)), st.just(frozenset({USER})))
SETTINGS = st.builds(
    VisibilitySettings,
    tasks=st.sampled_from(("none", "user", "tenant", "group")),
    groups=st.lists(NAMES.filter(bool), max_size=2).map(tuple),
)


@given(CALLERS, SETTINGS, st.none() | NAMES)
def test_callers_see_their_own_tasks(caller: Caller, settings: VisibilitySettings, group: str | None) -> None:
    try:
        audience = audience_for(caller, settings, group)
    except Problem:
        assume(False)
    seen = sight(caller, settings)
    assert seen.readable is None or audience in seen.readable
    assert seen.changeable is None or audience in seen.changeable


@given(CALLERS, CALLERS, SETTINGS)
def test_others_see_a_task_only_with_what_they_share(one: Caller, other: Caller, settings: VisibilitySettings) -> None:
    audience = audience_for(one, settings, None)
    readable = sight(other, settings).readable
    if readable is not None and audience in readable and one.subject:
        shared = {"tenant": one.tenant and one.tenant == other.tenant, "group": one.groups & other.groups}
        assert one.subject == other.subject or shared.get(settings.tasks)


def test_nobody_in_particular_shows_tasks_to_everybody() -> None:
    for tasks in ("none", "user", "tenant", "group"):
        assert audience_for(ANONYMOUS, VisibilitySettings(tasks=tasks), None) == EVERYBODY
    assert sight(ANONYMOUS, VisibilitySettings()).readable == frozenset({EVERYBODY})


def test_operators_change_all_and_readers_their_own_only() -> None:
    tasks, settings = MemoryTaskStore(), VisibilitySettings()
    own, other = tasks.create(a_task(audience="user:both")), tasks.create(a_task(audience="user:ann"))
    operator = sight(Caller("root", roles=frozenset({OPERATOR})), settings)
    assert (operator.readable, operator.changeable) == (None, None)
    both = sight(Caller("both", roles=frozenset({READER, USER})), settings)
    assert both.readable is None
    assert changeable_task(tasks, both, own.id).id == own.id
    with pytest.raises(Problem) as refused:
        changeable_task(tasks, both, other.id)
    assert refused.value.status == 403
    with pytest.raises(Problem) as refused:
        changeable_task(tasks, sight(Caller("ben"), settings), other.id)
    assert refused.value.status == 404


@given(st.integers(1, 50), st.none() | st.integers(0, 80), st.booleans())
def test_pages_over_any_number_of_audiences(limit: int, before: int | None, few: bool) -> None:
    tasks = MemoryTaskStore()
    ids = [f"{number:03}" for number in range(80)]
    for number, task_id in enumerate(ids):
        tasks.create(a_task(task_id, audience=f"group:{number * 7 % 75}"))
    audiences = frozenset(f"group:{number}" for number in range(20 if few else 70))
    query = TaskQuery(limit=limit, before=None if before is None else f"{before:03}")
    expected = [each for number, each in enumerate(ids) if number * 7 % 75 < (20 if few else 70)]
    expected = [each for each in reversed(expected) if query.before is None or each < query.before][:limit]
    assert [record.id for record in page(tasks, query, audiences)] == expected
