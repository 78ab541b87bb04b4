"""The command `protes logs`: what a task's executors printed, and what was noted about it."""

import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from protes.cli import remote
from protes.cli.output import CliError, Exit, as_json, printable
from protes.clock import SystemClock

_JOINT = 200
"""So many characters of what was printed last are looked for in a text that has lost its beginning."""


def logs(args: Namespace) -> int:
    """Print stdout and stderr of a task's executors; with --follow, what comes on until it ends."""
    client, clock = remote.client_of(args), SystemClock()
    task = remote.full(client, args.id)
    if args.json:
        as_json(_document(task))
        return Exit.OK
    printer = _Printer(args)
    printer.print(task)
    while args.follow and task["state"] not in remote.ENDED:
        clock.wait(threading.Event(), args.interval)
        try:
            task = remote.full(client, args.id)
        except CliError as error:
            if error.code != Exit.UNREACHABLE:
                raise
            continue
        printer.print(task)
    if not printer.any:
        print(f"{task['id']} is {task['state']} and has no output", file=sys.stderr)
    return Exit.OK


def appended(before: str, now: str) -> str:
    """Return what a text has more than before, also where the beginning was cut since."""
    if now.startswith(before):
        return now[len(before) :]
    joint = before[-_JOINT:]
    place = now.rfind(joint)
    return now[place + len(joint) :] if place >= 0 else f"\n[...]\n{now}"


class _Printer:
    """Prints what is new of a task's texts."""

    def __init__(self, args: Namespace) -> None:
        self.any = False
        self._wanted = ("stdout", "stderr") if args.stream is None else (args.stream,)
        self._notes = args.notes
        self._before: dict[tuple[object, ...], str] = {}

    def print(self, task: dict[str, Any]) -> None:
        for place, stream, text in self._texts(task):
            key = (*place, stream)
            new = appended(self._before.get(key, ""), text)
            self._before[key] = text
            if new:
                self.any = True
                out = sys.stderr if stream in ("stderr", "note") else sys.stdout
                shown = "\n".join(printable(line) for line in new.split("\n")) if out.isatty() else new
                print(shown, end="" if shown.endswith("\n") else "\n", file=out, flush=True)

    def _texts(self, task: dict[str, Any]) -> Iterator[tuple[tuple[int, int], str, str]]:
        for attempt, log in enumerate(task.get("logs") or ()):
            if self._notes:
                lines = log.get("system_logs") or ()
                yield (attempt, -1), "note", "".join(f"note: {line}\n" for line in lines)
            for number, executor in enumerate(log.get("logs") or ()):
                for stream in self._wanted:
                    yield (attempt, number), stream, executor.get(stream) or ""


def _document(task: dict[str, Any]) -> dict[str, Any]:
    logs = [
        {
            "executors": [
                {key: executor.get(key) for key in ("exit_code", "stdout", "stderr")}
                for executor in log.get("logs") or ()
            ],
            "system_logs": list(log.get("system_logs") or ()),
        }
        for log in task.get("logs") or ()
    ]
    return {"id": task["id"], "state": task["state"], "logs": logs}
