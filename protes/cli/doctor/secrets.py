"""Checks of files that hold secrets: who may read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from protes.cli.doctor.finding import Finding, Reporter
from protes.config.loading import Loaded
from protes.secrets.references import is_reference

_NO_SECRET = ("ca_file",)
"""Endings of settings that name files which anybody may read."""

_Place = tuple[str | int, ...]


def check_files(loaded: Loaded) -> Iterator[Finding]:
    """Look at the files that settings name or refer to, and at the configuration itself where it holds secrets."""
    named = {_shown(place): file for place, file in _named_files(loaded.settings)}
    named |= {f"a secret that settings refer to ({file.name})": file for file in loaded.secret_files}
    inline = next(_written(loaded), None)
    if inline is not None:
        named |= {f"the configuration, which holds {_shown(inline)} or more": file for file in loaded.files[1:]}
    for setting, file in named.items():
        yield _judged(setting, file)
    if not named:
        yield Reporter("secrets").ok("no setting names a file with a secret")


def _judged(setting: str, file: Path) -> Finding:
    report = Reporter("secrets", str(file))
    try:
        mode = file.stat().st_mode
    except OSError as error:
        text = f"{setting}: {error.strerror}"
        return report.fail(text, "make the file, or name the right one; it must be readable for the gateway's user")
    if not os.access(file, os.R_OK):
        return report.fail(f"{setting}: we may not read it", "run as the gateway's user, or give it the file")
    if mode & stat.S_IROTH:
        return report.warn(f"{setting}: every user of this machine can read it", f"chmod o-rwx {file}")
    return report.ok(f"{setting}: readable, and not for everybody")


def _named_files(value: object, place: _Place = ()) -> Iterator[tuple[_Place, Path]]:
    """Yield all settings that name a file of a secret: their names end in `_file`."""
    for name, inner in _inside(value):
        if isinstance(inner, str) and str(name).endswith("_file") and not str(name).endswith(_NO_SECRET):
            yield (*place, name), Path(inner)
        else:
            yield from _named_files(inner, (*place, name))


def _written(loaded: Loaded) -> Iterator[_Place]:
    """Yield the secrets that stand in the files themselves, not referred to and not from the environment."""
    custom = getattr(loaded.foca, "custom", None)
    for place in _secrets(loaded.settings, ()):
        value = _raw(custom, place)
        if isinstance(value, str) and not is_reference(value):
            yield place


def _secrets(value: object, place: _Place) -> Iterator[_Place]:
    for name, inner in _inside(value):
        if isinstance(inner, SecretStr):
            yield (*place, name)
        else:
            yield from _secrets(inner, (*place, name))


def _raw(value: Any, place: _Place) -> Any:
    """Return what a file says at a place; a list of one may be written without brackets."""
    for name in place:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and name < len(value):
            value = value[name]
        elif not (isinstance(value, str) and isinstance(name, int)):
            return None
    return value


def _inside(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, BaseModel):
        yield from ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, tuple | list):
        yield from enumerate(value)


def _shown(place: _Place) -> str:
    return "custom" + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place)
