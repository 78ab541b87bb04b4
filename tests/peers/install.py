"""Install the peers that tests talk to into `build/peers`: `python -m tests.peers.install funnel azurite`.

Funnel is built by Go from its module, Azurite comes by npm; both by the ordinary clients, at pinned versions. What is
there at the pinned version already is left as it is.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "peers"
FUNNEL = FOLDER / "bin" / "funnel"
FUNNEL_MODULE = "github.com/ohsu-comp-bio/funnel"
FUNNEL_VERSION = "v0.12.2"
AZURITE_VERSION = "3.35.0"

# Funnel's own builds state their version so; without it service-info says "unknown".
_LINK_FLAGS = f"-s -w -X {FUNNEL_MODULE}/version.Version={FUNNEL_VERSION.removeprefix('v')}"


class InstallFailed(Exception):
    """A peer could not be installed; the text says why."""


def install_funnel() -> str:
    """Build Funnel, once.

    `go install MODULE@VERSION` wants a list of all versions too, to see whether the module is deprecated; a module of
    our own that requires the pinned one gives the same program and needs only that version.

    Returns:
        What was done.

    Raises:
        InstallFailed: there is no Go, or it did not build.
    """
    stamp = FUNNEL.with_suffix(".stamp")
    wanted = f"{FUNNEL_MODULE}@{FUNNEL_VERSION} {_LINK_FLAGS}\n"
    if FUNNEL.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return f"Funnel {FUNNEL_VERSION} is there"
    module = FOLDER / "funnel-module"
    module.mkdir(parents=True, exist_ok=True)
    requirement = f"module peers\n\nrequire {FUNNEL_MODULE} {FUNNEL_VERSION}\n"
    (module / "go.mod").write_text(requirement, encoding="utf-8")
    # `-mod=mod` lets Go write down what Funnel itself requires.
    settings = {"GOBIN": str(FUNNEL.parent), "GOFLAGS": "-mod=mod -buildvcs=false"}
    _run("go", "install", "-ldflags", _LINK_FLAGS, FUNNEL_MODULE, folder=module, environment=settings)
    stamp.write_text(wanted, encoding="utf-8")
    return f"Funnel {FUNNEL_VERSION} installed"


def install_azurite() -> str:
    """Install Azurite, once.

    Returns:
        What was done.

    Raises:
        InstallFailed: there is no npm, or it did not install.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    description = FOLDER / "node_modules" / "azurite" / "package.json"
    if description.is_file() and f'"version": "{AZURITE_VERSION}"' in description.read_text(encoding="utf-8"):
        return f"Azurite {AZURITE_VERSION} is there"
    quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
    _run("npm", "install", "--prefix", str(FOLDER), *quiet, f"azurite@{AZURITE_VERSION}", folder=FOLDER)
    return f"Azurite {AZURITE_VERSION} installed"


PEERS: Mapping[str, Callable[[], str]] = {"funnel": install_funnel, "azurite": install_azurite}


def _run(program: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
    found = shutil.which(program)
    if found is None:
        raise InstallFailed(f"{program} is needed and is not there")
    done = subprocess.run(
        [found, *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InstallFailed(f"{program} {arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def main(names: list[str]) -> int:
    """Install what is named, or all; return the exit code."""
    if unknown := sorted(set(names) - PEERS.keys()):
        print(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    code = 0
    for name in names or PEERS:
        began = time.monotonic()
        try:
            said = PEERS[name]()
        except InstallFailed as error:
            said, code = f"{name}: {error}", 1
        print(f"{said} ({time.monotonic() - began:.0f} s)", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
