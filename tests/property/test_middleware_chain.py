"""Laws of the chain, for built-ins and for any filters and rankers (DESIGN.md section 5)."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from middleware import (
    Candidate,
    Chain,
    Context,
    Filter,
    InputView,
    Limits,
    Offer,
    Preference,
    Reason,
    Resources,
    Score,
    Step,
    TaskView,
    build_chain,
)
from middleware.loading import StepSpec
from tests.support.middleware_samples import candidate, order, prices, request, task

NUMBERS = st.none() | st.floats(0, 100)
CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.from_regex(r"[a-z]{1,3}", fullmatch=True),
        limits=st.builds(
            Limits,
            max_cpu_cores=NUMBERS,
            input_schemes=st.none() | st.frozensets(st.sampled_from(["s3", "file", "https"])),
            max_executors=st.none() | st.integers(0, 3),
        ),
        prices=st.none() | st.builds(prices, st.none() | st.sampled_from(["0", "0.1", "0.25", "3"])),
        speed=st.none() | st.sampled_from([0.5, 1.0, 2.0]),
        queue_seconds=NUMBERS,
        zone=st.none() | st.sampled_from(["DE", "aws:eu"]),
        ejected=st.none() | st.just("down"),
        max_in_flight=st.none() | st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)
TASKS = st.builds(
    task,
    resources=st.builds(Resources, cpu_cores=NUMBERS),
    inputs=st.sampled_from([(), (InputView(path="/i", url="s3://b/k"),), (InputView(path="/i", content=""),)]),
)
PREFERENCES = st.builds(
    Preference,
    mode=st.sampled_from(["weight", "random"]),
    weight_millionths=st.none() | st.integers(0, 1_000_000),
    allowed_zones=st.sampled_from([(), ("DE",)]),
)
BUILT_INS = build_chain([StepSpec("feasible"), StepSpec("cost_runtime")])


def _filter(rejected: frozenset[str]) -> Filter:
    def check(_task: TaskView, each: Candidate, _context: Context) -> Reason | None:
        return Reason(code="no", text="no", permanent=False) if each.id[0] in rejected else None

    return Filter(check)


def _score(scores: dict[str, int]) -> Score:
    def rank(_task: TaskView, candidates: Sequence[Candidate], _context: Context) -> list[Offer]:
        return [Offer(candidate_id=each.id, score=scores.get(each.id[0])) for each in candidates]

    return Score(rank)


LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
STEPS = st.lists(
    st.builds(_filter, st.frozensets(LETTERS, max_size=6))
    | st.builds(_score, st.dictionaries(LETTERS, st.integers(-3, 3)))
    | st.sampled_from([each.choices[0][1] for each in BUILT_INS.steps]),
    max_size=5,
)
CHAINS = STEPS.map(lambda steps: Chain(tuple(Step(((f"s{n}", each),)) for n, each in enumerate(steps))))


@given(CHAINS, CANDIDATES, TASKS, PREFERENCES)
def test_nobody_is_invented_doubled_or_lost_without_a_reason(
    chain: Chain, candidates: list[Candidate], of: TaskView, preference: Preference
) -> None:
    result = chain.distribute(request(candidates, of=of, preference=preference))
    ranked = order(result)
    assert len(ranked) == len(set(ranked))
    assert set(ranked).isdisjoint(result.rejected)
    assert {*ranked, *result.rejected} == {each.id for each in candidates}
    assert all(reason.text for reason in result.rejected.values())
    explained = {entry.candidate_id for entry in result.trace if entry.outcome == "rejected"}
    assert explained == set(result.rejected)


@given(CHAINS, CANDIDATES, TASKS, PREFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_irrelevant_and_the_same_seed_the_same_answer(
    chain: Chain, candidates: list[Candidate], of: TaskView, preference: Preference, random: Random
) -> None:
    shuffled = random.sample(candidates, len(candidates))
    first = chain.distribute(request(candidates, of=of, preference=preference))
    second = chain.distribute(request(shuffled, of=of, preference=preference))
    assert repr(first) == repr(second)


@given(CHAINS, CANDIDATES)
def test_the_request_is_left_as_it_was(chain: Chain, candidates: list[Candidate]) -> None:
    asked = request(candidates)
    before = repr(asked)
    chain.distribute(asked)
    assert repr(asked) == before


@given(CANDIDATES, TASKS, PREFERENCES)
def test_the_best_score_comes_first(candidates: list[Candidate], of: TaskView, preference: Preference) -> None:
    result = BUILT_INS.distribute(request(candidates, of=of, preference=preference))
    scores = [offer.score for offer in result.ranked if offer.score is not None]
    assert scores == sorted(scores)
    assert len(scores) == (0 if preference.mode == "random" else len(result.ranked))


@given(CANDIDATES)
def test_what_is_rejected_for_now_has_no_permanent_reason(candidates: list[Candidate]) -> None:
    result = BUILT_INS.distribute(request(candidates))
    for name, reason in result.rejected.items():
        assert reason.permanent is (reason.code not in ("ejected", "full")), name


@given(st.text(min_size=1), CANDIDATES)
def test_a_shuffle_keeps_its_order_when_a_candidate_leaves(seed: str, candidates: list[Candidate]) -> None:
    chain = build_chain([StepSpec("random")])
    whole = order(chain.distribute(request(candidates, seed=seed)))
    rest = order(chain.distribute(request(candidates[1:], seed=seed)))
    assert rest == [name for name in whole if not candidates or name != candidates[0].id]
