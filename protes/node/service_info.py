"""What a node says of itself: service-info of TES 1.1.0."""

from pathlib import Path
from typing import Any

from protes import __version__
from protes.node.settings import NodeSettings, PathMode

_PATHS = {
    "namespace": "a task sees the absolute paths it names, a /tmp of its own included, in a mount namespace",
    "mapped": "absolute paths that a task declares are mapped into its folder, and rewritten in its commands",
}


def storage_roots(settings: NodeSettings) -> tuple[Path, ...]:
    """Return the folders that file URLs may lead into."""
    return settings.roots or (settings.directory / "storage",)


def service_info(settings: NodeSettings, mode: PathMode) -> dict[str, Any]:
    """Make the document: no key beyond the specification's, as some clients refuse any."""
    return {
        "id": "org.ga4gh.protes.node",
        "name": settings.name,
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "description": (
            "For trying out and for tests: commands run as processes on the host, not in containers; "
            f"images are named but not used. Paths: {mode}, {_PATHS[mode]}."
        ),
        "organization": {"name": "protes", "url": "https://www.ga4gh.org"},
        "version": __version__,
        "storage": [root.absolute().as_uri() for root in storage_roots(settings)],
        "tesResources_backend_parameters": [],
    }
