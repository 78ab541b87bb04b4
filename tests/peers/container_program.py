"""Stands in for the `docker` program where there is no Docker: `container_program.py FOLDER run ... IMAGE COMMAND`.

Funnel runs whatever program its configuration names in Docker's place. This one runs the command as a process of the
machine: no image, no isolation. Paths of volumes, which only exist in a container, become those of the machine
wherever they stand in the command. `rm -f NAME` ends what runs under the name.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def run(folder: Path, arguments: list[str]) -> int:
    """Run one command to its end; return its exit code."""
    parser = argparse.ArgumentParser("run")
    for flag in ("-i", "--read-only", "--rm"):
        parser.add_argument(flag, action="store_true")
    for option in ("--env", "--volume", "--label"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--name", default="")
    parser.add_argument("--workdir", default=None)
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    volumes = dict(reversed(volume.split(":")[:2]) for volume in given.volume)
    with subprocess.Popen(
        [_on_machine(part, volumes) for part in given.command],
        env={**os.environ, **dict(pair.split("=", 1) for pair in given.env)},
        cwd=_on_machine(given.workdir, volumes) if given.workdir else folder,
        start_new_session=True,
    ) as process:
        (folder / given.name).write_text(str(process.pid), encoding="utf-8")
        code = process.wait()
    (folder / given.name).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def remove(folder: Path, name: str) -> int:
    """End what runs under a name, with all that it has started."""
    running = folder / name
    if not running.is_file():
        return 1
    try:
        os.killpg(int(running.read_text(encoding="utf-8")), signal.SIGKILL)
    except ProcessLookupError:
        return 1
    return 0


def _on_machine(text: str, volumes: dict[str, str]) -> str:
    """Replace paths of volumes, each once: one path may stand within another, on the machine, too."""
    if not volumes:
        return text
    inside = "|".join(re.escape(path) for path in sorted(volumes, key=len, reverse=True))
    return re.sub(rf"(?<![\w/.-])(?:{inside})(?![\w.-])", lambda found: volumes[found.group()], text)


def main(arguments: list[str]) -> int:
    """Do as Docker would."""
    folder, verb, *rest = arguments
    if verb == "run":
        return run(Path(folder), rest)
    if verb == "rm":
        return remove(Path(folder), rest[-1])
    if verb == "version":
        print(json.dumps({"Server": "1.48", "Client": "1.48"}))
    return 0 if verb in ("version", "pull") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
