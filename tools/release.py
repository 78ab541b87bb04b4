"""Make a release: `python -m tools.release`. It checks and builds, and publishes nothing unless told.

    python -m tools.release                  a dry run: all checks, and the distributions in dist/
    python -m tools.release --tag            the same, then the tag vX.Y.Z (which you push)
    python -m tools.release --tag --upload   the same, then `twine upload` (which finds credentials by itself)

The version is that of `protes/__init__.py`, its changes are the section of that version in CHANGELOG.md.
"""

import argparse
import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?")
_BUILT = (".tar.gz", ".whl")
_IN_WHEEL = ("protes/py.typed", "protes/config/defaults.yaml", "openapi/tes.yaml", "protes/dashboard/static/index.html")
_METADATA = ("Name", "Version", "Summary", "License-Expression", "Requires-Python", "Description-Content-Type")


class Refused(Exception):
    """The release cannot be made; the text says what to do."""


@dataclass(frozen=True)
class Distributions:
    """What was built."""

    sdist: Path
    wheel: Path


def main(argv: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Make a release, or say why not; exit code 1 then."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Check, build, tag, upload.")
    parser.add_argument("--tag", action="store_true", help="make the tag vX.Y.Z")
    parser.add_argument("--upload", action="store_true", help="upload to the package index with twine; needs --tag")
    parser.add_argument("--dist", type=Path, default=Path("dist"), help="where the distributions go (dist)")
    args = parser.parse_args(argv)
    if args.upload and not args.tag:
        parser.error("--upload needs --tag: what is published has a tag")
    root = root or Path(__file__).parents[1]
    try:
        version = version_of(root)
        check_tree(root, version)
        _say(changes_of(root, version))
        built = build(root, root / args.dist)
        check_distributions(built, version)
        for each in (built.sdist, built.wheel):
            _say(f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}")
        if args.tag:
            _run("git", "tag", "--annotate", f"v{version}", "--message", f"protes {version}", at=root)
            _say(f"tagged v{version}; publish it with: git push origin v{version}")
        if args.upload:
            _run(sys.executable, "-m", "twine", "upload", str(built.sdist), str(built.wheel), at=root)
        if not (args.tag or args.upload):
            _say("dry run: nothing was tagged, nothing was uploaded")
    except Refused as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    return 0


def version_of(root: Path) -> str:
    """Return the version that the package says it is.

    Raises:
        Refused: it says none, or one that is no release.
    """
    tree = ast.parse((root / "protes" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            version = str(ast.literal_eval(node.value))
            if not _VERSION.fullmatch(version):
                raise Refused(f"protes/__init__.py: {version} is no version of a release, such as 1.2.3 or 1.2.3rc1")
            return version
    raise Refused("protes/__init__.py says no __version__")


def check_tree(root: Path, version: str) -> None:
    """Check that what is built is what was committed, and that this version is new.

    Raises:
        Refused: it is not.
    """
    changed = _run("git", "status", "--porcelain", at=root).splitlines()
    if changed:
        raise Refused(f"commit or remove what is not committed: {', '.join(line[3:] for line in changed[:5])}")
    if f"v{version}" in _run("git", "tag", "--list", at=root).split():
        raise Refused(f"v{version} has been released: raise __version__ in protes/__init__.py")
    chart = root / "deployment" / "helm" / "protes" / "Chart.yaml"
    if chart.exists() and f'appVersion: "{version}"' not in chart.read_text(encoding="utf-8"):
        raise Refused(f'deployment/helm/protes/Chart.yaml: appVersion must be "{version}"')


def changes_of(root: Path, version: str) -> str:
    """Return what the changelog says of a version.

    Raises:
        Refused: it says nothing, gives no date, or still has changes that are in no version.
    """
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    sections: dict[str, str] = {
        title: body.strip() for title, body in re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", text, re.M | re.S)
    }
    if sections.get("Unreleased"):
        raise Refused(f"CHANGELOG.md: move what is under Unreleased to a section: ## {version} - YYYY-MM-DD")
    for title, body in sections.items():
        if body and re.fullmatch(rf"\[?{re.escape(version)}\]? - [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}", title):
            return body
    raise Refused(f"CHANGELOG.md has no section: ## {version} - YYYY-MM-DD")


def build(root: Path, out: Path) -> Distributions:
    """Build both distributions from what is committed, and nothing else.

    Raises:
        Refused: they cannot be built.
    """
    others = [each.name for each in out.iterdir() if not each.name.endswith(_BUILT)] if out.is_dir() else []
    if others:
        raise Refused(f"{out} would be emptied, and has more in it than distributions: {', '.join(sorted(others)[:5])}")
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="protes-release-") as folder:
        archive, source = Path(folder) / "source.tar", Path(folder) / "source"
        _run("git", "archive", "--output", str(archive), "HEAD", at=root)
        with tarfile.open(archive) as tar:
            tar.extractall(source, filter="data")
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out.absolute()), str(source), at=source)
    sdists, wheels = list(out.glob("*.tar.gz")), list(out.glob("*.whl"))
    if len(sdists) != 1 or len(wheels) != 1:
        raise Refused(f"{out} should have one source distribution and one wheel")
    return Distributions(sdists[0], wheels[0])


def check_distributions(built: Distributions, version: str) -> None:
    """Check names, metadata and content, as the package index would and a little more.

    Raises:
        Refused: something is missing or wrong.
    """
    names = (f"protes-{version}.tar.gz", f"protes-{version}-py3-none-any.whl")
    if (built.sdist.name, built.wheel.name) != names:
        raise Refused(f"the distributions should be {' and '.join(names)}")
    with zipfile.ZipFile(built.wheel) as wheel:
        content = set(wheel.namelist())
        _check_metadata(wheel.read(f"protes-{version}.dist-info/METADATA"), version, "wheel")
    missing = [name for name in _IN_WHEEL if name not in content]
    if missing:
        raise Refused(f"the wheel lacks {', '.join(missing)}")
    with tarfile.open(built.sdist) as sdist:
        found = sdist.extractfile(f"protes-{version}/PKG-INFO")
        if found is None:
            raise Refused("the source distribution has no PKG-INFO")
        _check_metadata(found.read(), version, "source distribution")


def _check_metadata(text: bytes, version: str, where: str) -> None:
    metadata = message_from_bytes(text)
    # setuptools of before 77 writes License for License-Expression.
    missing = [
        each for each in _METADATA if not (metadata[each] or (each.startswith("License") and metadata["License"]))
    ]
    if missing:
        raise Refused(f"the metadata of the {where} lacks {', '.join(missing)}")
    if metadata["Version"] != version:
        raise Refused(f"the {where} is of version {metadata['Version']}, not {version}")
    description: object = metadata.get_payload()
    if not isinstance(description, str) or len(description.strip()) < 100:
        raise Refused(f"the metadata of the {where} has no description: long_description in setup.cfg")


def _run(*words: str, at: Path) -> str:
    """Run a program, and return what it printed.

    Raises:
        Refused: it fails.
    """
    ended = subprocess.run(words, cwd=at, capture_output=True, text=True, check=False)  # noqa: S603 (ours, all of them)
    if ended.returncode != 0:
        raise Refused(f"{' '.join(words[:3])} failed: {(ended.stderr or ended.stdout).strip()[-1000:]}")
    return ended.stdout


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
