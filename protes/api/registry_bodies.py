"""What operators send to register an instance: a GA4GH `ExternalService` with the extension field `protes`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from protes.api.documents import body
from protes.api.problems import FieldError, Problem, invalid
from protes.api.validation import path_of
from protes.config.base import Name
from protes.config.federation import NamedCredentials
from protes.config.instances import Declared
from protes.federation.registrations import Registration, may_be_sent, normalised
from protes.tes.dialects.table import dialect_named

EXTENSION, HEALTH = "protes", "protes_health"
RESERVED_IDS = ("types",)
_LARGEST_BODY = 64 * 1024
_OWN_FIELDS = ("dialect", "credentials", "drain")
_ARTIFACT = "tes"

_Model = TypeVar("_Model", bound=BaseModel)
_Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Part(BaseModel):
    """A part of the body: fields that the specification has are checked, others are kept."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True, alias_generator=to_camel)


class _Type(_Part):
    group: _Text = "org.ga4gh"
    artifact: _Text
    version: _Text = "1.1.0"

    @field_validator("artifact")
    @classmethod
    def _is_tes(cls, artifact: str) -> str:
        if artifact.strip().lower() != _ARTIFACT:
            raise ValueError("must be tes: this registry lists TES instances")
        return _ARTIFACT


class _Organization(_Part):
    name: _Text
    url: _Text


class _Extension(Declared):
    """`Declared` and what only the gateway that the instance is registered at needs."""

    dialect: str | None = None
    credentials: str | None = None
    drain: bool = False

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, dialect: str | None) -> str | None:
        if dialect is not None:
            dialect_named(dialect)
        return dialect


class _Body(_Part):
    id: Name | None = None
    name: _Text
    type: _Type
    url: str
    organization: _Organization | None = None
    version: _Text | None = None
    description: _Text | None = None
    contact_url: _Text | None = None
    documentation_url: _Text | None = None
    created_at: _Text | None = None
    updated_at: _Text | None = None
    environment: _Text | None = None

    @field_validator("id")
    @classmethod
    def _is_not_reserved(cls, given: str | None) -> str | None:
        if given in RESERVED_IDS:
            raise ValueError("is the name of another operation")
        return given

    @field_validator("url")
    @classmethod
    def _is_normal(cls, url: str) -> str:
        return normalised(url)


def read_registration(
    credentials: Mapping[str, NamedCredentials], now: datetime, service_id: str | None = None
) -> Registration:
    """Read and check the body of this request.

    Args:
        credentials: those that may be named.
        now: the time of the registration.
        service_id: the id in the path, which wins.

    Returns:
        The registration; its id is "" where neither path nor body has one.

    Raises:
        Problem: 400 with every field at fault, 413 beyond 64 KiB, 415 where the body is neither JSON nor YAML.
    """
    if (request.content_length or 0) > _LARGEST_BODY:
        raise Problem(413, f"the body is larger than {_LARGEST_BODY} bytes, the most that is kept of a registration")
    document = body()
    if not isinstance(document, dict):
        raise invalid([FieldError("body", "must be an object, an ExternalService")])
    said = document.pop(EXTENSION, {})
    document.pop(HEALTH, None)
    if service_id is not None and document.get("id", service_id) != service_id:
        raise invalid([FieldError("id", f"must be that of the path, {service_id}, or be left out")])
    errors: list[FieldError] = []
    service = _checked(_Body, {**document, **({"id": service_id} if service_id is not None else {})}, "", errors)
    extension = _checked(_Extension, said, EXTENSION, errors)
    if service is None or extension is None:
        raise invalid(errors)
    _check_credentials(extension.credentials, service.url, credentials)
    return Registration(
        id=service.id or "",
        url=service.url,
        service={**document, "type": service.type.model_dump()},
        declared=Declared(**{name: getattr(extension, name) for name in Declared.model_fields}),
        dialect=extension.dialect,
        credentials=extension.credentials,
        drain=extension.drain,
        created_at=now,
        updated_at=now,
    )


def _checked(model: type[_Model], given: Any, where: str, errors: list[FieldError]) -> _Model | None:
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        for each in problem.errors(include_input=False, include_url=False, include_context=False)[:20]:
            place = path_of(tuple(part for part in (where, *each["loc"]) if part != ""))
            errors.append(FieldError(place or "body", _in_words(each["type"], each["msg"])))
        return None


def _in_words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return f"is not known; known are {', '.join((*Declared.model_fields, *_OWN_FIELDS))}"
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _check_credentials(name: str | None, url: str, known: Mapping[str, NamedCredentials]) -> None:
    field = f"{EXTENSION}.credentials"
    if name is None:
        return
    if name not in known:
        raise invalid(
            [FieldError(field, f"must name credentials of the settings: {', '.join(sorted(known)) or 'none'}")]
        )
    if not may_be_sent(known[name], url):
        raise invalid([FieldError(field, f"{name} may not be sent to the host of url (credentials.{name}.hosts)")])
