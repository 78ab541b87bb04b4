"""Read a Dockerfile: the few instructions that ours uses, and none that it does not."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

_VARIABLE = re.compile(r"\$\{(\w+)(?::\+([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals, and the rest of it on one line."""

    name: str
    text: str

    def words(self) -> list[str]:
        """Split the arguments as the shell does, or as the JSON array that they are."""
        if self.text.startswith("["):
            return [str(each) for each in json.loads(self.text)]
        return shlex.split(self.text)


@dataclass(frozen=True)
class Stage:
    """What stands between one FROM and the next.

    Attributes:
        base: the image it starts with, build arguments filled in.
        name: what it is called.
        steps: its instructions, in order.
    """

    base: str
    name: str
    steps: tuple[Instruction, ...]

    def last(self, name: str) -> Instruction:
        """Return the last instruction of this name, the one that counts.

        Raises:
            LookupError: there is none.
        """
        for step in reversed(self.steps):
            if step.name == name:
                return step
        raise LookupError(f"stage {self.name} has no {name}")


def read(text: str, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """Read a Dockerfile's stages, with these build arguments."""
    instructions = _instructions(text)
    first = next(number for number, each in enumerate(instructions) if each.name == "FROM")
    known = dict(_assignment(each.text) for each in instructions[:first])
    known.update(arguments or {})
    stages: list[Stage] = []
    for each in instructions[first:]:
        if each.name == "FROM":
            base, name = re.split(r"\s+AS\s+", each.text, flags=re.IGNORECASE)
            stages.append(Stage(expand(base, known), name, ()))
        else:
            stages[-1] = Stage(stages[-1].base, stages[-1].name, (*stages[-1].steps, each))
    return stages


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Fill in `$NAME`, `${NAME}` and `${NAME:+word}`."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[3], "")
        if match[2] is not None:
            return match[2] if found else ""
        return found

    return _VARIABLE.sub(value, text)


def assignments(step: Instruction) -> dict[str, str]:
    """Read the `NAME=value` pairs of an ENV or a LABEL."""
    return dict(_assignment(each) for each in shlex.split(step.text))


def health_command(stage: Stage) -> list[str]:
    """Return the command of a stage's HEALTHCHECK."""
    _, _, command = stage.last("HEALTHCHECK").text.partition("CMD ")
    return Instruction("CMD", command).words()


def main_command(stage: Stage) -> list[str]:
    """Return what a container of this stage runs when nothing else is said."""
    return [*stage.last("ENTRYPOINT").words(), *stage.last("CMD").words()]


def label_text(stage: Stage, arguments: Mapping[str, str]) -> dict[str, str]:
    """Return a stage's labels, with these build arguments."""
    return assignments(Instruction("LABEL", expand(stage.last("LABEL").text, arguments)))


def _assignment(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value.strip('"')


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in filter(None, map(str.strip, whole.splitlines())):
        name, _, rest = line.partition(" ")
        found.append(Instruction(name.upper(), rest.strip()))
    return found


class Context:
    """The files of a folder that a build may see, by its `.dockerignore`."""

    def __init__(self, folder: Path) -> None:
        """Read the rules of `folder`."""
        self._folder = folder
        lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
        self._rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def sees(self, path: str) -> bool:
        """Tell whether a file is sent: of all rules that fit it or a folder it is in, the last one decides."""
        seen = True
        for rule in self._rules:
            if _fits(PurePosixPath(path), rule.removeprefix("!").rstrip("/")):
                seen = rule.startswith("!")
        return seen

    def files(self, source: str) -> list[Path]:
        """List the files that a COPY of this file or folder takes, relative to the folder."""
        start = self._folder / source
        found = [start] if start.is_file() else sorted(each for each in start.rglob("*") if each.is_file())
        relative = [each.relative_to(self._folder) for each in found]
        return [each for each in relative if self.sees(each.as_posix())]


def _fits(path: PurePosixPath, rule: str) -> bool:
    """Tell whether a rule fits a path or one of the folders above it; `**/` stands for any number of folders."""
    anywhere = rule.startswith("**/")
    pattern = rule.removeprefix("**/")
    depth = len(PurePosixPath(pattern).parts)
    parts = path.parts
    for end in range(1, len(parts) + 1):
        starts = range(end) if anywhere else (0,)
        for start in starts:
            piece = parts[start:end]
            if len(piece) == depth and all(map(fnmatchcase, piece, PurePosixPath(pattern).parts)):
                return True
    return False
