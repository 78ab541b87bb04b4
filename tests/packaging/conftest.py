"""The distributions, built once, whichever of the processes that share the tests needs them first."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.building import Built, build, install

pytest.importorskip("build", reason="what builds distributions is not installed (the extra `dev`)")


@pytest.fixture(name="built", scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    def made(folder: Path) -> None:
        folder.mkdir()
        build(folder)

    out = _once(tmp_path_factory, "build", made) / "dist"
    return Built(sdist=next(out.glob("*.tar.gz")), wheel=next(out.glob("*.whl")))


@pytest.fixture(name="programs", scope="session")
def _programs(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel, and without the checkout."""
    return _once(tmp_path_factory, "environment", lambda folder: install(built.wheel, folder)) / "bin"


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this name that the processes of one run share; made by the first, the others wait."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / f"packaging-{name}", shared / f"packaging-{name}-is-there"
    with (shared / f"packaging-{name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(folder)
            done.touch()
    return folder
