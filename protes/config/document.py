"""Write `docs/settings.md` from the models: `python -m protes.config.document > docs/settings.md`."""

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from protes.config.planning import StepSettings
from protes.config.settings import Settings

_HEAD = """# Settings

Settings stand in the section `custom` of a YAML file in FOCA's layout (`protes serve --config FILE`). An environment
variable wins over the file; its value is read as YAML, but for secrets, which are taken as they are. Lists are set as a
whole. Unknown settings are refused. This page is made by
`python -m protes.config.document > docs/settings.md`.
"""


def render() -> str:
    """Return the page."""
    sections: list[str] = [_HEAD]
    for title, model, prefix in _sections(Settings, ""):
        sections.append(f"\n## {title}\n\n| setting | default | environment variable | meaning |\n|---|---|---|---|\n")
        sections.extend(_rows(model, prefix))
    return "".join(sections)


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    """Yield each model with its title and the path of its fields; `[]` stands for the entries of a list."""
    yield (f"`custom.{prefix.rstrip('.')}`" if prefix else "`custom`"), model, prefix
    for name, field in model.model_fields.items():
        inner, many = _inner(field.annotation)
        if inner is not None and inner is not StepSettings:
            yield from _sections(inner, f"{prefix}{name}{many}.")
        elif inner is StepSettings and model is Settings:
            yield f"`custom.{prefix}{name}[]`", inner, f"{prefix}{name}[]."


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, _ = _inner(field.annotation)
        if inner is not None and field.description is None:
            continue  # a section of its own
        path = prefix + name
        variable = "" if "[]" in path or "<" in path else f"`PROTES_{path.replace('.', '__').upper()}`"
        yield f"| `{path}` | {_default(field)} | {variable} | {_meaning(field)} |\n"


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the model inside an annotation, and what stands for its place in a list or a map: `[]` or `.<name>`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for argument in get_args(annotation):
        found, many = _inner(argument)
        if found is not None:
            place = "[]" if Ellipsis in get_args(annotation) else ".<name>" if get_origin(annotation) is dict else ""
            return found, place + many
    return None, ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == () or value == {}:
        return ""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(each, 'use', each)}`" for each in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render())
