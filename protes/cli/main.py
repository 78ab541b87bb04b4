"""The command `protes` (DESIGN.md section 6)."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from protes import __version__
from protes.cli import demo, node
from protes.cli.output import CliError, Exit

Command = Callable[[argparse.Namespace], int]

DEFAULT_URL = "http://127.0.0.1:8080"
_EXITS = "exit codes: 0 done, 1 refused or ended in an error, 2 usage or configuration, 3 the gateway does not answer"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    command: Command = args.command
    try:
        return command(args)
    except CliError as error:
        print(f"protes: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except KeyboardInterrupt:
        return 130


def _later(module: str, name: str) -> Command:
    """Import a command's module when it runs: `protes list` need not load a web server."""

    def run(args: argparse.Namespace) -> int:
        function: Command = getattr(import_module(f"protes.cli.{module}"), name)
        return function(args)

    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="protes", description="A federating GA4GH TES gateway: one TES URL in front of many.", epilog=_EXITS
    )
    parser.add_argument("--version", action="version", version=f"protes {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_servers(commands)
    _add_remote(commands)
    _add_azure(commands)
    return parser


def _add_servers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for name, function, text in (
        ("serve", _later("serving", "serve"), "serve the gateway"),
        ("check-config", _later("serving", "check_config"), "check a configuration and print it without secrets"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", metavar="FILE", action="append", default=[], help="YAML file; may be repeated")
        command.add_argument("--host", help="address to bind to (server.host)")
        command.add_argument("--port", type=int, help="port to bind to (server.port)")
        command.add_argument("--data", metavar="DIR", help="folder of the embedded store (store.url)")
        text = "leave all jobs to workers behind a broker (runner.execute false)"
        command.add_argument("--api-only", action="store_const", const=False, dest="execute", help=text)
        command.set_defaults(command=function)
    _add_worker(commands)
    demo.add_command(commands)
    node.add_command(commands)


def _add_worker(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "run the gateway's jobs, which come through a broker (docs/scaling.md)"
    worker = commands.add_parser("worker", help=text, description=text)
    worker.add_argument("--config", metavar="FILE", action="append", default=[], help="YAML file; may be repeated")
    worker.add_argument("--concurrency", type=int, metavar="N", help="jobs that run at once (runner.threads)")
    worker.add_argument("--data", metavar="DIR", help="folder of the embedded store (store.url)")
    worker.set_defaults(command=_later("serving", "worker"), execute=True)


def _add_remote(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def add(name: str, function: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        url = os.environ.get("PROTES_URL", DEFAULT_URL)
        command.add_argument("--url", default=url, help=f"the gateway (PROTES_URL, else {DEFAULT_URL})")
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(command=function)
        return command

    _add_changes(add("instances", _later("instances", "instances"), "print the instances the gateway knows"))
    for name, function, text in (
        ("offers", _later("remote", "offers"), "print what each instance would offer for a task"),
        ("submit", _later("batches", "submit"), "submit a task, or several in one call"),
    ):
        command = add(name, function, text)
        if name == "submit":
            command.add_argument("tasks", metavar="TASK.json", nargs="+", help="files with a TES task each")
        else:
            command.add_argument("task", metavar="TASK.json", help="file with a TES task")
        command.add_argument("--weight", help="cost (0) against runtime (1): 0 to 1, cost, time or random")
        command.add_argument("--profile", metavar="NAME", help="an operator's preset")
        if name == "submit":
            command.add_argument("--offer", metavar="ID", help="run the task as offered (an id that `offers` printed)")
            command.add_argument("--wait", action="store_true", help="wait for the end and print the output")
            command.add_argument("--timeout", type=float, default=86400, help="seconds to wait at most")
    show = add("show", _later("remote", "show"), "print a task")
    show.add_argument("--routing", action="store_true", help="also why it runs where it runs")
    show.add_argument("id", metavar="ID", help="id of the task")
    cancel = add("cancel", _later("batches", "cancel"), "cancel tasks, by their ids or by their tags")
    cancel.add_argument("ids", metavar="ID", nargs="*", help="ids of tasks")
    text = "all unfinished tasks with this tag, of any value where none is given; repeated: with all of them"
    cancel.add_argument("--tag", dest="tags", metavar="KEY[=VALUE]", action="append", default=[], help=text)
    listing = add("list", _later("remote", "list_tasks"), "print tasks, newest first")
    listing.add_argument("--state", help="only tasks in this state")
    listing.add_argument("--name-prefix", help="only tasks whose name starts so")
    listing.add_argument("--limit", type=int, default=25, help="tasks at most (below 2048)")


def _add_changes(instances: argparse.ArgumentParser) -> None:
    change = instances.add_mutually_exclusive_group()
    text = "register an instance: a GA4GH ExternalService as JSON, - for standard input (needs PROTES_OPERATOR_TOKEN)"
    change.add_argument("--register", metavar="FILE", help=text)
    change.add_argument("--remove", metavar="ID", help="remove a registration (needs PROTES_OPERATOR_TOKEN)")


def _add_azure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "provision an Azure Batch TES (tesazure)"
    azure = commands.add_parser("azure", help=text, description=text).add_subparsers(required=True, metavar="COMMAND")
    for name, text in (
        ("provision", "have the server create its Azure resources"),
        ("provision-status", "print how far that is"),
    ):
        # No abbreviations: `--secret VALUE` must not pass for the name of a file.
        command = azure.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("--url", required=True, help="the server, https://host")
        command.add_argument("--force-http", action="store_true", help="send and fetch secrets over plain http")
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(command=_later("azure", name.replace("-", "_")))
        if name == "provision-status":
            command.add_argument("id", metavar="ID", help="what `provision` printed")
            command.add_argument("--keys-file", metavar="FILE", help="write the keys to a new file with mode 0600")
    provision = azure.choices["provision"]
    provision.add_argument("--client-id", metavar="ID", help="of the service principal (AZURE_CLIENT_ID)")
    text = "its secret, or all of it as JSON (else AZURE_CLIENT_SECRET and AZURE_TENANT_ID)"
    provision.add_argument("--secret-file", metavar="FILE", help=text)
    provision.add_argument("--subscription", metavar="ID", help="where to create (AZURE_SUBSCRIPTION_ID)")
    for name in ("--resource-group", "--location", "--storage-account", "--storage-sku", "--batch-account"):
        provision.add_argument(name, metavar="NAME", help="where not given, the server chooses")
    provision.add_argument("--wait", action="store_true", help="wait for the end")
    provision.add_argument("--timeout", type=float, default=3600, help="seconds to wait at most (3600)")
