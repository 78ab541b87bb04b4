"""Tasks as Cromwell writes them for the two Azure servers (DIALECTS.md 3.2, 3.3), as TES documents."""

from typing import Any

RUN = "5fc05ca9-1d6f-4c17-8fd9-3c4b8d0a7f11"
TESAZURE_CALL = f"/tes-wd/shared/cromwell-executions/align/{RUN}/call-bwa"
GA4GH_TES_CALL = f"/cromwell-executions/align/{RUN}/call-bwa/shard-3/attempt-2"


def for_tesazure(call: str = TESAZURE_CALL) -> dict[str, Any]:
    """A task of a Cromwell whose root is `/tes-wd/shared/cromwell-executions`."""
    execution = f"{call}/execution"
    return {
        "name": "align.bwa",
        "description": f"{RUN}:BackendJobDescriptorKey_CommandCallNode_align.bwa:-1:1",
        "inputs": [
            {"name": "commandScript", "path": f"{execution}/script", "url": f"{execution}/script", "type": "FILE"},
            {"name": "bwa.reads", "path": f"{call}/inputs/reads.fq", "url": f"{call}/inputs/reads.fq", "type": "FILE"},
        ],
        "outputs": [
            {"name": name, "path": f"{execution}/{name}", "url": f"{execution}/{name}", "type": "FILE"}
            for name in ("rc", "stdout", "stderr", "aligned.bam")
        ],
        "executors": [
            {
                "image": "bwa:1",
                "command": ["/bin/bash", f"{execution}/script"],
                "stdout": f"{execution}/stdout",
                "stderr": f"{execution}/stderr",
            }
        ],
        "resources": {"cpu_cores": 2, "ram_gb": 4.0},
    }


def for_ga4gh_tes(call: str = GA4GH_TES_CALL) -> dict[str, Any]:
    """A task of a Cromwell with its usual root."""
    task = for_tesazure(call)
    task["inputs"][0]["description"] = "align.bwa.commandScript"
    return task
