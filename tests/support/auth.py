"""Settings, headers and checks of tests in which callers must say who they are."""

from __future__ import annotations

import base64
import re
from typing import Any

import requests

from tests.support.issuer import AUDIENCE, Issuer

OPERATOR_TOKEN = "correct-horse-battery-staple"
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


def issuer_settings(issuer: Issuer, name: str = "local", **changes: Any) -> dict[str, Any]:
    """Return an entry of `auth.issuers`."""
    usual = {"name": name, "issuer": issuer.url, "audience": [AUDIENCE]}
    return {**usual, **changes}


def oidc(*issuers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the section `auth` of a gateway that takes tokens."""
    return {"mode": "oidc", "issuers": list(issuers), **changes}


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that shows a name and a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def challenge(answer: requests.Response) -> tuple[str, dict[str, str]]:
    """Return scheme and parameters of the challenge of an answer."""
    value = answer.headers["WWW-Authenticate"]
    return value.partition(" ")[0], dict(_PARAMETER.findall(value))
