"""Who calls."""

import base64

import pytest
from pydantic import SecretStr

from protes.api.callers import ANONYMOUS, identify, require_operator, token_kind
from protes.api.problems import Problem

TOKEN = SecretStr("correct-horse-battery-staple")


def basic(credential: str) -> str:
    return "Basic " + base64.b64encode(credential.encode()).decode()


@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        basic("None:None"),  # py-tes 0.4
        basic(":"),  # the Funnel command line
        basic("alice:secret"),
        basic(TOKEN.get_secret_value()),
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer correct-horse-battery-stapl",
        "Bearer correct-horse-battery-staplé",
        "Token correct-horse-battery-staple",
        "correct-horse-battery-staple",
        "Bearer\tx",
    ],
)
def test_anything_but_the_token_is_anonymous_and_not_refused(
    authorization: str | None, token: SecretStr | None
) -> None:
    assert identify(authorization, token) is ANONYMOUS


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_makes_the_operator(scheme: str) -> None:
    caller = identify(f"{scheme} {TOKEN.get_secret_value()}", TOKEN)
    assert caller.is_operator
    assert caller.subject == ""
    require_operator(caller)


def test_without_a_token_nobody_is_the_operator() -> None:
    assert not identify("Bearer None", None).is_operator
    with pytest.raises(Problem, match=r"server\.operator_token") as caught:
        require_operator(ANONYMOUS)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Basic ", None),
        ("Basic Tm9uZTpOb25l", None),
        ("Basic Og==", None),
        ("Basic dTpw", "basic"),
        ("BEARER abc", "bearer"),
        ("Passport abc", "passport"),
        ("Bearer the-operators-own-token", None),
    ],
)
def test_the_kind_of_token_a_caller_brings(authorization: str | None, kind: str | None) -> None:
    assert token_kind(authorization, SecretStr("the-operators-own-token")) == kind
