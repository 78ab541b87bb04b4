"""The packages that the image has, at the versions that the tests ran with.

`python -m tests.deployment.locked > deployment/requirements.txt` writes the list anew from this environment.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

FILE = Path(__file__).parents[2] / "deployment" / "requirements.txt"
_OURS = "protes"
_UNUSED = frozenset({"pytest", "sphinx", "sphinx-rtd-theme"})
"""What FOCA's documentation and tests are made with: it asks for them and does without at run time."""
_HEAD = (
    "# What the image installs: every package that protes needs, at the version that the tests ran with.\n"
    "# Made by: python -m tests.deployment.locked > deployment/requirements.txt\n"
)


class NotInstalled(Exception):
    """A package that protes needs is not in this environment; the text says which."""


def render() -> str:
    """Write the list for this environment.

    Raises:
        NotInstalled: see there.
    """
    versions = {normal(each.name): each.version for each in needed()}
    return _HEAD + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


def needed() -> Iterator[Distribution]:
    """Find everything that protes needs at run time, at any depth, once each, itself left out.

    Raises:
        NotInstalled: see there.
    """
    names: set[str] = {_OURS}
    seen: set[tuple[str, str]] = {(_OURS, "")}
    open_ends = [(distribution(_OURS), "")]
    while open_ends:
        for requirement in requirements(*open_ends.pop()):
            name = normal(requirement.name)
            found = _find(name)
            if name not in names:
                names.add(name)
                yield found
            wanted = [(name, each) for each in ("", *requirement.extras) if (name, each) not in seen]
            seen.update(wanted)
            open_ends += [(found, each) for _, each in wanted]


def requirements(package: Distribution, extra: str = "") -> list[Requirement]:
    """List what a package, with this extra, asks for here and needs at run time."""
    return [
        each
        for each in map(Requirement, package.requires or ())
        if (each.marker is None or each.marker.evaluate({"extra": extra})) and normal(each.name) not in _UNUSED
    ]


def normal(name: str) -> str:
    """Return the normal form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _find(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise NotInstalled(f"{name} is needed and is not installed here") from None


if __name__ == "__main__":
    sys.stdout.write(render())
