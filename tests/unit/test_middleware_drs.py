"""Rewrite `drs`, and what `feasible` makes of it and of tokens."""

from typing import Any

import pytest

from middleware import (
    ChainError,
    DataObject,
    Estimate,
    InputView,
    Limits,
    Offer,
    Reason,
    Replica,
    TaskView,
)
from tests.support.middleware_context import FakeAccess, asking
from tests.support.middleware_samples import candidate, chain, order, task

URL = "drs://data.example/one"
INPUTS = (InputView(path="/a", url="s3://b/k"), InputView(path="/b", url=URL), InputView(path="/c", content="drs"))
TASK = task(inputs=INPUTS)
S3, HTTPS = Replica(url="s3://mirror/one"), Replica(url="https://mirror/one")
DATA = {URL: DataObject(replicas=(S3, HTTPS))}
CHAIN = chain("feasible", "drs")


def rewritten(schemes: set[str] | None, access: FakeAccess | None, **context: Any) -> TaskView:
    one = candidate("one", limits=Limits(input_schemes=None if schemes is None else frozenset(schemes)))
    return CHAIN.rewrite(TASK, one, asking([one], access=access, **context).context).task


def test_an_instance_that_takes_drs_gets_it_as_it_is() -> None:
    access = FakeAccess()
    assert rewritten({"drs", "s3"}, access) == TASK
    assert not access.asked


def test_an_instance_that_names_drs_as_storage_does_too() -> None:
    access = FakeAccess()
    one = candidate("one", limits=Limits(takes_drs=True))
    assert CHAIN.rewrite(TASK, one, asking([one], access=access).context).task == TASK
    assert not access.asked


@pytest.mark.parametrize("schemes", [{"https"}, None])
def test_others_get_a_url_that_they_take(schemes: set[str] | None) -> None:
    access = FakeAccess(one="https://signed.example/one?token=x")
    after = rewritten(schemes, access)
    assert [each.url for each in after.inputs] == ["s3://b/k", "https://signed.example/one?token=x", None]
    assert after.inputs[1].path == "/b"
    assert access.asked == [(URL, None, None if schemes is None else frozenset(schemes))]


@pytest.mark.parametrize(
    ("replicas", "chosen"), [((-1, 1, -1), HTTPS), ((-1, -1, -1), None), ((), None), ((0, 9), None)]
)
def test_it_is_the_chosen_replica(replicas: tuple[int, ...], chosen: Replica | None) -> None:
    access = FakeAccess(one="https://x")
    offer = Offer(candidate_id="one", estimate=Estimate(replicas=replicas))
    rewritten({"https"}, access, data=DATA, offers={"one": offer})
    assert access.asked[0][1] == chosen


@pytest.mark.parametrize("answers", [{}, {"one": "ftp://x/secret"}, {"one": "drs://elsewhere/secret"}])
def test_without_a_url_nothing_is_sent_and_the_error_says_where(answers: dict[str, str]) -> None:
    with pytest.raises(ChainError) as caught:
        rewritten({"https"}, FakeAccess(**answers))
    text = "middleware step drs failed: no URL with a scheme among https can be had for inputs[1].url now"
    assert str(caught.value) == text


def test_without_a_port_it_does_not_apply() -> None:
    result = CHAIN.rewrite(TASK, candidate("one"), asking([]).context)
    assert result.task == TASK
    assert result.trace[0].outcome == "not_applicable"


def test_a_task_without_drs_is_left_alone() -> None:
    plain = task(inputs=INPUTS[:1])
    assert CHAIN.rewrite(plain, candidate("one"), asking([]).context).task == plain


@pytest.mark.parametrize(
    ("schemes", "replicas", "stays"),
    [
        ({"ftp", "s3"}, (S3, HTTPS), True),
        ({"s3"}, (HTTPS,), False),
        ({"s3", "drs"}, (HTTPS,), True),
        (None, (HTTPS,), True),
        ({"s3"}, (), True),
        ({"s3"}, (HTTPS, Replica(url=URL, access_id="x")), True),
    ],
)
def test_a_rewrite_can_only_mend_what_replicas_allow(
    schemes: set[str] | None, replicas: tuple[Replica, ...], stays: bool
) -> None:
    one = candidate("one", limits=Limits(input_schemes=None if schemes is None else frozenset(schemes)))
    data = {URL: DataObject(replicas=replicas)} if replicas else {}
    result = CHAIN.distribute(asking([one], of=TASK, data=data))
    assert (order(result) == ["one"]) is stays
    if not stays:
        text = "takes no https URLs, by which inputs[1].url can be read, declares s3"
        assert result.rejected["one"] == Reason(code="schemes", text=text, permanent=False)


@pytest.mark.parametrize(
    ("brought", "taken", "text"),
    [
        ({"bearer"}, {"passport"}, "does not take bearer tokens, takes passport"),
        ({"bearer", "basic"}, {"basic"}, "does not take bearer tokens, takes basic"),
        ({"bearer"}, set(), "does not take bearer tokens, takes none"),
        ({"bearer"}, {"bearer", "basic"}, None),
        ({"bearer"}, None, None),
        (set(), {"passport"}, None),
    ],
)
def test_kinds_of_tokens(brought: set[str], taken: set[str] | None, text: str | None) -> None:
    one = candidate("one", limits=Limits(token_kinds=None if taken is None else frozenset(taken)))
    result = chain("feasible").distribute(asking([one], token_kinds=frozenset(brought)))
    expected = Reason(code="token", text=text, permanent=True) if text is not None else None
    assert result.rejected.get("one") == expected
