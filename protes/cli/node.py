"""`protes node`: a small TES server that runs commands on this machine."""

import argparse

from protes.node.command import add_arguments, run


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    text = "serve a small TES instance that runs commands on this machine, for trying out and tests"
    command = commands.add_parser("node", help=text, description=text)
    add_arguments(command)
    command.set_defaults(command=run)
