"""All commands and their options as one parser, which pages of the documentation and completion are made of, too."""

from collections.abc import Mapping

from protes import __version__
from protes.cli import azure_commands, remote_commands, server_commands
from protes.cli.parsing import COLOURS, Parser, TopParser

EXITS = (
    (0, "done"),
    (1, "refused by the gateway, a task that did not end in COMPLETE, or a check that failed"),
    (2, "wrong usage, or a configuration that cannot be used"),
    (3, "the gateway does not answer"),
    (130, "interrupted (Ctrl-C)"),
)
"""Exit codes with their meanings; `protes.cli.output.Exit` has them as values."""

_EXAMPLES = (
    ("protes demo", "a federation on this machine, at work"),
    ("protes serve --config gateway.yaml", "a gateway of your own"),
    ("protes submit task.json --weight 0.3 --wait", "run a task, rather cheap than fast"),
    ("protes doctor --config gateway.yaml", "what is wrong, and what to do"),
)


def build_parser(environ: Mapping[str, str]) -> TopParser:
    """Make the parser; the environment says where the gateway is, unless an option does."""
    parser = TopParser(
        prog="protes",
        description="A federating GA4GH TES gateway: one TES URL in front of many.",
        examples=_EXAMPLES,
        epilog="exit codes: " + ", ".join(f"{code} {meaning.partition(',')[0]}" for code, meaning in EXITS),
    )
    parser.add_argument("--version", action="version", version=f"protes {__version__}")
    parser.add_argument("--color", choices=COLOURS, default="auto", help="colours; auto: on a terminal only")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    server_commands.add(commands)
    remote_commands.add(commands, environ)
    azure_commands.add(commands)
    return parser
