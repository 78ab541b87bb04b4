"""`protes node`: serve a node until told to stop."""

import argparse
import ipaddress
import math
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from protes.api.guard import LOOPBACK_NAMES
from protes.clock import SystemClock
from protes.http_server import PortTaken, StartFailed, serve
from protes.node.app import BASE_PATH, Node, create_node
from protes.node.settings import NodeSettings
from protes.node.tasks import DirectoryInUse

_OK, _USAGE = 0, 2
_THREADS = 16
_ANY_ADDRESS = ("", "0.0.0.0", "::")


class _UsageError(Exception):
    """The command cannot be carried out as given; the text says what to change."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to a parser."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    add("--port", type=int, default=8090, help="port to bind to; 0: any free one (default: %(default)s)")
    add("--directory", type=Path, default=Path("protes-node"), help="folder for tasks (default: ./%(default)s)")
    add("--name", default="node", help="name for people (default: %(default)s)")
    add("--token-file", type=Path, metavar="FILE", help="file with the bearer token that requests must carry")
    add("--open", action="store_true", help="let everybody who reaches the address run commands here, without a token")
    add("--slots", type=_positive_whole, default=os.cpu_count() or 1, help="cores to give to tasks (default: all)")
    add("--ram-gb", type=_positive, metavar="GB", help="memory of one task at most (default: not bounded)")
    add("--disk-gb", type=_positive, metavar="GB", help="disk of one task at most (default: not bounded)")
    add("--speed", type=_positive, default=1.0, help="told to tasks in PROTES_NODE_SPEED (default: %(default)s)")
    add("--root", type=Path, action="append", default=[], metavar="DIR", help="folder that file URLs may lead into")
    add("--allowed-host", action="append", default=[], metavar="NAME", help="name that requests may carry in Host")
    modes = ("auto", "namespace", "mapped")
    add("--path-mode", choices=modes, default="auto", help="how tasks see their paths (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; return the exit code: 2 where the command cannot be carried out as given."""
    try:
        settings = _settings(args)
        _serve(settings, args.host, args.port)
    except (_UsageError, PortTaken) as error:
        sys.stderr.write(f"protes node: {error}\n")
        return _USAGE
    return _OK


def _serve(settings: NodeSettings, host: str, port: int) -> None:
    nodes: list[Node] = []

    def create() -> Any:
        try:
            node = create_node(settings, SystemClock())
        except (DirectoryInUse, OSError) as error:
            raise StartFailed(f"the node cannot start: {error}") from None
        nodes.append(node)
        return node.wsgi, node.close

    def ready(url: str) -> None:
        line = f"protes node {settings.name} serves TES at {url}{BASE_PATH} ({nodes[-1].mode} paths)\n"
        sys.stdout.write(line)
        sys.stdout.flush()

    serve(create, host=host, port=port, threads=_THREADS, on_ready=ready)


def _settings(args: argparse.Namespace) -> NodeSettings:
    token = _read_token(args.token_file) if args.token_file else None
    if token is None and not args.open and not _is_loopback(args.host):
        raise _UsageError(
            f"at {args.host} others could run commands on this machine: give a --token-file, or --open to let them"
        )
    hosts = [host.lower() for host in args.allowed_host]
    return NodeSettings(
        name=args.name,
        directory=args.directory.absolute(),
        token=token,
        slots=args.slots,
        ram_gb=args.ram_gb,
        disk_gb=args.disk_gb,
        speed=args.speed,
        roots=tuple(root.absolute() for root in args.root),
        allowed_hosts=tuple(hosts if args.host in _ANY_ADDRESS else [args.host.lower(), *hosts]),
        path_mode=args.path_mode,
    )


def _read_token(path: Path) -> SecretStr:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise _UsageError(f"--token-file {path} cannot be read: {reason}") from None
    if not token:
        raise _UsageError(f"--token-file {path} is empty")
    return SecretStr(token)


def _is_loopback(host: str) -> bool:
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def _positive_whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 4096, not {text!r}")
    return int(text)
