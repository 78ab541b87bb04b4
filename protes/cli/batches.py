"""Commands about many tasks, in few calls."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from protes.cli import remote
from protes.cli.output import CliError, Exit, as_json
from protes.cli.progress import Progress, waited_for
from protes.clock import SystemClock

_BATCH = 100
_CREATE = "/protes/v1/tasks:create"
_CANCEL = "/protes/v1/tasks:cancel"


def submit(args: Namespace) -> int:
    """Submit a task or several; with --wait, wait for their ends and print their output."""
    if len(args.tasks) == 1:
        return remote.submit(args)
    if args.tasks.count("-") > 1:
        raise CliError("standard input can be read once only: give - once", Exit.USAGE)
    # All are read before the first is sent: a file that is wrong leaves nothing half done.
    documents = [remote.task_of(args, path) for path in args.tasks]
    results: list[dict[str, Any]] = []
    for batch in _batches(documents):
        url = f"{remote.root(args)}{_CREATE}"
        results += remote.call("POST", url, json_body=batch, headers=remote.new_key())["results"]
    refused = [(path, each["problem"]) for path, each in zip(args.tasks, results, strict=True) if "problem" in each]
    for path, problem in refused:
        print(f"protes: {path}: {problem['status']} {problem['title']}: {problem['detail']}", file=sys.stderr)
    ids = [str(each["id"]) for each in results if "id" in each]
    if args.wait:
        return Exit.OK if _all_complete(args, ids) and not refused else Exit.FAILED
    if args.json:
        as_json({"results": results})
    else:
        print(*ids, sep="\n")
    return Exit.FAILED if refused else Exit.OK


def cancel(args: Namespace) -> int:
    """Cancel tasks by their ids, or those that have all the given tags."""
    if bool(args.ids) == bool(args.tags):
        raise CliError("name tasks by their ids or by --tag", Exit.USAGE)
    found = _cancel_tagged(args) if args.tags else _cancel_named(args)
    results = [each for page in found for each in page]
    if args.json:
        as_json({"results": results})
    else:
        for each in results:
            problem = each.get("problem")
            print(f"{each['id']}: {problem['detail'] if problem else 'cancellation requested'}")
    return Exit.FAILED if any("problem" in each for each in results) else Exit.OK


def _cancel_named(args: Namespace) -> Iterator[list[dict[str, Any]]]:
    for ids in _batches(args.ids):
        answer = remote.call("POST", f"{remote.gateway(args)}{_CANCEL}", json_body={"ids": ids})
        yield answer["results"]


def _cancel_tagged(args: Namespace) -> Iterator[list[dict[str, Any]]]:
    tags = dict(text.partition("=")[::2] for text in args.tags)
    asked: dict[str, Any] | None = {"tags": tags}
    while asked is not None:
        answer = remote.call("POST", f"{remote.gateway(args)}{_CANCEL}", json_body=asked)
        yield answer["results"]
        token = answer.get("next_page_token")
        asked = {"tags": tags, "page_token": token} if token else None


def _all_complete(args: Namespace, ids: Sequence[str]) -> bool:
    """Wait for all tasks and print each; tell whether all are COMPLETE."""
    client = remote.client_of(args)
    tasks = []
    with Progress(len(ids), SystemClock()) as progress:
        for done, task_id in enumerate(ids):
            with waited_for(ids[done:]):
                tasks.append(remote.wait(client, task_id, args.timeout, progress, done))
            if not args.json:
                progress.pause()
                remote.print_task(tasks[-1], False)
    if args.json:
        as_json(tasks)
    return all(task["state"] == "COMPLETE" for task in tasks)


def _batches(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _BATCH):
        yield list(items[start : start + _BATCH])
