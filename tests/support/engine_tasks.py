"""What workflow engines send, abridged: one task of each, as middleware sees it."""

from collections.abc import Mapping

from middleware import ExecutorView, InputView, OutputView, TaskView

RUN = "0f2b7a6e-1111-4222-8333-444455556666"


def _executor(image: str, *command: str, **fields: str) -> ExecutorView:
    return ExecutorView(image=image, command=command, **fields)  # type: ignore[arg-type]


_CALL = f"/cromwell-executions/align/{RUN}/call-bwa/shard-3/execution"

ENGINE_TASKS: Mapping[str, TaskView] = {
    "cromwell": TaskView(
        id="t",
        name="align.bwa",
        executors=(_executor("bwa:1", "/bin/bash", f"{_CALL}/script", stdout=f"{_CALL}/stdout"),),
        inputs=(InputView(path=f"{_CALL}/script", url=f"{_CALL}/script"),),
        outputs=(OutputView(path=f"{_CALL}/rc", url=f"{_CALL}/rc"),),
        tags={"workflow_id": RUN, "root_workflow_id": RUN, "cost_weight": "0.3"},
    ),
    "nextflow": TaskView(
        id="t",
        name="RNASEQ:ALIGN:STAR (sample 1)",
        executors=(
            _executor(
                "quay.io/star",
                "bash",
                "-o",
                "pipefail",
                "-c",
                "bash /work/.command.run 2>&1 | tee /work/.command.log",
                workdir="/work",
            ),
        ),
        inputs=(InputView(path="/work/.command.run", url="/data/work/ab/cd12/.command.run"),),
    ),
    "snakemake": TaskView(
        id="t",
        name="snakejob.count_lines.7.sh",
        executors=(_executor("snakemake/snakemake", "/bin/bash", "/tmp/run_snakemake.sh", workdir="/tmp"),),
        inputs=(InputView(path="/tmp/run_snakemake.sh", content="#!/bin/bash"),),
    ),
    "toil": TaskView(
        id="t",
        name="CWLJob",
        executors=(_executor("quay.io/ucsc_cgl/toil:7.0.0", "_toil_contained_executor", "gASV"),),
    ),
    "cwl-tes": TaskView(
        id="t",
        name="grep",
        executors=(_executor("debian", "grep", "x", workdir="/var/spool/cwl"),),
        tags={"CWLDocumentId": "file:///home/me/count.cwl#main"},
    ),
    "galaxy": TaskView(
        id="t",
        name="job-12",
        executors=(_executor("galaxy/pulsar-pod-staging:0.15", "pulsar-submit"), _executor("bwa", "sh")),
        volumes=("/pulsar_staging",),
    ),
    "sprocket": TaskView(
        id="t",
        name="call-2",
        executors=(_executor("ubuntu", "sh", "-c", "true"),),
        tags={"crankshaft-task-group": "group-9"},
    ),
}
