"""The options of commands that talk to a running gateway."""

from collections.abc import Mapping
from typing import Any

from protes.cli import credentials
from protes.cli.parsing import Command, Examples, Parser, add_command, later, positive

DEFAULT_URL = "http://127.0.0.1:8080"
_WATCH_SECONDS = 2.0
_DAY_SECONDS = 86400.0


def add(commands: Any, environ: Mapping[str, str]) -> None:
    """Add the commands to the parser; the environment says where the gateway is, unless an option does."""
    url = environ.get("PROTES_URL", DEFAULT_URL)
    _add_instances(commands, url)
    _add_offers(commands, url)
    _add_submit(commands, url)
    _add_show(commands, url)
    _add_logs(commands, url)
    _add_cancel(commands, url)
    _add_delete(commands, url)
    _add_list(commands, url)


def add_remote(commands: Any, url: str, name: str, function: Command, text: str, examples: Examples) -> Parser:
    """Add a command with the options of all that talk to a gateway.

    Args:
        commands: what `add_subparsers` returned.
        url: the gateway where no option names one.
        name: the command's name.
        function: carries it out.
        text: one line that says what it does.
        examples: command lines with what each does.
    """
    command = add_command(commands, name, function, text, examples)
    command.add_argument("--url", default=url, help=f"the gateway (PROTES_URL, else {DEFAULT_URL})")
    command.add_argument("--json", action="store_true", help="print JSON")
    credentials.add_options(command)
    return command


def _add_watch(command: Parser) -> None:
    command.add_argument("--watch", action="store_true", help="show it anew whenever it has changed; Ctrl-C ends it")
    _add_interval(command)


def _add_interval(command: Parser) -> None:
    text = f"how often to ask ({_WATCH_SECONDS:g})"
    command.add_argument("--interval", type=positive, metavar="SECONDS", default=_WATCH_SECONDS, help=text)


def _add_wishes(command: Parser) -> None:
    command.add_argument("--weight", help="cost (0) against runtime (1): 0 to 1, cost, time or random")
    command.add_argument("--profile", metavar="NAME", help="an operator's preset")


def _add_instances(commands: Any, url: str) -> None:
    examples = (
        ("protes instances", "what the gateway knows of each"),
        ("protes instances --watch", "the same, kept up to date"),
        ("protes instances --register site-a.json", "an operator's: take in another one"),
    )
    text = "print the instances the gateway knows; operators register and remove them"
    command = add_remote(commands, url, "instances", later("instances", "instances"), text, examples)
    change = command.add_mutually_exclusive_group()
    text = "register an instance: a GA4GH ExternalService as JSON, - for standard input (needs PROTES_OPERATOR_TOKEN)"
    change.add_argument("--register", metavar="FILE", help=text)
    change.add_argument("--remove", metavar="ID", help="remove a registration (needs PROTES_OPERATOR_TOKEN)")
    _add_watch(command)


def _add_offers(commands: Any, url: str) -> None:
    examples = (
        ("protes offers task.json", "what each instance would cost and take; nothing is submitted"),
        ("protes offers task.json --weight 1", "the fastest first"),
    )
    text = "print what each instance would offer for a task"
    command = add_remote(commands, url, "offers", later("remote", "offers"), text, examples)
    command.add_argument("task", metavar="TASK.json", help="file with a TES task, - for standard input")
    _add_wishes(command)


def _add_submit(commands: Any, url: str) -> None:
    examples = (
        ("protes submit task.json", "print the id"),
        ("protes submit task.json --weight 0.3 --wait", "wait for the end and print the output"),
        ("protes submit a.json b.json c.json --wait", "several in one call"),
        ("generate-task | protes submit -", "from standard input"),
    )
    text = "submit a task, or several in one call"
    command = add_remote(commands, url, "submit", later("batches", "submit"), text, examples)
    text = "files with a TES task each, - for standard input"
    command.add_argument("tasks", metavar="TASK.json", nargs="+", help=text)
    _add_wishes(command)
    command.add_argument("--offer", metavar="ID", help="run the task as offered (an id that `offers` printed)")
    command.add_argument("--wait", action="store_true", help="wait for the end and print the output")
    text = f"wait at most so long ({_DAY_SECONDS:g})"
    command.add_argument("--timeout", type=float, metavar="SECONDS", default=_DAY_SECONDS, help=text)


def _add_show(commands: Any, url: str) -> None:
    examples = (
        ("protes show ID", "state, output and notes of a task"),
        ("protes show ID --routing", "also why it runs where it runs"),
        ("protes show ID --watch", "until it has ended"),
    )
    command = add_remote(commands, url, "show", later("remote", "show"), "print a task", examples)
    command.add_argument("--routing", action="store_true", help="also why it runs where it runs")
    command.add_argument("id", metavar="ID", help="id of the task")
    _add_watch(command)


def _add_logs(commands: Any, url: str) -> None:
    examples = (
        ("protes logs ID", "what its executors printed"),
        ("protes logs ID --follow", "what comes on, until it ends"),
        ("protes logs ID --stream stderr 2> errors.txt", "one of the two"),
    )
    text = "print what a task's executors have printed: stdout to standard output, stderr to standard error"
    command = add_remote(commands, url, "logs", later("logs", "logs"), text, examples)
    command.add_argument("id", metavar="ID", help="id of the task")
    command.add_argument("--follow", action="store_true", help="go on until the task ends")
    command.add_argument("--stream", choices=("stdout", "stderr"), help="only this one")
    command.add_argument("--notes", action="store_true", help="also what gateway and instance note (system_logs)")
    _add_interval(command)


def _add_cancel(commands: Any, url: str) -> None:
    examples = (
        ("protes cancel ID", "one task"),
        ("protes cancel --tag run=7", "all unfinished tasks of a run"),
    )
    text = "cancel tasks, by their ids or by their tags"
    command = add_remote(commands, url, "cancel", later("batches", "cancel"), text, examples)
    command.add_argument("ids", metavar="ID", nargs="*", help="ids of tasks")
    text = "all unfinished tasks with this tag, of any value where none is given; repeated: with all of them"
    command.add_argument("--tag", dest="tags", metavar="KEY[=VALUE]", action="append", default=[], help=text)


def _add_delete(commands: Any, url: str) -> None:
    examples = (("protes delete ID", "one task that has ended"),)
    command = add_remote(commands, url, "delete", later("deleting", "delete"), "delete tasks that have ended", examples)
    command.add_argument("ids", metavar="ID", nargs="+", help="ids of tasks")


def _add_list(commands: Any, url: str) -> None:
    examples = (
        ("protes list --state RUNNING", "tasks that run now"),
        ("protes list --tag run=7 --watch", "a run, kept up to date"),
        ("protes list --limit 1000 --json", "for programs"),
    )
    command = add_remote(commands, url, "list", later("remote", "list_tasks"), "print tasks, newest first", examples)
    command.add_argument("--state", help="only tasks in this state")
    command.add_argument("--name-prefix", help="only tasks whose name starts so")
    text = "only tasks with this tag, of any value where none is given; repeated: with all of them"
    command.add_argument("--tag", dest="tags", metavar="KEY[=VALUE]", action="append", default=[], help=text)
    command.add_argument("--limit", type=int, metavar="N", default=25, help="tasks at most, below 2048 (25)")
    _add_watch(command)
