"""The command `protes hash-password`: a line for the file of users (docs/authentication.md)."""

import sys
from argparse import Namespace
from getpass import getpass

from protes.auth.passwords import hash_password, is_name
from protes.cli.output import CliError, Exit


def print_line(args: Namespace) -> int:
    """Ask for a password, and print the line of the user who has it."""
    if not is_name(args.name):
        raise CliError("a name has letters, digits and ._@- only, and is not operator", Exit.USAGE)
    rest = [args.tenant or "", ",".join(args.group), ",".join(args.role)]
    if any(":" in each for each in rest) or any("," in each for each in args.group):
        raise CliError("tenants and groups have no colon, groups no comma", Exit.USAGE)
    while rest and not rest[-1]:
        rest.pop()
    try:
        hashed = hash_password(_password())
    except ValueError as problem:
        raise CliError(str(problem), Exit.USAGE) from None
    print(":".join((args.name, hashed, *rest)))
    return Exit.OK


def _password() -> str:
    """Ask twice, or take a line from a pipe; never an argument, which others can see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("password: ")
    if getpass("the same again: ") != password:
        raise CliError("these were two", Exit.USAGE)
    return password
