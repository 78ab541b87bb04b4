"""What a request that brings a task says around it: as a `Submission`, for POST /tasks and for dry runs alike."""

from collections.abc import Mapping
from typing import Any

from flask import request
from pydantic import SecretStr

from protes.api.callers import token_kind
from protes.api.preference import WEIGHT_HEADER
from protes.api.problems import KEY_HEADER
from protes.api.services import ingress, services
from protes.api.submission import Submission


def arriving(document: Mapping[str, Any]) -> Submission:
    """Return the submission of `document` by the request that is being served."""
    root = ingress()
    authorization = request.headers.get("Authorization")
    settings = services().settings
    kind = token_kind(authorization, settings.server.operator_token, settings.auth.takes_basic)
    return Submission(
        document=document,
        base=root.base,
        prefix=root.prefix,
        url_weight=root.weight,
        url_profile=root.profile,
        header_weight=request.headers.get(WEIGHT_HEADER),
        token_kinds=(kind,) if kind is not None else (),
        authorization=SecretStr(authorization) if authorization is not None and kind is not None else None,
        via=request.headers.get("Via"),
        key=request.headers.get(KEY_HEADER),
    )
