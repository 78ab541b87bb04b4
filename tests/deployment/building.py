"""A Dockerfile's stages carried out, each in a root of its own."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.deployment.clean_root import Root
from tests.deployment.dockerfile import Context, Instruction, Stage, assignments


class StepFailed(Exception):
    """A step of a Dockerfile failed; the text is what it said."""


class Builder:
    """Carries out stages, each in a root of its own."""

    def __init__(self, folder: Path, checkout: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Build in `folder` what is in `checkout`, with the machine's own settings for its package index."""
        self._folder = folder
        self._checkout = checkout
        self._context = Context(checkout)
        self._roots: dict[str, Root] = {}
        # The base image's Python is nobody else's; a system's own may refuse to be changed.
        index = {name: value for name, value in environ.items() if name.startswith("PIP_") or "proxy" in name.lower()}
        self._ours = {**index, "PIP_BREAK_SYSTEM_PACKAGES": "1"}

    def build(self, stage: Stage) -> Root:
        """Carry a stage out.

        Raises:
            StepFailed: a step failed.
            LookupError: an instruction is none of those that are known here.
        """
        root = self._roots[stage.name] = Root(self._folder / stage.name)
        for step in stage.steps:
            match step.name:
                case "RUN":
                    self._run(root, step)
                case "COPY":
                    self._copy(root, step)
                case "ENV":
                    root.variables.update(assignments(step))
                case "WORKDIR":
                    root.workdir = step.text
                    root.path(step.text).mkdir(parents=True, exist_ok=True)
                case "USER":
                    root.user = step.text
                case "ARG" | "LABEL" | "EXPOSE" | "VOLUME" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                    pass
                case other:
                    raise LookupError(f"{other} is not known here")
        return root

    def _run(self, root: Root, step: Instruction) -> None:
        own = root.variables
        root.variables = {"HOME": "/root", **self._ours, **own}
        done = root.run(["sh", "-euc", step.text], timeout_seconds=900)
        root.variables = own
        if done.returncode != 0:
            raise StepFailed(f"RUN {step.text}\nended with {done.returncode}:\n{done.stdout[-4000:]}")

    def _copy(self, root: Root, step: Instruction) -> None:
        *sources, target = [word for word in step.words() if not word.startswith("--")]
        place = root.path(os.path.normpath(f"{root.workdir}/{target}" if not target.startswith("/") else target))
        [*origin] = [word.removeprefix("--from=") for word in step.words() if word.startswith("--from=")]
        for source in sources:
            if origin:
                shutil.copytree(self._roots[origin[0]].path(source), place, symlinks=True, dirs_exist_ok=True)
                continue
            files = self._context.files(source)
            if not files:
                raise StepFailed(f"COPY {source}: .dockerignore keeps it out, or it is not there")
            for file in files:
                below = file.relative_to(source) if (self._checkout / source).is_dir() else Path(file.name)
                (place / below).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._checkout / file, place / below)
