"""Install the peers that tests talk to into `build/peers`: `python -m tests.peers.install funnel azurite`.

Funnel, FerretDB, Helm and what reads Compose files are built by Go from their modules, Azurite comes by npm, the others
from Debian; all by the ordinary clients, at pinned versions. What is there at its pinned version is left as it is.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "peers"
FUNNEL = FOLDER / "bin" / "funnel"
FUNNEL_MODULE = "github.com/ohsu-comp-bio/funnel"
FUNNEL_VERSION = "v0.12.2"
FERRETDB = FOLDER / "bin" / "ferretdb"
FERRETDB_INDEXED = FOLDER / "bin" / "ferretdb-indexed"
FERRETDB_MODULE = "github.com/FerretDB/FerretDB"
FERRETDB_VERSION = "v1.24.0"
AZURITE_VERSION = "3.35.0"
HELM = FOLDER / "bin" / "helm"
HELM_MODULE = "helm.sh/helm/v3"
HELM_VERSION = "v3.19.0"
COMPOSE = FOLDER / "bin" / "compose"
COMPOSE_MODULE = "github.com/compose-spec/compose-go/v2"
COMPOSE_VERSION = "v2.9.0"

_HERE = Path(__file__).parent
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
# Without the line `go`, what the modules' own dependencies depend on would be fetched, too.
_GO_LANGUAGE = "go 1.24.0"


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program that Go builds.

    Attributes:
        name: for people.
        binary: where it is put.
        module: the module that is required, at `version`.
        flags: for the linker.
        package: what is built; of the module, or, where there is a `main`, the module of our own around it.
        main: a small program of ours that embeds the module.
        language: the line `go` of our module, if it needs one.
        changes: what is built differently: of a file of the module, a text and what is put in its place.
    """

    name: str
    binary: Path
    module: str
    version: str
    flags: str = "-s -w"
    package: str = "."
    main: Path | None = None
    language: str = _GO_LANGUAGE
    changes: Sequence[tuple[str, str, str]] = ()


_FUNNEL = GoProgram(
    "Funnel",
    FUNNEL,
    FUNNEL_MODULE,
    FUNNEL_VERSION,
    # Funnel's own builds state their version so; without it service-info says "unknown".
    f"-s -w -X {FUNNEL_MODULE}/version.Version={FUNNEL_VERSION.removeprefix('v')}",
    FUNNEL_MODULE,
    language="",
)
_FERRETDB = GoProgram("FerretDB", FERRETDB, FERRETDB_MODULE, FERRETDB_VERSION, main=_HERE / "ferretdb" / "main.go")
# FerretDB finds a document by its id without reading all of them only where nothing but the id is asked for (which a
# compare-and-set is not), and asks for it in other words than its own index has. With two thousand tasks every step of
# one took half a second of a processor so; here it takes 4 ms. What is found is the same. For the long form of the
# crash suite alone: everything else is tested against FerretDB as it is.
_FERRETDB_INDEXED = replace(
    _FERRETDB,
    name="FerretDB that uses its index",
    binary=FERRETDB_INDEXED,
    changes=(
        ("internal/backends/sqlite/collection.go", "params.Filter.Len() == 1 {", "params.Filter.Len() >= 1 {"),
        ("internal/backends/sqlite/metadata/metadata.go", """ + "->'$._id'"\n""", """ + `->"_id"`\n"""),
    ),
)
# Helm's own builds state the version of Kubernetes that templates are rendered for; without it that is an ancient one.
_HELM_KUBERNETES = " ".join(
    f"-X {HELM_MODULE}/pkg/{part}.k8sVersion{name}={value}"
    for part in ("chartutil", "lint/rules")
    for name, value in (("Major", 1), ("Minor", 34))
)
_HELM = GoProgram(
    "Helm",
    HELM,
    HELM_MODULE,
    HELM_VERSION,
    f"-s -w {_HELM_KUBERNETES}",
    f"{HELM_MODULE}/cmd/helm",
)
_COMPOSE = GoProgram("Compose's reader", COMPOSE, COMPOSE_MODULE, COMPOSE_VERSION, main=_HERE / "compose" / "main.go")


class InstallFailed(Exception):
    """A peer could not be installed; the text says why."""


def install_go(program: GoProgram) -> str:
    """Build a program, once.

    `go install MODULE@VERSION` wants a list of all versions too, to see whether the module is deprecated; a module of
    our own that requires the pinned one gives the same program and needs only that version.

    Returns:
        What was done.

    Raises:
        InstallFailed: there is no Go, or it did not build.
    """
    source = program.main.read_text(encoding="utf-8") if program.main is not None else ""
    stamp = program.binary.with_suffix(".stamp")
    changes = "".join(f"{file}: {old} -> {new}\n" for file, old, new in program.changes)
    wanted = f"{program.module}@{program.version} {program.flags}\n{changes}{source}"
    if program.binary.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return f"{program.name} {program.version} is there"
    module = FOLDER / f"{program.binary.name}-module"
    module.mkdir(parents=True, exist_ok=True)
    lines = (f"module {program.binary.name}", program.language, f"require {program.module} {program.version}")
    (module / "go.mod").write_text("\n\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    if source:
        (module / "main.go").write_text(source, encoding="utf-8")
    # `-mod=mod` lets Go write down what the module itself requires.
    settings = {"GOBIN": str(program.binary.parent), "GOFLAGS": "-mod=mod -buildvcs=false"}
    if program.changes:
        _change(program, module)
    _run("go", "install", "-ldflags", program.flags, program.package, folder=module, environment=settings)
    stamp.write_text(wanted, encoding="utf-8")
    return f"{program.name} {program.version} installed"


def _change(program: GoProgram, module: Path) -> None:
    """Have Go build from a copy of the module in which some texts are others."""
    _run("go", "mod", "download", program.module, folder=module)
    # Its last line: what Go has to say comes before.
    original = _run("go", "list", "-m", "-f", "{{.Dir}}", program.module, folder=module).splitlines()[-1]
    copy = module / "changed"
    shutil.rmtree(copy, ignore_errors=True)
    # Go's own copies are read-only; a tree of such folders could not be removed again.
    shutil.copytree(original, copy, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(copy):
        Path(folder).chmod(0o755)
    for file, old, new in program.changes:
        text = (copy / file).read_text(encoding="utf-8")
        if old not in text:
            raise InstallFailed(f"{program.name} {program.version} has no {old.strip()!r} in {file}")
        (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    with (module / "go.mod").open("a", encoding="utf-8") as file_of_module:
        file_of_module.write(f"\nreplace {program.module} => ./{copy.name}\n")


def install_debian(package: str, program: str) -> str:
    """Install a package of Debian's, once; a service in it is not started.

    Returns:
        What was done.

    Raises:
        InstallFailed: this is no Debian, we are not root, or it did not install.
    """
    if shutil.which(program) is not None:
        return f"{package} is there"
    if shutil.which("apt-get") is None:
        raise InstallFailed(f"apt-get is needed and is not there: install {package} by hand")
    if os.geteuid() != 0:
        raise InstallFailed(f"needs root: sudo apt-get install {package}")
    with _alone(), _no_service_starts():
        _update_debian()
        _run("apt-get", "install", "-qy", "--no-install-recommends", package, folder=Path("/"), environment=_QUIET)
    return f"{package} installed"


@contextmanager
def _alone() -> Iterator[None]:
    """Have others of us wait: Debian's programs end at once where another of them is at work."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".debian").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Have packages leave their services alone: Debian asks this program whether one may start."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


@cache
def _update_debian() -> None:
    """Have Debian's lists of packages brought up to date, once."""
    _run("apt-get", "update", "-q", folder=Path("/"), environment=_QUIET)


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


_GO: Mapping[str, Callable[[], str]] = {
    "funnel": partial(install_go, _FUNNEL),
    "ferretdb": partial(install_go, _FERRETDB),
    "helm": partial(install_go, _HELM),
    "compose": partial(install_go, _COMPOSE),
}
_NPM: Mapping[str, Callable[[], str]] = {"azurite": install_azurite}
_DEBIAN: Mapping[str, Callable[[], str]] = {
    "rabbitmq": partial(install_debian, "rabbitmq-server", "rabbitmq-server"),
    "redis": partial(install_debian, "redis-server", "redis-server"),
    "faketime": partial(install_debian, "faketime", "faketime"),
    "rsync": partial(install_debian, "rsync", "rsync"),
    "chromium": partial(install_debian, "chromium", "chromium"),
    "zsh": partial(install_debian, "zsh", "zsh"),
    "fish": partial(install_debian, "fish", "fish"),
}
_BY_HAND: Mapping[str, Callable[[], str]] = {"ferretdb-indexed": partial(install_go, _FERRETDB_INDEXED)}
PEERS = {**_GO, **_NPM, **_DEBIAN, **_BY_HAND}


def _run(program: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it says."""
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
    return done.stdout


def main(names: list[str]) -> int:
    """Install what is named, or all but what is for runs by hand; return the exit code."""
    if unknown := sorted(set(names) - PEERS.keys()):
        print(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    # Each kind waits for its own part of the network; of one kind, one after the other.
    wanted = names or PEERS.keys() - _BY_HAND.keys()
    kinds = [[name for name in kind if name in wanted] for kind in ({**_GO, **_BY_HAND}, _NPM, _DEBIAN)]
    with ThreadPoolExecutor(len(kinds)) as pool:
        return max(pool.map(_install_all, kinds))


def _install_all(names: Sequence[str]) -> int:
    """Install one after the other; return the exit code."""
    code = 0
    for name in names:
        began = time.monotonic()
        try:
            said = PEERS[name]()
        except InstallFailed as error:
            said, code = f"{name}: {error}", 1
        print(f"{said} ({time.monotonic() - began:.0f} s)\n", end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
