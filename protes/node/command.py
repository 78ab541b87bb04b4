"""`python -m protes.node` and `protes node`: the command line of a node."""

import argparse
import ipaddress
import math
import os
import sys
from pathlib import Path

from pydantic import SecretStr

from protes.api.guard import LOOPBACK_NAMES
from protes.node.settings import NodeSettings

_OK, _USAGE = 0, 2
_MOST_SLOTS = 4096


class _UsageError(Exception):
    """The command cannot be carried out as given; the text says what to change."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the node's options."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    add("--port", type=int, default=8090, help="port to bind to; 0: any free one (default: %(default)s)")
    add("--directory", type=Path, default=Path("protes-node"), help="its private folder (default: ./%(default)s)")
    add("--name", default="node", help="name for people (default: %(default)s)")
    add("--token-file", type=Path, metavar="FILE", help="file with the bearer token that requests must carry")
    add("--open", action="store_true", help="let everybody who reaches the address run commands here, without a token")
    add("--slots", type=_positive_whole, default=os.cpu_count() or 1, help="cores to give to tasks (default: all)")
    add("--ram-gb", type=_positive, metavar="GB", help="memory of one task at most (default: not bounded)")
    add("--disk-gb", type=_positive, metavar="GB", help="disk of one task at most (default: not bounded)")
    add("--speed", type=_positive, default=1.0, help="told to tasks in PROTES_NODE_SPEED (default: %(default)s)")
    roots = "folder that file URLs may lead into, may be repeated (default: storage in the private folder)"
    add("--root", type=Path, metavar="DIR", action="append", default=[], help=roots)
    shared = "folder that tasks see at its own path and may write, may be repeated; a --root as well"
    add("--shared", type=Path, metavar="DIR", action="append", default=[], help=shared)
    image = "tasks of this image find the programs in FOLDER/bin first, may be repeated"
    add("--image", type=_stand_in, metavar="IMAGE=FOLDER", action="append", default=[], help=image)
    add("--allowed-host", action="append", default=[], metavar="NAME", help="name that requests may carry in Host")
    modes = ("auto", "namespace", "mapped")
    add("--path-mode", choices=modes, default="auto", help="how tasks see their paths (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Serve a node until it is told to stop; return the exit code, 2 where the options cannot be carried out."""
    # Here: the options are read for every command of protes, most of which need no web server.
    from protes.http_server import PortTaken
    from protes.node.serve import run_node

    try:
        settings = _settings(args)
        if settings.token is None and not args.open and not _is_loopback(args.host):
            raise _UsageError(
                f"at {args.host} others could run commands on this machine: give a --token-file, or --open to let them"
            )
        _check_shared(settings)
        run_node(settings, args.host, args.port)
    except (_UsageError, PortTaken) as error:
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
        shared=tuple(folder.resolve() for folder in args.shared),
        images=dict(args.image),
        allowed_hosts=tuple(args.allowed_host),
        path_mode=args.path_mode,
    )


def _check_shared(settings: NodeSettings) -> None:
    """Refuse to share what tasks must not write: the root folder, and the node's own with other tasks' files in it."""
    for folder in settings.shared:
        if folder == Path(folder.anchor):
            raise _UsageError(f"--shared {folder} would let tasks write everything on this machine: name a folder")
        if folder.is_relative_to(settings.directory) or settings.directory.is_relative_to(folder):
            raise _UsageError(
                f"--shared {folder} and the node's own folder {settings.directory} must not lie in each other: "
                "give another --directory"
            )


def _read_token(path: Path) -> SecretStr:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise _UsageError(f"cannot read {path}: {reason}") from None
    if not token:
        raise _UsageError(f"{path} is empty; it must hold the token")
    return SecretStr(token)


def _is_loopback(host: str) -> bool:
    try:
        return host.lower() in LOOPBACK_NAMES or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _stand_in(text: str) -> tuple[str, Path]:
    image, separator, folder = text.rpartition("=")
    if not (image and separator and Path(folder).is_dir()):
        raise argparse.ArgumentTypeError(f"must be IMAGE=FOLDER with a folder that exists, not {text!r}")
    return image, Path(folder).resolve()


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def _positive_whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_SLOTS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {_MOST_SLOTS}, not {text!r}")
    return int(text)
