"""Which of the two ways of showing a task its paths this system allows: found out by trying."""

import os
import sys
import tempfile
from pathlib import Path

from protes.node.errors import TaskFailed
from protes.node.processes import Order, Process
from protes.node.settings import NodeSettings, PathMode
from protes.node.workspace import create_workspace, remove

_SEEN = "/protes-node-trial/seen"
_PROGRAM = (
    f"import os, sys; sys.exit(not (os.path.exists('{_SEEN}') and os.path.exists('/proc/self') and os.listdir('/')))"
)


class NoNamespaces(Exception):
    """The settings ask for namespaces, and the system does not allow them."""


def choose(settings: NodeSettings) -> tuple[PathMode, str]:
    """Return the mode to use, and why it is not `namespace` where that was wanted, else "".

    Raises:
        NoNamespaces: see there.
        OSError: the node's directory cannot be written.
    """
    if settings.path_mode == "mapped":
        return "mapped", ""
    why_not = _try_namespace(settings.directory)
    if not why_not:
        return "namespace", ""
    if settings.path_mode == "namespace":
        raise NoNamespaces(f"mount namespaces cannot be used here: {why_not}")
    return "mapped", why_not


def _try_namespace(directory: Path) -> str:
    """Run a command in a private root; return why that did not work, or ""."""
    if sys.platform != "linux":
        return "only Linux has them"
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=directory))
    null = os.open(os.devnull, os.O_RDWR)
    try:
        task = {"inputs": [{"path": _SEEN}], "executors": [{"command": ["true"]}]}
        workspace = create_workspace("namespace", folder / "root", task)
        workspace.prepare()
        workspace.locate(_SEEN).touch()
        program = [sys.executable, "-I", "-S", "-c", _PROGRAM]
        order = Order(program, {}, "/", root=str(workspace.root), binds=workspace.binds)
        code = Process(order, null, null, null).wait()
    except TaskFailed as error:
        return str(error)
    finally:
        os.close(null)
        remove(folder)
    return f"a command in one ended with exit code {code}" if code else ""
