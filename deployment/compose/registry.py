"""The registry of docker-compose.yaml: the demo's, with the services of the file beside it."""

import json
from pathlib import Path

from protes.demo.registry import create_registry_app

app = create_registry_app(json.loads(Path(__file__).with_name("services.json").read_text(encoding="utf-8")))
