"""`python -m protes.node` and `protes node`: the command line of a node."""

import argparse
import ipaddress
import math
import sys
from pathlib import Path

from pydantic import SecretStr

from protes.api.guard import LOOPBACK_NAMES
from protes.http_server import PortTaken
from protes.node.serve import run_node
from protes.node.settings import NodeSettings

_OK, _USAGE = 0, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the node's options."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to (%(default)s); others need a token")
    add("--port", type=int, default=8090, help="port to bind to; 0 takes any free one (%(default)s)")
    add("--directory", type=Path, default=Path("node"), help="private folder for tasks and state (%(default)s)")
    add("--name", default="node", help="its name for people (%(default)s)")
    add("--token-file", type=Path, metavar="FILE", help="file with the bearer token that every request must have")
    add("--open", action="store_true", help="let everybody who reaches the address run commands here, without a token")
    add("--slots", type=_positive, default=2, help="cores (%(default)s)")
    add("--ram-gb", type=_amount, help="memory of one task at most, GB")
    add("--disk-gb", type=_amount, help="disk of one task at most, GB")
    add("--speed", type=_amount, default=1.0, help="told to tasks in PROTES_NODE_SPEED (%(default)s)")
    roots = "folder that file:// URLs may name, may be repeated (storage in the node's folder)"
    add("--root", type=Path, metavar="DIR", action="append", default=[], help=roots)
    hosts = "name that requests may carry in Host besides loopback names, may be repeated"
    add("--allowed-host", metavar="NAME", action="append", default=[], help=hosts)
    modes = "how tasks see their absolute paths (%(default)s: namespace where the system allows it)"
    add("--path-mode", choices=("auto", "namespace", "mapped"), default="auto", help=modes)


def run(args: argparse.Namespace) -> int:
    """Serve a node until it is told to stop; return the exit code."""
    try:
        settings = _settings(args)
        if settings.token is None and not args.open and not _is_loopback(args.host):
            raise ValueError(
                f"at {args.host} anybody could run commands here: give a --token-file, or --open to let them"
            )
        run_node(settings, args.host, args.port)
    except (ValueError, PortTaken) as error:
        sys.stderr.write(f"protes node: {error}\n")
        return _USAGE
    return _OK


def _settings(args: argparse.Namespace) -> NodeSettings:
    return NodeSettings(
        name=args.name,
        directory=args.directory.resolve(),
        token=None if args.token_file is None else _read_token(args.token_file),
        slots=args.slots,
        ram_gb=args.ram_gb,
        disk_gb=args.disk_gb,
        speed=args.speed,
        roots=tuple(folder.resolve() for folder in args.root),
        allowed_hosts=tuple(args.allowed_host),
        path_mode=args.path_mode,
    )


def _read_token(path: Path) -> SecretStr:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if not token:
        raise ValueError(f"{path} is empty; it must hold the token")
    return SecretStr(token)


def _is_loopback(host: str) -> bool:
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _amount(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
