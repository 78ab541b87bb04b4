"""TaskStore on every backend: whatever else is asked for, a prefix finds what a look at each task finds."""

from hypothesis import HealthCheck, given, settings

from protes.store.protocols import TaskStore
from protes.store.records import TaskQuery
from tests.support.named_tasks import naive, named_tasks, queries

MADE = named_tasks()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries)
def test_a_page_holds_what_a_look_at_each_task_finds(tasks: TaskStore, query: TaskQuery) -> None:
    if not tasks.count(most=1):
        tasks.create_many(MADE)
    assert [record.id for record in tasks.list(query)] == naive(MADE, query)


def test_pages_by_prefix_are_complete_and_hold_each_task_once(tasks: TaskStore) -> None:
    made = named_tasks(seed=2)
    tasks.create_many(made)
    for audiences in (None, ("",), ("", "user:ann", "group:g")):
        for prefix in ("a", "A", "\U0010ffff", "absent"):
            query = TaskQuery(name_prefix=prefix, audiences=audiences, limit=1000)
            wanted = naive(made, query)
            for limit in (1, 7):
                seen: list[str] = []
                while page := tasks.list(
                    TaskQuery(name_prefix=prefix, audiences=audiences, limit=limit, before=seen[-1] if seen else None)
                ):
                    seen += [record.id for record in page]
                assert seen == wanted
            assert bool(wanted) == (prefix != "absent")
