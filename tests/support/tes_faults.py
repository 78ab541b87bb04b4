"""Faults of TES servers by name, for tables of tests and for `FakeTes.fault`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.support.scripted_server import (
    CommitThen,
    Drip,
    Endless,
    HangUp,
    Raw,
    Reset,
    Stall,
    Step,
    Truncated,
    answer,
    answer_html,
    answer_json,
    problem,
    redirect,
)

_DOCUMENT = answer_json({"id": "some-task", "state": "RUNNING"})

FAULTS: Mapping[str, Callable[[], Step]] = {
    "reset": Reset,
    "hang_up": HangUp,
    "stall": Stall,
    "garbage": lambda: Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "drip": lambda: Drip(_DOCUMENT, interval_seconds=0.05),
    "drip_head": lambda: Drip(_DOCUMENT, interval_seconds=0.05, head=True),
    "truncated": lambda: Truncated(_DOCUMENT),
    "endless": Endless,
    "html": answer_html,
    "not_json": lambda: answer(200, '{"id": "some-task', "application/json"),
    "wrong_json": lambda: answer_json([1, 2]),
    "empty": lambda: answer(200, b""),
    "redirect": lambda: redirect("http://elsewhere.invalid/"),
    "missing": lambda: problem(404, "no such task"),
    "unauthorized": lambda: problem(401, "who are you?"),
    "invalid": lambda: problem(400, "executors[0].image: must not be empty"),
    "conflict": lambda: problem(409, "try again"),
    "throttled": lambda: problem(429, "slow down", Retry_After="7"),
    "500": lambda: problem(500, "boom"),
    "503_html": lambda: answer_html(503),
    "reset_after_commit": lambda: CommitThen(Reset()),
    "hang_up_after_commit": lambda: CommitThen(HangUp()),
    "stall_after_commit": lambda: CommitThen(Stall()),
    "500_after_commit": lambda: CommitThen(problem(500, "boom")),
    "html_after_commit": lambda: CommitThen(answer_html()),
    "truncated_after_commit": lambda: CommitThen(Truncated(_DOCUMENT)),
    "endless_after_commit": lambda: CommitThen(Endless()),
}
"""By name, each made anew. Those without `after_commit` leave the task uncreated or uncancelled."""
