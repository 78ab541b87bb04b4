"""Commands that run servers on this machine, and the check of a configuration."""

import json
import os
import sys
from argparse import Namespace
from typing import Any

from middleware import MiddlewareConfigError, build_chain
from protes.app import create_gateway
from protes.cli.output import CliError, Exit, as_json
from protes.config.loading import ConfigError, load
from protes.http_server import serve as serve_http


def serve(args: Namespace) -> int:
    """Serve the gateway until it is told to stop."""
    try:
        loaded = load(args.config, os.environ, _overrides(args))
        build_chain(loaded.settings.chain)
    except (ConfigError, MiddlewareConfigError) as error:
        raise CliError(f"the configuration cannot be used: {error}", Exit.USAGE) from None
    server = loaded.settings.server

    def create() -> Any:
        gateway = create_gateway(loaded)
        gateway.start()
        return gateway.wsgi, gateway.close

    def ready(url: str) -> None:
        print(f"protes serves {url}/ga4gh/tes/v1  (Swagger UI: {url}/ga4gh/tes/v1/ui/)", file=sys.stderr, flush=True)

    serve_http(
        create, host=server.host, port=server.port, workers=server.workers, threads=server.threads, on_ready=ready
    )
    return Exit.OK


def check_config(args: Namespace) -> int:
    """Say whether a configuration can be used, and print it without secrets."""
    try:
        loaded = load(args.config, os.environ, _overrides(args))
        build_chain(loaded.settings.chain)
    except (ConfigError, MiddlewareConfigError) as error:
        raise CliError(f"the configuration cannot be used: {error}", Exit.USAGE) from None
    as_json(json.loads(loaded.settings.model_dump_json()))
    return Exit.OK


def _overrides(args: Namespace) -> dict[str, Any]:
    """Collect what the command line says of settings."""
    server = {"host": args.host, "port": args.port}
    store = {"url": args.data}
    return {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in (("server", server), ("store", store))
    }
