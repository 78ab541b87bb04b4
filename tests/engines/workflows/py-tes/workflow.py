# mypy: ignore-errors
"""Three steps: two that read the same file, and one that joins what they made."""

import os
import pathlib
import sys

import tes

HERE = pathlib.Path.cwd()
COMMANDS = {
    "upper.txt": "tr a-z A-Z < words.txt",
    "count.txt": "sort words.txt | uniq -c",
    "result.txt": "cat upper.txt count.txt",
    "broken.txt": "cat upper.txt; echo broken on purpose >&2; exit 3",
    "slow.txt": "sleep 300; cat words.txt",
    "steady.txt": "sleep 75; sort words.txt",
}
STEPS = {
    "result": [{"upper.txt": ["words.txt"], "count.txt": ["words.txt"]}, {"result.txt": ["upper.txt", "count.txt"]}],
    "broken": [{"upper.txt": ["words.txt"]}, {"broken.txt": ["upper.txt"]}],
    "slow": [{"slow.txt": ["words.txt"]}],
    "steady": [{"steady.txt": ["words.txt"]}],
}


def task(made, needed):
    return tes.Task(
        name=f"make {made}",
        inputs=[tes.Input(url=(HERE / name).as_uri(), path=f"/work/{name}", type="FILE") for name in needed],
        outputs=[tes.Output(url=(HERE / made).as_uri(), path=f"/work/{made}", type="FILE")],
        resources=tes.Resources(cpu_cores=1, ram_gb=0.1, disk_gb=0.1),
        executors=[
            tes.Executor(
                image="debian:12", command=["sh", "-c", COMMANDS[made]], workdir="/work", stdout=f"/work/{made}"
            )
        ],
        tags={key: value for key, _, value in (each.partition("=") for each in os.environ.get("TAGS", "").split())},
    )


def main():
    client = tes.HTTPClient(os.environ["TES_URL"], timeout=10)
    for step in STEPS[sys.argv[1]]:
        ids = [client.create_task(task(made, needed)) for made, needed in step.items()]
        try:
            for task_id in ids:
                state = client.wait(task_id).state
                if state != "COMPLETE":
                    sys.exit(f"{task_id}: {state}\n{client.get_task(task_id, 'FULL').logs[-1].logs[-1].stderr}")
        except KeyboardInterrupt:
            for task_id in ids:
                client.cancel_task(task_id)
            sys.exit(130)


if __name__ == "__main__":
    main()
