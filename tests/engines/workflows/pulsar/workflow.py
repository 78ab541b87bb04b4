# mypy: ignore-errors
"""What Galaxy's Pulsar TES runner has its client library do: three containers in a row that share a folder."""

import json
import os
import pathlib
import sys
import time
import uuid

from pulsar.client.coexecution_manager import build_client_manager
from pulsar.client.container_job_config import CoexecutionContainerCommand

HERE = pathlib.Path.cwd()
TOOLS = {
    "result": "tr a-z A-Z < words.txt > result.txt && sort words.txt | uniq -c >> result.txt",
    "broken": "echo broken on purpose >&2; exit 3",
    "slow": "sleep 300; cat words.txt > slow.txt",
    "steady": "sleep 75; sort words.txt > steady.txt",
}
STAGING = "/pulsar_staging"


def container(script):
    return CoexecutionContainerCommand("debian:12", "sh", ["-c", script], STAGING, None)


def main():
    goal = sys.argv[1]
    destination = json.loads((HERE / "destination.json").read_text())
    destination["tes_url"] = os.environ["TES_URL"] + "/"
    manager = build_client_manager(tes_enabled=True)
    client = manager.get_client({"tes_enabled": True, **destination}, job_id=uuid.uuid4().hex)
    client.external_id = client._launch_containers(
        container(f"cp {HERE}/words.txt ."), container(TOOLS[goal]), container(f"cp {goal}.txt {HERE}")
    ).external_id
    try:
        while (status := client.raw_check_complete())["complete"] != "true":
            time.sleep(0.5)
    except KeyboardInterrupt:
        client.kill()
        sys.exit(130)
    if status["status"] != "complete":
        sys.exit(f"{client.external_id}: {status['status']}")


if __name__ == "__main__":
    main()
