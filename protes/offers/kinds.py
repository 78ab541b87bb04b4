"""The `kind` of components: URIs that end in a name, with or without a version (STANDARDS.md 5.1)."""

import re

_BASE = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds/"
OFFER_SET = _BASE + "offerset/execution-offerset.yaml"
SESSION = _BASE + "session/scheduled-execution-session.yaml"
COMPUTE = _BASE + "compute/simple-compute-resource.yaml"
STORAGE = _BASE + "storage/simple-storage-resource.yaml"
DATA = _BASE + "data/simple-data-resource.yaml"
COST = _BASE + "costs/simple-minmax-float-cost.yaml"
MONETARY = "urn:ivoa:calycopis:cost:monetary"

TASK = "urn:ga4gh:tes:1.1:task"
DOCKER_CONTAINER = "docker-container"

TASKS = (TASK, "urn:ga4gh:tes:1.0:task")
_NAME = re.compile(r"(?:.*[/:])?([A-Za-z0-9-]+?)(?:-[0-9]+(?:\.[0-9]+)*)?(?:\.yaml)?")


def name_of(kind: str) -> str:
    """Return the name that a kind ends in, such as `docker-container`; `TASK` for a TES task, "" for none."""
    if kind in TASKS:
        return TASK
    match = _NAME.fullmatch(kind)
    return match[1] if match else ""


def is_kind(kind: str | None, expected: str) -> bool:
    """Tell whether a component is of the expected kind; one that says nothing is."""
    return kind is None or name_of(kind) == name_of(expected)
