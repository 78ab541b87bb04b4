"""Who calls, found out for every request before it reaches any endpoint (docs/authentication.md).

The ingress layer asks before it reads a body, with the path that is routed: an endpoint that nobody thought of needs a
caller like all others.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protes.api.callers import ANONYMOUS, CALLER_KEY, OPERATOR, USER, Caller, identify, is_nobodys
from protes.api.problems import Problem
from protes.auth.basic import Busy, Passwords, WrongPassword
from protes.auth.bearers import Bearers
from protes.auth.claims import NotAllowed
from protes.auth.key_ring import KeyRings, KeysUnavailable
from protes.auth.passwords import read_users
from protes.auth.paths import METRICS, is_open, is_preflight
from protes.auth.refusals import Refusals
from protes.auth.tokens import BadToken, TokenExpired
from protes.clock import Clock
from protes.config.settings import Settings

logger = logging.getLogger(__name__)

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LONGEST_CREDENTIAL = 64 * 1024
_BY_TOKEN = Caller(OPERATOR, roles=frozenset({OPERATOR}))
"""Whoever shows the operator's token; no user of a file may have this name."""


class Gatekeeper:
    """Lets callers in. Safe under threads."""

    def __init__(self, settings: Settings, rings: KeyRings, clock: Clock) -> None:
        """Let in whom the settings say.

        Raises:
            ConfigError: the file of users cannot be used.
        """
        self._settings = auth = settings.auth
        self._operator_token = settings.server.operator_token
        self._origins = frozenset(settings.server.cors_origins)
        self._refusals = Refusals(auth)
        self._bearers = Bearers(auth, rings, clock) if auth.takes_tokens else None
        users = read_users(Path(auth.users_file)) if auth.takes_basic and auth.users_file is not None else None
        waiting = max(1, settings.server.threads // 2)
        self._passwords = Passwords(users, waiting) if users is not None else None

    def admit(self, environ: dict[str, Any], path: str) -> None:
        """Note who calls in the WSGI environment.

        Args:
            environ: of the request; its body is not read.
            path: where it is routed to.

        Raises:
            Problem: 401 for nobody that is known, 403 for somebody who may not do this, 503 where it cannot be told.
        """
        try:
            environ[CALLER_KEY] = self._caller(environ, path)
        except Problem as refusal:
            refusal.headers.update(self._for_browsers(environ))
            raise

    def _caller(self, environ: Mapping[str, Any], path: str) -> Caller:
        authorization, method = environ.get("HTTP_AUTHORIZATION"), environ["REQUEST_METHOD"]
        known = identify(authorization, self._operator_token)
        if self._settings.mode == "none":
            return known
        if known.is_operator:
            return _BY_TOKEN
        if is_preflight(method, environ) or is_open(method, path, self._settings):
            return ANONYMOUS
        try:
            caller = self._known(authorization)
        except Problem:
            if path == METRICS:
                return ANONYMOUS
            raise
        if method not in _SAFE_METHODS and caller.is_reader and not caller.roles & {OPERATOR, USER}:
            raise self._refusals.only_reads()
        return caller

    def _known(self, authorization: str | None) -> Caller:
        """Return who shows a credential."""
        if is_nobodys(authorization) or len(authorization or "") > _LONGEST_CREDENTIAL:
            raise self._refusals.nobody()
        scheme, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if scheme.lower() == "bearer" and self._bearers is not None:
            return self._by_token(self._bearers, credential)
        if scheme.lower() == "basic" and self._passwords is not None:
            return self._by_password(self._passwords, credential)
        raise self._refusals.nobody()

    def _by_token(self, bearers: Bearers, token: str) -> Caller:
        try:
            return bearers.caller_of(token)
        except BadToken as problem:
            logger.info("a token is refused: %s", problem)
            raise self._refusals.bad_token(isinstance(problem, TokenExpired)) from None
        except NotAllowed as problem:
            logger.info("the bearer of a token is refused: %s", problem)
            raise self._refusals.not_allowed(problem.scopes) from None
        except KeysUnavailable as problem:
            raise self._refusals.no_keys(problem.retry_after_seconds) from None

    def _by_password(self, passwords: Passwords, credential: str) -> Caller:
        try:
            return passwords.caller_of(credential)
        except WrongPassword:
            raise self._refusals.wrong_password() from None
        except Busy:
            raise self._refusals.busy() from None

    def _for_browsers(self, environ: Mapping[str, Any]) -> Mapping[str, str]:
        """Let a page of an origin that may call see that it is refused: without, it is told of a network error."""
        origin = environ.get("HTTP_ORIGIN")
        if origin not in self._origins:
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
