"""Commands that talk to a running gateway: through py-tes as a TES client, to its own endpoints through requests."""

import json
import sys
import threading
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import tes

from protes.cli import colour, credentials
from protes.cli.looking import Look
from protes.cli.looking import show as show_look
from protes.cli.output import CliError, Exit, as_json, offers_table, printable, table
from protes.cli.parsing import close
from protes.cli.progress import Progress, waited_for
from protes.clock import Clock, SystemClock
from protes.tes.states import State

Query = dict[str, str | list[str]]

TIMEOUT_SECONDS = 30
_TES = "/ga4gh/tes/v1"
ENDED = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED")
_SILENT_SECONDS = 60.0
_POLL_SECONDS, _LONGEST_POLL_SECONDS, _POLL_GROWTH = 0.5, 3.0, 1.1


def submit(args: Namespace) -> int:
    """Submit a task; with --wait, wait for its end and print its output."""
    document = task_of(args, args.tasks[0])
    task_id = str(call("POST", f"{root(args)}{_TES}/tasks", json_body=document, headers=new_key())["id"])
    if not args.wait:
        as_json({"id": task_id}) if args.json else print(task_id)
        return Exit.OK
    with waited_for([task_id]), Progress(1, SystemClock()) as progress:
        # At once: whatever happens from here on, the id is known.
        progress.show(0, task_id, "submitted")
        task = wait(client_of(args), task_id, args.timeout, progress)
    print_task(task, args.json)
    return Exit.OK if task["state"] == "COMPLETE" else Exit.FAILED


def task_of(args: Namespace, path: str) -> Any:
    """Return the task in a file, with the offer that it is to be run by.

    Raises:
        CliError: it cannot be read, or is no JSON.
    """
    document = _read_task(path)
    if args.offer is not None and isinstance(document, dict):
        document["tags"] = {**(document.get("tags") or {}), "protes.offer": args.offer}
    return document


def new_key() -> dict[str, str]:
    """Return a header that makes a repeat of this submission harmless, which py-tes' own way of retrying is not."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def show(args: Namespace) -> int:
    """Print a task, and with --routing why it is where it is."""
    client = client_of(args)

    def look() -> Look:
        task = full(client, args.id)
        over = task["state"] in ENDED
        if not args.routing:
            return Look(task, lambda: print_task(task, False), over)
        routing = call("GET", f"{gateway(args)}/protes/v1/tasks/{args.id}/routing")
        return Look({"task": task, "routing": routing}, lambda: _print_routed(task, routing), over)

    return show_look(args, look)


def _print_routed(task: dict[str, Any], routing: dict[str, Any]) -> None:
    print_task(task, False)
    print(f"\n{_weighed_by(routing)}; offers when it was placed:")
    offers_table(routing["candidates"])
    for name, times in (routing.get("outcome") or {}).items():
        if isinstance(times, dict):
            print(f"{name}: " + ", ".join(f"{part} {seconds:g} s" for part, seconds in times.items()))


def list_tasks(args: Namespace) -> int:
    """Print tasks, newest first."""
    # Not through py-tes: it cannot filter.
    query: Query = {"view": "BASIC", "page_size": str(args.limit), "name_prefix": args.name_prefix or ""}
    if args.state:
        query["state"] = _state(args.state)
    pairs = [text.partition("=")[::2] for text in args.tags]
    query |= {"tag_key": [key for key, _ in pairs], "tag_value": [value for _, value in pairs]}

    def look() -> Look:
        tasks = call("GET", f"{gateway(args)}{_TES}/tasks", query=query)["tasks"]
        return Look(tasks, lambda: _print_list(tasks))

    return show_look(args, look)


def _print_list(tasks: list[dict[str, Any]]) -> None:
    rows = [(each["id"], each["state"], _metadata(each).get("protes.instance"), each.get("name")) for each in tasks]
    table(("ID", "STATE", "INSTANCE", "NAME"), rows)


def _state(text: str) -> str:
    known = [each.value for each in State]
    if text.upper() in known:
        return text.upper()
    near = close(text, known)
    more = f"did you mean {near[0]}?" if near else f"states are {', '.join(known)}"
    raise CliError(f"--state: there is no state {text!r}; {more}", Exit.USAGE)


def offers(args: Namespace) -> int:
    """Print what each instance would offer for a task; nothing is submitted."""
    answer = call("POST", f"{root(args)}/protes/v1/offers", json_body=_read_task(args.task))
    if args.json:
        as_json(answer)
        return Exit.OK
    print(_weighed_by(answer))
    offers_table(answer["offers"])
    return Exit.OK if any("rank" in each for each in answer["offers"]) else Exit.FAILED


def wait(
    client: Any, task_id: str, timeout_seconds: float, progress: Progress, done: int = 0, clock: Clock | None = None
) -> dict[str, Any]:
    """Wait for a task's end and return it in full.

    Args:
        client: py-tes' client of the gateway.
        task_id: which task.
        timeout_seconds: how long to wait.
        progress: is told of what is seen.
        done: how many others have ended.
        clock: the machine's by default.

    Raises:
        CliError: it did not end in time, or the gateway has not answered for a minute.
    """
    clock, pause = clock or SystemClock(), _POLL_SECONDS
    heard = clock.monotonic()
    until = heard + timeout_seconds
    while True:
        try:
            with _speaking():
                state = str(client.get_task(task_id, view="MINIMAL").state)
            progress.show(done, task_id, state)
            if state in ENDED:
                return full(client, task_id)
            heard = clock.monotonic()
        except CliError as error:
            # It may be restarted, which takes a while.
            if error.code != Exit.UNREACHABLE or clock.monotonic() - heard > _SILENT_SECONDS:
                raise
            state = "unknown, since the gateway does not answer,"
            progress.show(done, task_id, "the gateway does not answer")
        if clock.monotonic() > until:
            raise CliError(f"{task_id} is still {state} after {timeout_seconds:g} s")
        clock.wait(threading.Event(), pause)
        pause = min(pause * _POLL_GROWTH, _LONGEST_POLL_SECONDS)


def full(client: Any, task_id: str) -> dict[str, Any]:
    """Return a task with all that is known of it.

    Raises:
        CliError: there is none, or the gateway does not answer.
    """
    with _speaking():
        task: dict[str, Any] = client.get_task(task_id, view="FULL").as_dict()
        return task


class _Client(tes.HTTPClient):  # type: ignore[misc]
    """py-tes' client, showing what the other requests show."""

    def _request_params(self, *args: Any, **options: Any) -> dict[str, Any]:
        return {**super()._request_params(*args, **options), "auth": credentials.current()}


def client_of(args: Namespace) -> Any:
    """Return py-tes' client of the gateway."""
    client = _Client(gateway(args), timeout=TIMEOUT_SECONDS)
    # The base path is known: py-tes would try others after any error, and tell of the last one only.
    client.urls = [gateway(args) + _TES]
    return client


def gateway(args: Namespace) -> str:
    """Return the gateway's root URL."""
    return str(args.url).rstrip("/")


def root(args: Namespace) -> str:
    """Return the gateway's root with the profile and the weight in it, where they were asked for."""
    profile = f"/profiles/{args.profile}" if args.profile is not None else ""
    weight = f"/w/{args.weight}" if args.weight is not None else ""
    return gateway(args) + profile + weight


def _read_task(path: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", Exit.USAGE) from None
    except ValueError as error:
        where = "standard input" if path == "-" else path
        raise CliError(f"{where}: not JSON: {error}", Exit.USAGE) from None


def call(
    method: str,
    url: str,
    *,
    json_body: Any = None,
    headers: dict[str, str] | None = None,
    query: Query | None = None,
) -> Any:
    """Send a request and return the answer's JSON, None where it is empty.

    Raises:
        CliError: the gateway does not answer, or refuses.
    """
    with _speaking():
        response = requests.request(
            method,
            url,
            params=query,
            json=json_body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            auth=credentials.current(),
        )
        response.raise_for_status()
        return response.json() if response.content else None


@contextmanager
def _speaking() -> Iterator[None]:
    """Turn what the libraries raise into sentences."""
    try:
        yield
    except requests.HTTPError as error:
        raise CliError(_detail(error)) from None
    except (requests.ConnectionError, requests.Timeout):
        text = "the gateway does not answer; is it running, and is --url (or PROTES_URL) right?"
        raise CliError(text, Exit.UNREACHABLE) from None


def _detail(error: requests.HTTPError) -> str:
    response = error.response
    try:
        problem = response.json()
        hint = credentials.hint(response.status_code)
        return f"{response.status_code} {problem['title']}: {problem['detail']}{hint}"
    except (ValueError, KeyError, TypeError):
        return str(error)


def print_task(task: dict[str, Any], json_wanted: bool) -> None:
    """Print a task as a person reads it, or as JSON."""
    if json_wanted:
        as_json(task)
        return
    state = colour.paint(task["state"], colour.of_word(task["state"]), sys.stdout)
    print(f"{task['id']}  {state}  {printable(task.get('name') or '')}".rstrip())
    for key, value in sorted(_metadata(task).items()):
        print(f"  {key}: {printable(value)}")
    for log in task.get("logs") or ():
        for line in log.get("system_logs") or ():
            print(f"  note: {printable(line)}")
        for number, executor in enumerate(log.get("logs") or ()):
            print(f"  executor {number}: exit code {executor.get('exit_code')}")
            for stream in ("stdout", "stderr"):
                for line in (executor.get(stream) or "").splitlines():
                    print(f"    {stream}: {printable(line)}")


def _weighed_by(answer: dict[str, Any]) -> str:
    value = answer.get("value_of_time")
    return f"{f'value of time {value}' if value else 'weight ' + answer['weight']} ({answer['carrier']})"


def _metadata(task: dict[str, Any]) -> dict[str, str]:
    logs = task.get("logs") or [{}]
    return logs[-1].get("metadata") or {}
