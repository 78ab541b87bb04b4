"""Commands that run servers on this machine, and the check of a configuration."""

import json
import os
import signal
import sys
from argparse import Namespace
from typing import Any

from middleware import MiddlewareConfigError, build_chain
from protes.app import Gateway, create_gateway, create_worker
from protes.cli.named_files import read_files
from protes.cli.output import CliError, Exit, as_json
from protes.config.loading import ConfigError, Loaded
from protes.config.watching import ConfigFiles
from protes.federation.merge import check_urls
from protes.http_arrival import Bounds
from protes.http_server import PortTaken, StartFailed
from protes.http_server import serve as serve_http
from protes.metrics.directory import Unshared, forget_process, shared
from protes.reload import Trigger
from protes.store.protocols import StoreError

_SWITCH_SECONDS = 0.0005
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(args: Namespace) -> int:
    """Serve the gateway until it is told to stop."""
    files = ConfigFiles(args.config, os.environ, _overrides(args))
    loaded = _load(files)
    server = loaded.settings.server
    trigger = Trigger()
    made: list[Gateway] = []  # one in each worker process

    def create() -> Any:
        try:
            gateway = create_gateway(loaded, files=files, trigger=trigger)
        except (ConfigError, MiddlewareConfigError, StoreError) as error:
            raise StartFailed(str(error)) from None
        # Requests and jobs share one interpreter: by default a job may keep a request waiting for 5 ms at a time.
        sys.setswitchinterval(_SWITCH_SECONDS)
        gateway.start()
        made.append(gateway)
        return gateway.wsgi, gateway.close

    def stop() -> None:
        for gateway in made:
            gateway.hurry()

    def ready(url: str) -> None:
        print(f"protes serves TES at {url}/ga4gh/tes/v1 (dashboard: {url}/)", flush=True)

    metrics = loaded.settings.metrics
    try:
        with shared(os.environ, metrics.directory, wanted=metrics.enabled and server.workers > 1):
            serve_http(
                create,
                host=server.host,
                port=server.port,
                workers=server.workers,
                threads=server.threads,
                on_ready=ready,
                on_hangup=trigger.ask,
                on_stop=stop,
                may_serve=loaded.settings.auth.check_bound,
                on_child_exit=forget_process,
                bounds=Bounds(
                    head_seconds=server.head_seconds, body_bytes_per_second=server.slowest_body_bytes_per_second
                ),
            )
    except PortTaken as error:
        raise CliError(f"{error}; choose another one with --port", Exit.USAGE) from None
    except Unshared as error:
        raise CliError(str(error), Exit.USAGE) from None
    return Exit.OK


def worker(args: Namespace) -> int:
    """Run jobs that come through the broker until told to stop (SIGTERM, SIGINT); SIGHUP has the configuration read."""
    files = ConfigFiles(args.config, os.environ, _overrides(args))
    loaded = _load(files)
    if loaded.settings.runner.kind != "celery":
        text = "a worker takes jobs from a broker: set runner.kind to celery, and runner.broker_url"
        raise CliError(text, Exit.USAGE)
    trigger = Trigger()
    # Before there are other threads: they inherit that these signals wait for `sigwait`, which is no handler and may
    # take its time.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        made = create_worker(loaded, files=files, trigger=trigger)
    except (ConfigError, MiddlewareConfigError, StoreError) as error:
        raise CliError(str(error), Exit.USAGE) from None
    try:
        figures = made.serve_figures()
    except ConfigError as error:
        raise CliError(str(error), Exit.USAGE) from None
    made.start()
    if figures is not None:
        print(f"metrics are served at port {figures.port}", flush=True)
    print(f"protes takes jobs from the broker, {loaded.settings.runner.threads} at once", flush=True)
    while signal.sigwait(_SIGNALS) == signal.SIGHUP:
        trigger.ask()
    if figures is not None:
        figures.close()
    made.close()
    return Exit.OK


def check_config(args: Namespace) -> int:
    """Say whether a configuration can be used, and print it without secrets."""
    loaded = _load(ConfigFiles(args.config, os.environ, _overrides(args)))
    try:
        read_files(loaded.settings)
    except ConfigError as error:
        raise CliError(f"the configuration cannot be used: {error}", Exit.USAGE) from None
    as_json(json.loads(loaded.settings.model_dump_json()))
    return Exit.OK


def _load(files: ConfigFiles) -> Loaded:
    """Read the configuration and check what can be checked before anything is started."""
    try:
        loaded = files.load()
        check_urls(loaded.settings.instances)
        build_chain(loaded.settings.chain)
    except (ConfigError, MiddlewareConfigError) as error:
        raise CliError(f"the configuration cannot be used: {error}", Exit.USAGE) from None
    return loaded


def _overrides(args: Namespace) -> dict[str, Any]:
    """Collect what the command line says of settings; commands differ in what may be said."""
    given = vars(args)
    sections = {
        "server": {"host": given.get("host"), "port": given.get("port")},
        "auth": {"allow_anonymous": given.get("allow_anonymous")},
        "store": {"url": given.get("data")},
        "runner": {"execute": given.get("execute"), "threads": given.get("concurrency")},
    }
    return {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in sections.items()
    }
