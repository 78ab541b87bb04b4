"""The chain: order of steps, alternatives, failures, laws, rewrites."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace

import pytest

from middleware import (
    AnyMiddleware,
    Candidate,
    Chain,
    ChainError,
    Context,
    Distribution,
    DistributionRequest,
    Filter,
    LawBroken,
    Next,
    NotApplicable,
    Offer,
    OnError,
    Provides,
    Reason,
    Rewrite,
    Score,
    Step,
    TaskView,
    compose,
)
from tests.support.middleware_samples import candidate, order, request, task

ABC = (candidate("a"), candidate("b"), candidate("c"))
NO = Reason(code="no", text="not this one", permanent=False)


def step(name: str, *middleware: AnyMiddleware, on_error: OnError = "fail") -> Step:
    return Step(tuple((name, each) for each in middleware), on_error)


def without(unwanted: str) -> Filter:
    return Filter(lambda _task, each, _context: NO if each.id == unwanted else None)


def by(scores: dict[str, int | None]) -> Score:
    def rank(_task: TaskView, candidates: Sequence[Candidate], _context: Context) -> list[Offer]:
        return [Offer(candidate_id=each.id, score=scores[each.id]) for each in candidates]

    return Score(rank)


def broken(_task: TaskView, _candidate: Candidate, _context: Context) -> Reason | None:
    raise RuntimeError("the password is hunter2")


def inapplicable(_task: TaskView, _candidate: Candidate, _context: Context) -> Reason | None:
    raise NotApplicable("only for genomes")


def test_an_empty_composition_is_the_last_function_itself() -> None:
    def last(asked: DistributionRequest) -> Distribution:
        return Distribution(task=asked.task, ranked=())

    assert compose([], last) is last


def test_the_first_of_a_composition_is_outermost() -> None:
    seen: list[str] = []

    def noting(name: str) -> AnyMiddleware:
        def run(asked: DistributionRequest, call_next: Next) -> Distribution:
            seen.append(f"{name} in")
            result = call_next(asked)
            seen.append(f"{name} out")
            return result

        return run

    Chain((step("one", noting("one")), step("two", noting("two")))).distribute(request(ABC))
    assert seen == ["one in", "two in", "two out", "one out"]


def test_a_chain_without_steps_keeps_all_in_the_order_of_their_urls() -> None:
    assert order(Chain(()).distribute(request(reversed(ABC)))) == ["a", "b", "c"]


def test_filters_and_rankers_work_in_the_order_of_the_chain() -> None:
    result = Chain(
        (step("keep", without("b")), step("rank", by({"a": 2, "c": 1})), step("last", without("c")))
    ).distribute(request(ABC))
    assert order(result) == ["a"]
    assert result.rejected == {"b": NO, "c": NO}
    assert [(entry.step, entry.outcome, entry.candidate_id, entry.text) for entry in result.trace] == [
        ("keep", "passed", None, "kept 2 of 3"),
        ("keep", "rejected", "b", "not this one"),
        ("rank", "passed", None, "ranked 2"),
        ("last", "passed", None, "kept 1 of 2"),
        ("last", "rejected", "c", "not this one"),
    ]


def test_a_later_ranker_decides_and_leaves_ties_to_the_earlier_one() -> None:
    first, second = by({"a": 3, "b": 2, "c": 1}), by({"a": 1, "b": 5, "c": 5})
    assert order(Chain((step("1", first), step("2", second))).distribute(request(ABC))) == ["a", "c", "b"]


def test_a_ranker_sees_the_offers_of_the_one_before() -> None:
    seen: list[int | None] = []

    def look(_task: TaskView, candidates: Sequence[Candidate], context: Context) -> list[Offer]:
        seen.extend(context.offers[each.id].score for each in candidates)
        return [context.offers[each.id] for each in candidates]

    result = Chain((step("1", by({"a": 3, "b": 2, "c": 1})), step("2", Score(look)))).distribute(request(ABC))
    assert seen == [1, 2, 3]
    assert [offer.score for offer in result.ranked] == [1, 2, 3]


def test_offers_without_a_score_come_last_in_their_own_order() -> None:
    ranker = by({"a": None, "b": 7, "c": None})
    assert order(Chain((step("1", ranker),)).distribute(request(ABC))) == ["b", "a", "c"]


def test_no_candidates_is_no_question_for_a_ranker() -> None:
    assert order(Chain((step("rank", by({})),)).distribute(request([]))) == []


def test_two_candidates_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="same id"):
        Chain(()).distribute(request([candidate("a"), candidate("a")]))


def test_a_failure_ends_the_choice_and_names_the_step_alone() -> None:
    with pytest.raises(ChainError, match=r"^middleware step risky failed: RuntimeError$") as caught:
        Chain((step("risky", Filter(broken)),)).distribute(request(ABC))
    assert caught.value.step == "risky"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_failure_may_be_skipped_and_is_in_the_trace_without_its_text() -> None:
    result = Chain((step("risky", Filter(broken), on_error="skip"), step("rest", without("a")))).distribute(
        request(ABC)
    )
    assert order(result) == ["b", "c"]
    assert [(entry.step, entry.outcome) for entry in result.trace][:3] == [
        ("risky", "failed"),
        ("risky", "skipped"),
        ("rest", "passed"),
    ]
    assert "hunter2" not in repr(result.trace)


def test_a_skippable_step_does_not_swallow_the_failure_of_an_inner_one() -> None:
    chain = Chain((step("outer", without("a"), on_error="skip"), step("inner", Filter(broken))))
    with pytest.raises(ChainError, match="inner"):
        chain.distribute(request(ABC))


@pytest.mark.parametrize("first", [broken, inapplicable])
def test_the_next_alternative_is_tried(first: object) -> None:
    chosen = step("choice", Filter(first), without("a"))  # type: ignore[arg-type]
    result = Chain((chosen,)).distribute(request(ABC))
    assert order(result) == ["b", "c"]
    assert result.trace[0].outcome == ("failed" if first is broken else "not_applicable")


def test_a_step_that_never_applies_changes_nothing() -> None:
    result = Chain((step("genomes", Filter(inapplicable)),)).distribute(request(ABC))
    assert order(result) == ["a", "b", "c"]
    assert [(entry.outcome, entry.text) for entry in result.trace] == [("not_applicable", "only for genomes")]


def test_one_failure_among_alternatives_that_do_not_apply_counts() -> None:
    with pytest.raises(ChainError):
        Chain((step("both", Filter(broken), Filter(inapplicable)),)).distribute(request(ABC))


def loses(asked: DistributionRequest, call_next: Next) -> Distribution:
    return call_next(replace(asked, candidates=asked.candidates[1:]))


def invents(asked: DistributionRequest, call_next: Next) -> Distribution:
    return call_next(replace(asked, candidates=(*asked.candidates, candidate("new"))))


def doubles(asked: DistributionRequest, call_next: Next) -> Distribution:
    result = call_next(asked)
    return replace(result, ranked=result.ranked * 2)


def contradicts(asked: DistributionRequest, call_next: Next) -> Distribution:
    return replace(call_next(asked), rejected={"a": NO})


def answers_nothing(asked: DistributionRequest, call_next: Next) -> Distribution:
    return None  # type: ignore[return-value]


def forgetful(_task: TaskView, candidates: Sequence[Candidate], _context: Context) -> list[Offer]:
    return [Offer(candidate_id=each.id) for each in candidates[1:]]


def repeating(_task: TaskView, candidates: Sequence[Candidate], _context: Context) -> list[Offer]:
    return [Offer(candidate_id=each.id) for each in (*candidates, candidates[0])]


def truthful(_task: TaskView, _candidate: Candidate, _context: Context) -> bool:
    return True


@pytest.mark.parametrize(
    ("breaker", "law"),
    [
        (loses, "lost without a reason"),
        (invents, "invented"),
        (doubles, "ranked twice"),
        (contradicts, "both ranked and rejected"),
        (answers_nothing, "returns a Distribution"),
        (Score(forgetful), "one offer for each candidate"),
        (Score(repeating), "one offer for each candidate"),
        (Filter(truthful), "a Reason or None"),  # type: ignore[arg-type]
    ],
)
def test_the_laws_are_enforced(breaker: AnyMiddleware, law: str) -> None:
    with pytest.raises(ChainError, match=law) as caught:
        Chain((step("outlaw", breaker),)).distribute(request(ABC))
    assert isinstance(caught.value.__cause__, LawBroken)
    assert order(Chain((step("outlaw", breaker, on_error="skip"),)).distribute(request(ABC))) == ["a", "b", "c"]


def test_a_raw_middleware_may_reject_with_a_reason() -> None:
    def run(asked: DistributionRequest, call_next: Next) -> Distribution:
        return call_next(replace(asked, candidates=asked.candidates[1:])).after((), {"a": NO})

    result = Chain((step("raw", run),)).distribute(request(ABC))
    assert result.rejected == {"a": NO}
    assert result.trace[0].kind == "raw"


@pytest.mark.parametrize(("permanent", "impossible"), [(True, True), (False, False)])
def test_impossible_means_permanent_reasons_all_round(permanent: bool, impossible: bool) -> None:
    reason = Reason(code="no", text="no", permanent=permanent)
    chain = Chain((step("none", Filter(lambda _task, _candidate, _context: reason)),))
    assert chain.distribute(request(ABC)).impossible is impossible
    assert not chain.distribute(request([])).impossible


def renamed(name: str) -> Rewrite:
    return Rewrite(lambda asked, _candidate, _context: replace(asked, name=f"{asked.name or ''}{name}"))


def test_rewrites_take_no_part_in_choosing_and_follow_each_other() -> None:
    chain = Chain((step("x", renamed("x")), step("keep", without("a")), step("y", renamed("y"))))
    result = chain.distribute(request(ABC))
    assert result.task.name is None
    rewritten = chain.rewrite(result.task, ABC[1], Context(seed="s"))
    assert rewritten.task.name == "xy"
    assert [(entry.step, entry.outcome, entry.text) for entry in rewritten.trace] == [
        ("x", "rewritten", "changed"),
        ("y", "rewritten", "changed"),
    ]


def failing_rewrite(_task: TaskView, _candidate: Candidate, _context: Context) -> TaskView:
    raise OSError("no")


def other_task(asked: TaskView, _candidate: Candidate, _context: Context) -> TaskView:
    return replace(asked, id="another")


@pytest.mark.parametrize("bad", [failing_rewrite, other_task])
def test_failing_rewrites_follow_on_error_and_alternatives(bad: object) -> None:
    bad_one = Rewrite(bad)  # type: ignore[arg-type]
    with pytest.raises(ChainError, match="bad"):
        Chain((step("bad", bad_one),)).rewrite(task(), ABC[0], Context(seed="s"))
    skipped = Chain((step("bad", bad_one, on_error="skip"),)).rewrite(task(), ABC[0], Context(seed="s"))
    assert skipped.task == task()
    assert [entry.outcome for entry in skipped.trace] == ["failed", "skipped"]
    mended = Chain((step("bad", bad_one, renamed("z")),)).rewrite(task(), ABC[0], Context(seed="s"))
    assert mended.task.name == "z"


def test_a_chain_provides_what_every_alternative_of_a_rewrite_can_mend() -> None:
    def mends(*schemes: str) -> Rewrite:
        return replace(renamed(""), provides=Provides(input_schemes=frozenset(schemes)))

    chain = Chain((step("1", mends("drs", "s3"), mends("drs")), step("2", mends("gs"))))
    assert chain.provides == Provides(input_schemes=frozenset({"drs", "gs"}))


def test_a_step_needs_a_middleware_and_does_not_mix_rewrites_with_others() -> None:
    with pytest.raises(ValueError, match="needs a middleware"):
        Step(())
    with pytest.raises(ValueError, match="only have rewrites"):
        step("mixed", renamed("x"), without("a"))


def test_a_chain_is_frozen() -> None:
    chain = Chain(())
    with pytest.raises(FrozenInstanceError):
        chain.steps = (step("late", without("a")),)  # type: ignore[misc]
