"""Make the committed digest of the specification: `python -m tests.support.openapi_digest FOLDER > FILE`.

FOLDER holds the published documents; FILE is `tests/unit/tes-1.1.0.digest.json`. The digest has names, types, required
lists and enums, nothing of the specification's words.
"""

import json
import sys
from pathlib import Path

import yaml

from tests.support.openapi_shape import Facts, facts


def published(folder: Path) -> Facts:
    """Read the structure of the published documents."""
    tes = yaml.safe_load((folder / "tes-1.1.0.openapi.yaml").read_text(encoding="utf-8"))
    service_info = yaml.safe_load((folder / "service-info-1.0.0.yaml").read_text(encoding="utf-8"))
    found = facts(tes, service_info)
    described = facts({"paths": {}, "components": service_info["components"]})
    return found | described


if __name__ == "__main__":
    sys.stdout.write(json.dumps(published(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n")
