"""Who calls (DESIGN.md section 5, "Caller"): anonymous until authentication is on, or the operator by token.

With authentication on, `protes.auth` finds out; either way the caller comes to endpoints in the WSGI environment.
"""

import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from protes.api.problems import Problem

OPERATOR = "operator"
READER = "reader"
USER = "user"
ROLES = (OPERATOR, READER, USER)
CALLER_KEY = "protes.caller"
"""Where the caller of a request stands in its WSGI environment."""
# `None:None`, as py-tes 0.4 sends it, and `:`.
_ANONYMOUS_BASIC = ("Tm9uZTpOb25l", "Og==")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose request a use case serves.

    Attributes:
        subject: who, unlike anybody else of whatever issuer; "" is anonymous.
        tenant: their tenant, "" where there is none.
        groups: the groups they are in.
        roles: `operator` (may do everything), `reader` (may read everything), `user` (has tasks of their own).
    """

    subject: str = ""
    tenant: str = ""
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @property
    def is_operator(self) -> bool:
        """Whether operator calls are allowed."""
        return OPERATOR in self.roles

    @property
    def is_reader(self) -> bool:
        """Whether everything of everybody may be read; an operator may do so too, and is no reader."""
        return READER in self.roles


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


def is_nobodys(authorization: str | None) -> bool:
    """Tell whether an `Authorization` header shows nothing, or what means anonymous."""
    scheme, _, credential = (authorization or "").partition(" ")
    credential = credential.strip()
    return not scheme or not credential or (scheme.lower() == "basic" and credential in _ANONYMOUS_BASIC)


def token_kind(
    authorization: str | None, operator_token: SecretStr | None, passwords_are_ours: bool = False
) -> str | None:
    """Return the kind of token that a caller brings and an instance may be shown, lower case.

    None for no token, what means anonymous, the operator's token, and a password by which the caller is known here.

    Args:
        authorization: value of the header.
        operator_token: the operator's.
        passwords_are_ours: whether callers are known by name and password.
    """
    kind = (authorization or "").partition(" ")[0].lower()
    if is_nobodys(authorization) or identify(authorization, operator_token).is_operator:
        return None
    return None if kind == "basic" and passwords_are_ours else kind


def require_operator(caller: Caller) -> None:
    """Let operators pass.

    Raises:
        Problem: 403.
    """
    if not caller.is_operator:
        text = "this call is the operator's: send server.operator_token as a bearer token, or have the role operator"
        raise Problem(403, text)
