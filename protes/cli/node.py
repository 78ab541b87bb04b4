"""`protes node`: a small TES server that runs commands on this machine."""

from typing import Any

from protes.cli import parsing
from protes.node.command import add_arguments, run


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    text = "serve a small TES instance that runs commands on this machine, for trying out and tests"
    examples = (
        ("protes node --port 8090", "for this machine only"),
        ("protes node --host 0.0.0.0 --token-file token", "for others, who need the token"),
    )
    add_arguments(parsing.add_command(commands, "node", run, text, examples))
