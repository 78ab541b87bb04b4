"""`access`: who may use which instances."""

from typing import Any

import pytest

from middleware import MiddlewareConfigError, Reason
from tests.support.middleware_context import asking
from tests.support.middleware_samples import candidate, chain, order, task

INSTANCES = [candidate(name) for name in ("hospital", "lab", "open")]
RULES = [
    {"owners": ["dr-*"], "instances": ["hospital"]},
    {"groups": ["genomics"], "tags": {"project": "x1"}, "instances": ["lab", "https://hospital.example/"]},
]


def allowed(
    rules: Any = RULES, *, tags: dict[str, str] | None = None, otherwise: str = "allow", **who: Any
) -> list[str]:
    access = chain("access", rules=rules, otherwise=otherwise)
    return order(access.distribute(asking(INSTANCES, of=task(tags=tags or {}), **who)))


def test_what_no_rule_names_is_open() -> None:
    assert allowed() == ["open"]
    assert allowed([]) == ["hospital", "lab", "open"]


def test_or_closed_where_the_operator_says_so() -> None:
    assert allowed(otherwise="deny") == []
    assert allowed(otherwise="deny", owner="dr-who") == ["hospital"]


def test_owners_may_be_patterns_and_are_compared_with_their_case() -> None:
    assert allowed(owner="dr-who") == ["hospital", "open"]
    assert allowed(owner="DR-who") == ["open"]


def test_a_task_must_fit_all_that_a_rule_asks_and_one_rule_is_enough() -> None:
    genomics = frozenset({"genomics", "staff"})
    assert allowed(groups=genomics) == ["open"]
    assert allowed(tags={"project": "x1"}) == ["open"]
    assert allowed(groups=genomics, tags={"project": "x1"}) == ["hospital", "lab", "open"]
    assert allowed(groups=genomics, tags={"project": "x*"}) == ["open"]


def test_everybody_may_be_named() -> None:
    assert allowed([{"owners": ["*"], "instances": ["lab"]}], otherwise="deny") == ["lab"]


def test_the_reason_does_not_say_to_whom_an_instance_is_open() -> None:
    result = chain("access", rules=RULES).distribute(asking(INSTANCES, owner="me"))
    assert result.rejected["hospital"] == Reason(code="access", text="is not open to this task", permanent=True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"otherwise": "maybe"}, "option otherwise must be allow or deny"),
        ({"rules": {}}, "option rules must be a list of rules"),
        ({"rules": ["lab"]}, r"option rules\[0\] must be a map of owners, groups, tags, instances"),
        ({"rules": [{"owner": ["a"], "instances": ["b"]}]}, r"option rules\[0\] must be a map of owners"),
        ({"rules": [RULES[0], {"owners": ["a"]}]}, r"option rules\[1\]\.instances must be a list of texts"),
        ({"rules": [{"owners": ["a"], "instances": []}]}, r"rules\[0\]\.instances must be a list of ids or base URLs"),
        ({"rules": [{"owners": "a", "instances": ["b"]}]}, r"option rules\[0\]\.owners must be a list of texts"),
        ({"rules": [{"groups": [1], "instances": ["b"]}]}, r"option rules\[0\]\.groups must be a list of texts"),
        ({"rules": [{"tags": {"n": 1}, "instances": ["b"]}]}, r"rules\[0\]\.tags must be a map of texts"),
        ({"rules": [{"instances": ["b"]}]}, r"option rules\[0\] must be given owners, groups or tags"),
    ],
)
def test_bad_options_are_refused_with_what_is_allowed(options: dict[str, Any], text: str) -> None:
    with pytest.raises(MiddlewareConfigError, match=text):
        chain("access", **options)
