"""TaskStore on every backend: filters are texts, whatever they mean to a database, a pattern or a shell."""

import pytest

from protes.store.protocols import TaskStore
from protes.store.records import TaskQuery, tag_entry
from tests.support.task_records import a_task

TEXTS = (
    "%", "_", "*", "?", "[a-z]*", "a%", "a_b", ".*", "^a", "a|b", "(", "[", "\\", "\\%", "\\Qa", "a+", "$where", "$ne",
    '{"$ne": null}', '{"$regex": ".*"}', "{}", "$gt", "' OR '1'='1", "'; DROP TABLE tasks; --", '"', "a\x01b", "a\r\nb",
    "\u2028", "a.b.c", "a=b", "=", "a=", "=b", "key=value=x", "é", "e\u0301", "\U0001f9ec", "\uffff", "A", "a", " ",
)  # fmt: skip


@pytest.fixture(name="filled")
def _filled(tasks: TaskStore) -> TaskStore:
    """Return a store with a task for each text: its name, owner, and a tag's key and value."""
    for number, text in enumerate(TEXTS):
        tasks.create(
            a_task(f"t{number:02}", name=text, owner=text, tags=(tag_entry(text, text), tag_entry("kind", text)))
        )
    return tasks


def listed(tasks: TaskStore, **query: object) -> set[str]:
    return {record.id for record in tasks.list(TaskQuery(limit=100, **query))}  # type: ignore[arg-type]


def test_a_prefix_is_a_text(filled: TaskStore) -> None:
    for text in TEXTS:
        wanted = {f"t{number:02}" for number, each in enumerate(TEXTS) if each.startswith(text)}
        assert listed(filled, name_prefix=text) == wanted, text


def test_a_tag_is_two_texts(filled: TaskStore) -> None:
    for number, text in enumerate(TEXTS):
        own = {f"t{number:02}"}
        assert listed(filled, tags=((text, text),)) == own, text
        assert listed(filled, tags=((text, None),)) == own, text
        assert listed(filled, tags=(("kind", text),)) == own, text
        assert listed(filled, tags=(("kind", text[:-1] + "nothing"),)) == set(), text


def test_an_owner_an_id_and_a_place_in_the_list_are_texts(filled: TaskStore) -> None:
    for number, text in enumerate(TEXTS):
        assert listed(filled, owner=text) == {f"t{number:02}"}, text
        assert filled.get(text) is None
        assert filled.request_cancel(text, a_task().created_at) is None
        assert listed(filled, before=text) <= {f"t{each:02}" for each in range(len(TEXTS))}
    assert len(listed(filled)) == len(TEXTS)
