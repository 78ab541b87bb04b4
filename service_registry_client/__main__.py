"""`python -m service_registry_client URL`: what a registry lists, as a small table or as JSON.

Exit codes: 0 the registry answered, 1 it failed, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence

from service_registry_client.cache import CachedRegistry, Snapshot
from service_registry_client.client import RegistryClient
from service_registry_client.errors import InvalidURL
from service_registry_client.filters import filter_services
from service_registry_client.models import ExternalService
from service_registry_client.nested import RegistryTree

_HEADINGS = ("NAME", "TYPE", "URL", "ORGANIZATION", "REGISTRY")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command line; returns the exit code.

    Raises:
        SystemExit: With code 2, if the command line is wrong.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    token = environment.get(options.token_env) if options.token_env else None
    if options.token_env and token is None:
        parser.error(f"the environment variable {options.token_env} is not set")
    try:
        client = RegistryClient(options.url, token)
    except InvalidURL as error:
        parser.error(f"URL: {error}")
    except ValueError as error:
        parser.error(f"{options.token_env}: {error}")
    snapshot = _look(client, verified=options.verified, nested=options.nested)
    if snapshot.error is not None:
        print(snapshot.error, file=sys.stderr)
        return 1
    for warning in snapshot.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    services = filter_services(snapshot.services, artifact=options.artifact)
    if options.json:
        print(json.dumps([service.document() for service in services], indent=2))
    else:
        print(table(services, with_registry=options.nested))
    return 0


def _look(client: RegistryClient, *, verified: bool, nested: bool) -> Snapshot:
    registry = CachedRegistry(client, verified_only=verified)
    with RegistryTree(registry) if nested else registry as asked:
        return asked.services()


def table(services: Sequence[ExternalService], *, with_registry: bool = False) -> str:
    """The services as lines for people; characters that would steer a terminal are replaced.

    Args:
        services: One a line.
        with_registry: Whether the last column says which registry lists it.
    """
    columns = len(_HEADINGS) if with_registry else -1
    rows = [row[:columns] for row in (_HEADINGS, *map(_row, services))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(service: ExternalService) -> tuple[str, ...]:
    organization = (service.organization.name if service.organization else None) or ""
    said = _plain(service.name), _plain(str(service.type)), service.url, _plain(organization)
    return (*said, service.provenance.registry)


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service_registry_client", description="Show the services that a GA4GH Service Registry lists."
    )
    parser.add_argument("url", metavar="URL", help="base URL, such as https://registry.example.org/ga4gh/registry/v1")
    parser.add_argument("--artifact", help="only services of this kind, such as tes")
    parser.add_argument("--verified", action="store_true", help="only services that the registry's verifications have")
    parser.add_argument("--nested", action="store_true", help="also what the registries list that this one lists")
    parser.add_argument("--token-env", metavar="VAR", help="environment variable that holds a bearer token")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
