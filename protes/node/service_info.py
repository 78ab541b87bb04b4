"""What the node says of itself (GA4GH Service Info 1.0.0, TES 1.1.0 `tesServiceInfo`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protes import __version__
from protes.node.settings import NodeSettings, PathMode

SERVICE_ID = "org.ga4gh.protes.node"

_MODES: dict[PathMode, str] = {
    "namespace": (
        "Path mode namespace: each task has a mount namespace with a private root, in which it sees its own absolute "
        "paths and a fresh /tmp, and the host's other folders read-only."
    ),
    "mapped": (
        "Path mode mapped: the paths that a task declares are mapped into a folder of its own and rewritten in command "
        "arguments, values of environment variables, workdir, stdin, stdout and stderr; other paths, /tmp among them, "
        "are the host's."
    ),
}


def service_info(settings: NodeSettings, mode: PathMode, why_not: str, roots: Sequence[Path]) -> dict[str, Any]:
    """Make the answer of GET /service-info.

    Args:
        settings: the node's.
        mode: how tasks see their paths.
        why_not: why that is not a namespace though one was wanted, else "".
        roots: folders that `file://` URLs may name.
    """
    description = (
        "For trying out and for tests: runs commands as processes of this machine, without containers; images are "
        f"not used. {_MODES[mode]}"
    )
    if why_not:
        description += f" ({why_not}.)"
    return {
        "id": SERVICE_ID,
        "name": settings.name,
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "description": description,
        "organization": {"name": "protes", "url": "https://example.org"},
        "environment": "test",
        "version": __version__,
        "storage": [*(root.as_uri() for root in roots), "http://", "https://"],
        "tesResources_backend_parameters": [],
    }
