"""Who calls (DESIGN.md section 5, "Caller"): anonymous until authentication is on, or the operator by token."""

import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from protes.api.problems import Problem

OPERATOR = "operator"
# `None:None`, as py-tes 0.4 sends it, and `:`.
_ANONYMOUS_BASIC = ("Tm9uZTpOb25l", "Og==")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose request a use case serves.

    Attributes:
        subject: who; "" is anonymous.
        tenant: their tenant, "" where there is none.
        groups: the groups they are in.
        roles: what they may do beyond their own tasks.
    """

    subject: str = ""
    tenant: str = ""
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @property
    def is_operator(self) -> bool:
        """Whether operator calls are allowed."""
        return OPERATOR in self.roles


ANONYMOUS = Caller()


def identify(authorization: str | None, operator_token: SecretStr | None) -> Caller:
    """Tell who calls from the `Authorization` header.

    Without authentication nothing is refused here: what py-tes 0.4 (`None:None`) and the Funnel command line (empty
    Basic) send, and any other credential, means anonymous. The operator's token gives the operator's role.
    """
    if authorization is None:
        return ANONYMOUS
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() == "bearer" and operator_token is not None:
        expected = operator_token.get_secret_value().encode()
        if hmac.compare_digest(credential.strip().encode(), expected):
            return Caller(roles=frozenset({OPERATOR}))
    return ANONYMOUS


def token_kind(authorization: str | None, operator_token: SecretStr | None) -> str | None:
    """Return the kind of token a caller brings, lower case; None for none, what means anonymous, and the operator's."""
    scheme, _, credential = (authorization or "").partition(" ")
    kind, credential = scheme.lower(), credential.strip()
    if not kind or not credential or (kind == "basic" and credential in _ANONYMOUS_BASIC):
        return None
    return None if identify(authorization, operator_token).is_operator else kind


def require_operator(caller: Caller) -> None:
    """Let operators pass.

    Raises:
        Problem: 403.
    """
    if not caller.is_operator:
        raise Problem(403, "this call is the operator's: send server.operator_token as a bearer token")


def caller_may_see(caller: Caller, owner: str) -> bool:
    """Tell whether a task of `owner` exists for the caller."""
    return caller.subject == owner
