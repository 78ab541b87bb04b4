"""The options of `protes azure ...`."""

from typing import Any

from protes.cli.parsing import Parser, add_command, later


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    azure = add_command(commands, "azure", None, "provision an Azure Batch TES (tesazure)")
    below = azure.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    _add_status(_add(below, "provision-status", "print how far that is", _STATUS_EXAMPLES))
    _add_provision(_add(below, "provision", "have the server create its Azure resources", _PROVISION_EXAMPLES))


_STATUS_EXAMPLES = (("protes azure provision-status ID --url https://tes.example.org", "how far it is"),)
_PROVISION_EXAMPLES = (
    ("protes azure provision --url https://tes.example.org --wait", "with the AZURE_ variables set"),
)


def _add(commands: Any, name: str, text: str, examples: tuple[tuple[str, str], ...]) -> Parser:
    command = add_command(commands, name, later("azure", name.replace("-", "_")), text, examples)
    # No abbreviations: `--secret VALUE` must not pass for the name of a file.
    command.allow_abbrev = False
    command.add_argument("--url", required=True, help="the server, https://host")
    command.add_argument("--force-http", action="store_true", help="send and fetch secrets over plain http")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _add_status(command: Parser) -> None:
    command.add_argument("id", metavar="ID", help="what `provision` printed")
    command.add_argument("--keys-file", metavar="FILE", help="write the keys to a new file with mode 0600")


def _add_provision(provision: Parser) -> None:
    provision.add_argument("--client-id", metavar="ID", help="of the service principal (AZURE_CLIENT_ID)")
    text = "its secret, or all of it as JSON (else AZURE_CLIENT_SECRET and AZURE_TENANT_ID)"
    provision.add_argument("--secret-file", metavar="FILE", help=text)
    provision.add_argument("--subscription", metavar="ID", help="where to create (AZURE_SUBSCRIPTION_ID)")
    for name in ("--resource-group", "--location", "--storage-account", "--storage-sku", "--batch-account"):
        provision.add_argument(name, metavar="NAME", help="where not given, the server chooses")
    provision.add_argument("--wait", action="store_true", help="wait for the end")
    provision.add_argument("--timeout", type=float, default=3600, help="seconds to wait at most (3600)")
