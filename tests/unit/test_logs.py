"""Log lines: as text and as JSON, nobody can forge one, and no secret is in one."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.logs import configuring, context
from protes.logs.escaping import escaped, escaped_lines
from protes.logs.formatting import FIELDS, JsonFormatter, TextFormatter
from tests.support.running import logging_kept

LAYOUT = logging.Formatter("[{asctime}: {levelname:<8}] {message} [{name}]", style="{")
NASTY = "a\nb\rc\x1b[31mred\x00\x7f\x85\u2028\u202e\ud800"


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("protes.test", logging.INFO, "file", 1, message, args, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def failed(text: str) -> Any:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


def test_text_is_laid_out_as_before() -> None:
    plain = record("task %s: %d copies", "abc", 2)
    same = record("task abc: 2 copies", created=plain.created, msecs=plain.msecs)
    assert TextFormatter(LAYOUT).format(plain) == LAYOUT.format(same)


@given(st.text(st.characters(codec=None)))
def test_no_text_makes_a_second_line_or_orders_a_terminal_about(text: str) -> None:
    for formatter in (TextFormatter(LAYOUT), JsonFormatter()):
        line = formatter.format(record("task %s", text))
        assert not [each for each in line if ord(each) < 32 or 127 <= ord(each) < 160 or each in "\u2028\u2029\u202e"]
        line.encode()


def test_what_cannot_be_seen_is_written() -> None:
    assert escaped(NASTY) == r"a\nb\rc\x1b[31mred\x00\x7f\x85\u2028\u202e\ud800"
    assert escaped("Grüße, 任务, a\\nb") == "Grüße, 任务, a\\nb"
    assert escaped_lines("a\nb\x1b") == "a\nb\\x1b"


def test_a_traceback_is_indented_so_that_no_line_of_it_passes_for_a_record() -> None:
    forged = "no\n[2030-01-01 00:00:00,000: INFO    ] all is well [protes.test]"
    text = TextFormatter(LAYOUT).format(record("it failed", exc_info=failed(forged)))
    first, *rest = text.split("\n")
    assert first.endswith("it failed [protes.test]")
    assert rest
    assert all(line.startswith("  ") for line in rest)


def test_a_record_is_an_object_with_the_ids_of_what_it_is_about() -> None:
    token = context.begin(context.About("request-1"))
    with context.about(task_id="task-1", instance_id="site\n1", trace_id="abc"):
        document = json.loads(JsonFormatter().format(record("it %s", "works")))
    context.end(token)
    assert document.pop("time").endswith("Z")
    assert document == {
        "level": "INFO",
        "logger": "protes.test",
        "message": "it works",
        "request_id": "request-1",
        "task_id": "task-1",
        "instance_id": "site\\n1",
        "trace_id": "abc",
    }
    assert set(json.loads(JsonFormatter().format(record("x")))) == {"time", "level", "logger", "message"}


def test_ids_go_with_the_end_of_what_they_belong_to() -> None:
    token = context.begin(context.About("one"))
    context.add(task_id="task")
    assert context.now() == context.About("one", "task")
    context.end(token)
    assert context.now() == context.About()


def test_a_failure_has_its_traceback_and_further_fields() -> None:
    line = JsonFormatter().format(record("x", exc_info=failed("why\x1b"), **{FIELDS: {"status": 200, "path": "/\n"}}))
    assert "\n" not in line
    document = json.loads(line)
    assert document["traceback"].splitlines()[-1] == "ValueError: why\\x1b"
    assert (document["status"], document["path"]) == (200, "/\\n")


@pytest.mark.parametrize("formatter", [TextFormatter(LAYOUT), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("text", ["https://me:hush-hush@host/x", "Authorization: Bearer hush-hush", "token=hush-hush"])
def test_secrets_are_masked_wherever_they_come_from(formatter: logging.Formatter, text: str) -> None:
    line = formatter.format(record("%s", text, exc_info=failed(text)))
    assert "hush-hush" not in line
    assert "***" in line


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, written = logging.getLogger(), io.StringIO()
    with logging_kept():
        handler = logging.StreamHandler(written)
        handler.setFormatter(LAYOUT)
        root.handlers = [handler]
        root.setLevel(logging.INFO)
        yield written


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_form_is_put_over_the_configured_handlers(stream: io.StringIO, form: Literal["text", "json"]) -> None:
    for _ in range(2):  # a second gateway of the process changes nothing
        configuring.apply(form)
    logging.getLogger("protes.test").warning("a\nb")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "a\\nb" if form == "json" else line.endswith("a\\nb [protes.test]")
