"""Wraps an executor into `sh -c` so that a server that reads arguments as paths passes them on as they are. Pure.

What could be changed on the way goes through variables, which such servers leave alone (DIALECTS.md 2.2 rule 4): the
script itself has nothing in it that reads as a path to be tidied.
"""

import posixpath
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_REDIRECTIONS = {"stdin": "<", "stdout": ">", "stderr": "2>"}
_PREFIX = "PROTES_"


def wrapped(executor: Mapping[str, Any]) -> dict[str, Any]:
    """Return an executor that does the same by way of `sh -c`, without redirections of its own.

    Args:
        executor: `tesExecutor` with a command.
    """
    env = dict(executor.get("env") or {})
    prefix = _PREFIX
    while any(name.startswith(prefix) for name in env):
        prefix += "_"
    words = {f"{prefix}{place}": text for place, text in enumerate(executor["command"])}
    files = {f"{prefix}{name.upper()}": executor[name] for name in _REDIRECTIONS if executor.get(name)}
    script = ["exec", *(f'"${{{name}}}"' for name in words)]
    for stream, sign in _REDIRECTIONS.items():
        if stream == "stderr" and _is_stdout(executor):
            script.append("2>&1")  # opened twice, each stream would write over the other's
        elif executor.get(stream):
            script += [sign, f'"${{{prefix}{stream.upper()}}}"']
    others = {name: value for name, value in executor.items() if name not in _REDIRECTIONS}
    return {**others, "command": ["sh", "-c", " ".join(script)], "env": env | words | files}


def _is_stdout(executor: Mapping[str, Any]) -> bool:
    """Tell whether stderr goes to the file that stdout goes to."""
    names = [executor.get(stream) for stream in ("stdout", "stderr")]
    # With three slashes in front any number of them counts as one.
    return all(names) and len({posixpath.normpath(f"///{name}") for name in names}) == 1


def changes_as_path(argument: str) -> bool:
    """Tell whether an argument that is read as a path and written again is another one."""
    return str(PurePosixPath(argument)) != argument
