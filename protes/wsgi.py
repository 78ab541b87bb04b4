"""The WSGI factory: `gunicorn 'protes.wsgi:create()'`.

The configuration file is named by the environment variable PROTES_CONFIG; settings come from PROTES_* variables too.
A change of the file is taken over by itself; signals are gunicorn's (docs/reload.md). With `runner.execute: false` the
processes only serve, and `protes worker` runs the jobs (docs/scaling.md).
"""

import atexit
import os
from collections.abc import Mapping

from protes.api.ingress import WsgiApp
from protes.app import create_gateway
from protes.config.watching import ConfigFiles


def create(environ: Mapping[str, str] | None = None) -> WsgiApp:
    """Put the gateway together, start its work, and return the app to serve; call it after fork.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    environ = os.environ if environ is None else environ
    config = environ.get("PROTES_CONFIG")
    files = ConfigFiles([config] if config else [], environ)
    gateway = create_gateway(files.load(), environ=environ, files=files)
    gateway.start()
    atexit.register(gateway.close)
    return gateway.wsgi
