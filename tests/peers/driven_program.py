"""Stands in for the `docker` program as `container_program` does, but runs nothing: the test says how it ends.

`driven_program.py FOLDER run ... --name NAME ...` makes a pipe `NAME.end` in the folder, waits for what is written into
it, copies the texts in that to its streams, and ends with its exit code.
"""

import json
import os
import signal
import sys
from pathlib import Path


def wait(folder: Path, name: str) -> int:
    """Wait to be told how to end, and end so."""
    os.setsid()
    (folder / name).write_text(str(os.getpid()), encoding="utf-8")
    pipe = folder / f"{name}.end"
    os.mkfifo(pipe)
    end = json.loads(pipe.read_text(encoding="utf-8"))
    sys.stdout.write(end["stdout"])
    sys.stderr.write(end["stderr"])
    (folder / name).unlink(missing_ok=True)
    return int(end["exit_code"])


def kill(folder: Path, name: str) -> int:
    """End what waits under a name."""
    try:
        os.killpg(int((folder / name).read_text(encoding="utf-8")), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Do as Docker would."""
    folder, verb, *rest = arguments
    if verb == "run":
        return wait(Path(folder), rest[rest.index("--name") + 1])
    if verb == "rm":
        return kill(Path(folder), rest[-1])
    if verb == "version":
        print(json.dumps({"Server": "1.48", "Client": "1.48"}))
    return 0 if verb in ("version", "pull") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
