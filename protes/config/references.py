"""Settings that are secrets may say where the secret is, in place of what it is: `operator_token: env:TOKEN`."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from protes.secrets import SecretMissing, Secrets, is_reference

_ALSO_SECRET = frozenset({("store", "url")})
"""What may hold a password and is no `SecretStr`."""
_OF_REFERENCES = frozenset({"secret", "token", "key"})


class Unresolved(Exception):
    """A reference in the place of a secret leads nowhere; the text begins with the setting and shows no secret."""


def resolved(given: Mapping[str, Any], model: type[BaseModel], secrets: Secrets) -> dict[str, Any]:
    """Return settings with secrets in the place of references to them; what is no secret stays as it is.

    Args:
        given: nested settings, not checked yet.
        model: what they are settings of.
        secrets: reads them.

    Raises:
        Unresolved: a reference is malformed, or its secret cannot be had.
    """
    return {name: _value(value, _annotation(model, name), (name,), secrets) for name, value in given.items()}


def referenced_files(section: BaseModel) -> Iterator[str]:
    """Yield the files that settings name as the places of secrets (`secret: file:PATH`), wherever in a section."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in _OF_REFERENCES and isinstance(value, str) and value.startswith("file:"):
            yield value.removeprefix("file:")
        else:
            yield from _files_in(value)


def _files_in(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from referenced_files(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _files_in(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _files_in(each)


def _annotation(model: type[BaseModel], name: str) -> Any:
    field = model.model_fields.get(name)
    return field.annotation if field is not None else None


def _value(value: Any, kind: Any, path: tuple[str, ...], secrets: Secrets) -> Any:
    """Walk settings and their types side by side."""
    if isinstance(value, str):
        if is_reference(value) and (path in _ALSO_SECRET or SecretStr in _alternatives(kind)):
            return _read(value, path, secrets).get_secret_value()
        return value
    if isinstance(value, Mapping):
        model = next((each for each in _alternatives(kind) if _is_model(each)), None)
        if model is not None:
            return {
                name: _value(each, _annotation(model, str(name)), (*path, str(name)), secrets)
                for name, each in value.items()
            }
        kinds = [get_args(each)[1] for each in _alternatives(kind) if get_origin(each) is dict]
        inner = kinds[0] if kinds else None
        return {name: _value(each, inner, (*path, str(name)), secrets) for name, each in value.items()}
    if isinstance(value, list | tuple):
        inner = next((get_args(each)[0] for each in _alternatives(kind) if get_origin(each) is tuple), None)
        return [_value(each, inner, (*path, str(number)), secrets) for number, each in enumerate(value)]
    return value


def _read(reference: str, path: tuple[str, ...], secrets: Secrets) -> SecretStr:
    try:
        return secrets.read(reference)
    except (SecretMissing, ValueError) as problem:
        raise Unresolved(f"{'.'.join(path)}: {problem}") from None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return what a setting may be, all members of a union; of a list that one alone may stand for, its members too."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(inner for each in get_args(kind) for inner in _alternatives(each))
    if get_origin(kind) is tuple and SecretStr in get_args(kind):
        return (kind, SecretStr)
    return (kind,)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
