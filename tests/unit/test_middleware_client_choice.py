"""`client_choice`: order, allow, forbid, and the profile's instances."""

from typing import Literal

import pytest

from middleware import InstanceChoice, Preference, Reason
from middleware.naming import canonical, same_place
from tests.support.middleware_context import asking
from tests.support.middleware_samples import candidate, chain, order, prices

A, B, C = (
    candidate(name, prices=prices(cost), speed=1.0, queue_seconds=1) for name, cost in zip("abc", "123", strict=True)
)
CHAIN = chain("client_choice", "cost_runtime", weight="cost")


def choosing(kind: Literal["order", "allow", "forbid"], *instances: str) -> Preference:
    return Preference(instances=InstanceChoice(type=kind, instances=instances))


def test_without_a_choice_nothing_changes() -> None:
    assert order(CHAIN.distribute(asking([A, B, C]))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name",
    ["c", "https://c.example", "HTTPS://C.example:443/", "https://c.example/v1/", "https://c.example/ga4gh/tes/v1"],
)
def test_an_order_stands_whatever_the_ranker_says(name: str) -> None:
    result = CHAIN.distribute(asking([A, B, C], preference=choosing("order", name, "unknown", "b", name)))
    assert order(result) == ["c", "b", "a"]
    assert result.ranked[0].notes[-1] == "number 1 in the task's own order"
    assert not result.ranked[2].notes or "order" not in result.ranked[2].notes[-1]
    assert not result.rejected


def test_an_order_does_not_bring_back_what_a_filter_takes_out() -> None:
    sick = candidate("c", ejected="down")
    filtering = chain("client_choice", "feasible")
    result = filtering.distribute(asking([A, B, sick], preference=choosing("order", "c", "b")))
    assert order(result) == ["b", "a"]
    assert result.rejected["c"].code == "ejected"


def test_allow_leaves_only_these() -> None:
    result = CHAIN.distribute(asking([A, B, C], preference=choosing("allow", "https://b.example/")))
    assert order(result) == ["b"]
    text = "is not among the instances that the task allows"
    assert result.rejected["a"] == Reason(code="client_choice", text=text, permanent=True)
    assert {entry.candidate_id for entry in result.trace if entry.outcome == "rejected"} == {"a", "c"}


def test_forbid_leaves_the_others() -> None:
    result = CHAIN.distribute(asking([A, B, C], preference=choosing("forbid", "a", "c")))
    assert order(result) == ["b"]
    assert result.rejected["c"] == Reason(code="client_choice", text="is forbidden by the task", permanent=True)


def test_forbidding_all_is_impossible_and_said_so() -> None:
    assert CHAIN.distribute(asking([A], preference=choosing("forbid", "a"))).impossible


def test_the_profile_bounds_what_the_client_may_choose() -> None:
    allowed = frozenset({"https://A.example", "b"})
    result = CHAIN.distribute(asking([A, B, C], preference=choosing("order", "c", "b"), allowed_instances=allowed))
    assert order(result) == ["b", "a"]
    assert result.rejected["c"].code == "profile"
    assert result.rejected["c"].permanent


def test_a_profile_that_allows_nothing() -> None:
    assert set(CHAIN.distribute(asking([A, B], allowed_instances=frozenset())).rejected) == {"a", "b"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://h:80/", "http://H", True),
        ("http://h:443", "http://h", False),
        ("https://h/w/v1", "https://h/w", True),
        ("https://h/w", "https://h/W", False),
        ("https://h", "http://h", False),
        ("https://h/ga4gh/tes/v1/", "https://h/v1", True),
        ("http://[::1]:80/v1", "http://[::1]", True),
        ("http://h:99999", "http://h", False),
        ("name", "name", True),
        (None, "https://h", False),
    ],
)
def test_spellings_of_a_url(one: str | None, other: str, same: bool) -> None:
    assert same_place(one, other) is same


def test_what_is_no_url_stays_as_it_is() -> None:
    assert [canonical(text) for text in ("", "a b", "http://[", "urn:x")] == ["", "a b", "http://[", "urn:x"]
