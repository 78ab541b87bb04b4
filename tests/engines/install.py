"""Install workflow engines into `build/engines`: `python -m tests.engines.install [NAME ...]`.

Each is in a virtual environment of its own, from its own package, everything pinned in `requirements/NAME.txt`: they
want different versions of the same things, py-tes first of all. What is there as pinned already is left as it is.
"""

import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "engines"
REQUIREMENTS = Path(__file__).parent / "requirements"

_AT_ONCE = 2
_STAMP = ".installed"


class InstallFailed(Exception):
    """An engine could not be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How one engine is installed.

    Attributes:
        build: what must be there before, because packages without wheels are built with it.
        programs: of the system, that the engine calls.
        finish: what else is to be done in the environment's folder.
    """

    build: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    finish: Callable[[Path], None] = lambda folder: None


def _storage_plugin_at_hand(folder: Path) -> None:
    """Let tasks of Snakemake 9 install their storage plugin from a folder instead of from an index, each time anew.

    Raises:
        InstallFailed: the plugin could not be had.
    """
    pinned = (REQUIREMENTS / "snakemake9.txt").read_text(encoding="utf-8").split()
    plugin = next(each for each in pinned if each.startswith("snakemake-storage-plugin-fs=="))
    _pip(folder, "download", "--no-deps", "--dest", str(folder / "wheels"), plugin)
    settings = f"[install]\nno-index = true\nno-deps = true\nfind-links = {folder / 'wheels'}\n"
    (folder / "pip.conf").write_text(settings, encoding="utf-8")


ENGINES: Mapping[str, Engine] = {
    "toil": Engine(),
    "snakemake9": Engine(programs=("rsync",), finish=_storage_plugin_at_hand),
    "snakemake7": Engine(),
    # Its dependencies of 2019 are built by setuptools that still has `2to3`.
    "cwl-tes": Engine(build=("setuptools==57.5.0", "wheel==0.45.1")),
    "pulsar": Engine(),
    "py-tes-0.4.2": Engine(),
    "py-tes-1.1.4": Engine(),
}


def environment_of(name: str) -> Path | None:
    """Return the folder of an engine's environment, or None where it is not installed as pinned."""
    folder = FOLDER / name
    stamp = folder / _STAMP
    return folder if stamp.is_file() and stamp.read_text(encoding="utf-8") == _wanted(name) else None


def install(name: str) -> str:
    """Install an engine, once.

    Returns:
        What was done.

    Raises:
        InstallFailed: it could not be; the text says why.
    """
    if environment_of(name) is not None:
        return f"{name} is there"
    engine, folder = ENGINES[name], FOLDER / name
    if absent := [program for program in engine.programs if shutil.which(program) is None]:
        raise InstallFailed(f"{', '.join(absent)} is needed and is not there")
    venv.create(folder, clear=True, with_pip=True)
    if engine.build:
        _pip(folder, "install", *engine.build)
    isolation = ["--no-build-isolation"] if engine.build else []
    # The list is complete: nothing is to be resolved.
    _pip(folder, "install", *isolation, "--no-deps", "--requirement", str(REQUIREMENTS / f"{name}.txt"))
    engine.finish(folder)
    (folder / _STAMP).write_text(_wanted(name), encoding="utf-8")
    return f"{name} installed"


def _wanted(name: str) -> str:
    pinned = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return f"{sys.version_info[:2]} {ENGINES[name].build}\n{pinned}"


def _pip(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "--quiet", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InstallFailed(f"pip {arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def main(names: list[str]) -> int:
    """Install what is named, or all; return the exit code."""
    if unknown := sorted(set(names) - ENGINES.keys()):
        print(f"no such engine: {', '.join(unknown)}; there are {', '.join(ENGINES)}", file=sys.stderr)
        return 2
    began = time.monotonic()

    def one(name: str) -> int:
        try:
            said, code = install(name), 0
        except InstallFailed as error:
            said, code = f"{name}: {error}", 1
        print(f"{said} ({time.monotonic() - began:.0f} s)\n", end="", flush=True)
        return code

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return max(pool.map(one, names or ENGINES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
