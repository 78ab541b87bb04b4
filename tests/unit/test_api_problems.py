"""The one error body, and the one line an error is worth."""

import json
import logging

import pytest

from protes.api.problems import FieldError, Problem, body_of, invalid, log_refusal, title_of


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    assert json.loads(body_of(Problem(404, "id: there is no task with this id"))) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "id: there is no task with this id",
    }


def test_field_errors_are_listed_and_named_in_the_detail() -> None:
    problem = invalid([FieldError("executors[0].image", "is required"), FieldError("tags.a", "must be a string")])
    document = json.loads(body_of(problem))
    assert document["status"] == 400
    assert document["detail"] == "executors[0].image: is required; tags.a: must be a string"
    assert document["errors"] == [
        {"field": "executors[0].image", "detail": "is required"},
        {"field": "tags.a", "detail": "must be a string"},
    ]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (405, "Method Not Allowed"),
        (413, "Content Too Large"),
        (415, "Unsupported Media Type"),
        (422, "Unprocessable Content"),
        (503, "Service Unavailable"),
        (508, "Loop Detected"),
    ],
)
def test_titles_are_those_of_rfc_9110_on_every_python(status: int, title: str) -> None:
    assert title_of(status) == title


@pytest.mark.parametrize("nasty", ["\r\n", "\n", "\x1b[2J", "\x00", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
@pytest.mark.parametrize("in_path", [True, False])
def test_no_text_of_a_client_makes_a_second_line(nasty: str, in_path: bool, caplog: pytest.LogCaptureFixture) -> None:
    text = f"/v1/tasks/{nasty}2030-01-01 ERROR all is lost"
    with caplog.at_level(logging.INFO, "protes"):
        log_refusal(Problem(404, "d" if in_path else text), "GET", text if in_path else "/")
    [record] = caplog.records
    assert record.levelno == logging.INFO
    line = record.getMessage()
    assert line.isascii()
    assert line.isprintable()


def test_a_long_path_makes_no_long_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "protes"):
        log_refusal(Problem(404, "x" * 100_000), "GET", "/" + "y" * 100_000)
    assert len(caplog.records[0].getMessage()) < 1200
