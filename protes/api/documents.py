"""Bodies and answers of the operations that speak JSON and YAML (the Execution Broker, task-info)."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Response, request

from protes.api.ingress import drop_nulls, write_task
from protes.api.problems import FieldError, Problem, invalid
from protes.offers import formats
from protes.offers.errors import Expired, IllegalTransition, InvalidRequest, Unknown

_LARGEST_BODY = 1024 * 1024
_ACCEPTED = (formats.JSON, *formats.YAML_TYPES)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def body() -> Any:
    """Return the parsed body of this request, without nulls in objects.

    Raises:
        Problem: 413 where it is larger than an offer is kept with, 415 where it is neither JSON nor YAML, 400 where it
            is not what it is declared as.
    """
    raw = request.get_data()
    if len(raw) > _LARGEST_BODY:
        raise Problem(413, f"the body is larger than {_LARGEST_BODY} bytes, the most that is kept with offers")
    media_type = formats.format_of(request.headers.get("Content-Type", ""))
    if media_type is None:
        raise Problem(415, "header Content-Type: must be application/json or application/yaml")
    try:
        document = drop_nulls(formats.parse(raw, media_type))
    except RecursionError:
        raise Problem(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, str(error)) from None
    write_task(document)  # refuses what is no text
    return document


def document_answer(document: Mapping[str, Any], status: int = 200, location: str | None = None) -> Response:
    """Answer a document in the format that the request accepts, JSON where it accepts anything or neither."""
    accepted = request.accept_mimetypes.best_match(_ACCEPTED, default=formats.JSON)
    media_type = formats.JSON if accepted == formats.JSON else formats.YAML
    response = Response(formats.write(document, media_type), status, content_type=media_type)
    response.vary.add("Accept")
    if location is not None:
        response.headers["Location"] = location
    return response


def refusing(operation: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn the errors of offers into problem details."""

    @wraps(operation)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return operation(*args, **kwargs)
        except InvalidRequest as error:
            raise invalid([FieldError(field, detail) for field, detail in error.errors[:20]]) from None
        except Unknown:
            raise Problem(404, "uuid: there is nothing with this uuid, or it has been forgotten") from None
        except Expired:
            raise Problem(410, "uuid: these offers have expired; make the request again") from None
        except IllegalTransition as error:
            raise Problem(409, str(error)) from None

    return wrapped
