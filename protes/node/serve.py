"""A node behind gunicorn."""

import sys
from collections.abc import Callable
from dataclasses import replace

from protes.clock import SystemClock
from protes.http_server import StartFailed, WsgiApp, serve
from protes.node.app import BASE_PATH, NodeApp, create_node_app
from protes.node.path_mode import NoNamespaces
from protes.node.settings import NodeSettings
from protes.node.tasks import DirectoryInUse

_THREADS = 16
_ANY_ADDRESS = ("", "0.0.0.0", "::")


def run_node(settings: NodeSettings, host: str, port: int) -> None:
    """Serve a node until it is told to stop; say in one line on standard output where, when it is ready.

    Args:
        settings: what the node is told.
        host: address to bind to; also let in as `Host`, unless it stands for all addresses.
        port: port to bind to; 0 takes any free one.

    Raises:
        PortTaken: the address cannot be bound.
    """
    if host not in _ANY_ADDRESS:
        settings = replace(settings, allowed_hosts=(*settings.allowed_hosts, host))
    nodes: list[NodeApp] = []

    def create() -> tuple[WsgiApp, Callable[[], None]]:
        node = _create(settings)
        nodes.append(node)
        return node.wsgi, node.close

    def ready(url: str) -> None:
        sys.stdout.write(f"protes node {settings.name} serves TES at {url}{BASE_PATH} ({nodes[-1].mode} paths)\n")
        sys.stdout.flush()

    serve(create, host=host, port=port, threads=_THREADS, on_ready=ready)


def _create(settings: NodeSettings) -> NodeApp:
    try:
        return create_node_app(settings, SystemClock())
    except (DirectoryInUse, NoNamespaces) as error:
        raise StartFailed(str(error)) from None
    except OSError as error:
        raise StartFailed(f"the node cannot start: {error}") from None
