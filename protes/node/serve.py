"""A node behind gunicorn."""

import sys
from dataclasses import replace

from protes.clock import SystemClock
from protes.http_server import Create, StartFailed, serve
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

    def say_where(url: str) -> None:
        # In the worker process, where the node has been made.
        line = f"protes node {settings.name} serves TES at {url}{BASE_PATH} ({nodes[-1].mode} paths)\n"
        sys.stdout.write(line)
        sys.stdout.flush()

    serve(_creating(settings, nodes), host=host, port=port, threads=_THREADS, on_ready=say_where)


def _creating(settings: NodeSettings, nodes: list[NodeApp]) -> Create:
    def create() -> object:
        try:
            node = create_node_app(settings, SystemClock())
        except (DirectoryInUse, NoNamespaces) as error:
            raise StartFailed(str(error)) from None
        except OSError as error:
            raise StartFailed(f"{error.filename}: {error.strerror}") from None
        nodes.append(node)
        return node.wsgi, node.close

    return create  # type: ignore[return-value]
