"""Build the distributions from a copy of the checkout, and install them where the checkout is not."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("protes", "middleware", "service_registry_client", "openapi")
_COPIED = (
    *PACKAGES,
    "deployment",
    "docs",
    "tests",
    "tools",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "mkdocs.yml",
    "pyproject.toml",
    "setup.cfg",
)
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc", ".*")


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        sdist: the source distribution.
        wheel: the wheel, built from it.
    """

    sdist: Path
    wheel: Path


def build(folder: Path) -> Built:
    """Build both in a copy: leftovers of the checkout's own builds must not get into them."""
    source, out = folder / "source", folder / "dist"
    source.mkdir()
    for name in _COPIED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=_NOT_COPIED)
        elif path.exists():
            shutil.copy(path, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return Built(sdist, wheel)


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment that borrows the dependencies of this one; return its programs' folder.

    The checkout is not seen: `.pth` files, by which it is installed here, count in an environment's own folder only.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    python = folder / "bin" / "python"
    own = Path(_printed(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        str(wheel),
    ]
    subprocess.run(command, check=True, timeout=300, env=clean_environment())
    return folder / "bin"


def clean_environment() -> dict[str, str]:
    """Return the environment without what leads to the checkout, or to a configuration."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PROTES_", "PYTHONPATH", "VIRTUAL_ENV"))
    }


def _printed(python: Path, code: str) -> str:
    ended = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return ended.stdout.strip()
