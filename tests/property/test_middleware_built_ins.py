"""Laws of the chain for every built-in, over odd candidates, tasks and contexts (DESIGN.md section 5)."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from middleware import (
    Candidate,
    Chain,
    DataObject,
    DataRule,
    DistributionRequest,
    InputView,
    InstanceChoice,
    Limits,
    Preference,
    Replica,
    StepSpec,
    TaskView,
    build_chain,
)
from middleware.submitter import LONGEST, recognise
from tests.support.engine_tasks import ENGINE_TASKS
from tests.support.middleware_context import FakeAccess, asking
from tests.support.middleware_samples import candidate, order, prices, task

IDS = ["a", "b", "c", "d", "e"]
URLS = [
    "s3://b/k",
    "S3://B/secret/k",
    "drs://h/1",
    "/data/x",
    "https://h/%2e%2e/x",
    "",
    "::",
    "x",
    "http://[",
    "drs://",
]
NAMES = [*IDS, *(f"HTTPS://{name}.example/" for name in IDS), "", "http://[", "://"]
ZONES = ["DE", "aws:eu", "AWS:EU", "", ":"]
PLACES = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
RULES = [{"owners": ["o*"], "instances": ["a", "https://b.example"]}, {"tags": {"t": "1"}, "instances": ["c"]}]

CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from(IDS),
        limits=st.builds(
            Limits,
            max_cpu_cores=st.none() | st.floats(0, 8),
            input_schemes=st.none() | st.frozensets(st.sampled_from(["s3", "drs", "https"])),
            token_kinds=st.none() | st.frozensets(st.sampled_from(["bearer", "basic"])),
        ),
        prices=st.none() | st.builds(prices, st.sampled_from([None, "0", "0.1"])),
        coordinates=PLACES,
        zone=st.none() | st.sampled_from(ZONES),
        in_flight=st.integers(0, 5),
        max_in_flight=st.none() | st.integers(0, 5),
        ejected=st.none() | st.just("down"),
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)
INPUTS = st.builds(
    InputView,
    path=st.just("/i"),
    url=st.none() | st.sampled_from(URLS),
    content=st.none() | st.just("x"),
    type=st.sampled_from(["FILE", "DIRECTORY"]),
    size_bytes=st.none() | st.integers(0, 10**15),
)
TASKS = st.sampled_from([*ENGINE_TASKS.values()]) | st.builds(
    task,
    name=st.none() | st.text(),
    inputs=st.lists(INPUTS, max_size=4).map(tuple),
    tags=st.dictionaries(st.sampled_from(["t", "root_workflow_id", "CWLDocumentId", "run_id"]), st.text()),
)
REPLICAS = st.builds(
    Replica,
    url=st.sampled_from(URLS),
    coordinates=PLACES,
    zone=st.none() | st.sampled_from(ZONES),
    instance=st.none() | st.sampled_from(NAMES),
)
CONTEXTS = st.fixed_dictionaries(
    {
        "seed": st.text(min_size=1),
        "preference": st.builds(
            Preference,
            mode=st.sampled_from(["weight", "random"]),
            instances=st.none()
            | st.builds(
                InstanceChoice,
                type=st.sampled_from(["order", "allow", "forbid"]),
                instances=st.lists(st.sampled_from(NAMES), max_size=4).map(tuple),
            ),
        ),
        "data": st.dictionaries(
            st.sampled_from(URLS),
            st.builds(
                DataObject,
                size_bytes=st.none() | st.integers(0, 10**15),
                replicas=st.lists(REPLICAS, max_size=3).map(tuple),
            ),
        ),
        "data_rules": st.lists(
            st.builds(
                DataRule,
                prefix=st.sampled_from([*URLS, "s3://b/", "S3://B/SECRET", "https://h/", "/data/"]),
                zones=st.frozensets(st.sampled_from(ZONES)),
                instances=st.frozensets(st.sampled_from(NAMES)),
            ),
            max_size=3,
        ).map(tuple),
        "owner": st.sampled_from(["", "o1", "x"]),
        "groups": st.frozensets(st.text(max_size=2), max_size=2),
        "token_kinds": st.frozensets(st.sampled_from(["bearer", "passport"])),
        "allowed_instances": st.none() | st.frozensets(st.sampled_from(NAMES)),
        "affinity_url": st.none() | st.sampled_from(NAMES),
        "turn": st.integers(0, 10**9),
    }
)

FILTERS = [
    StepSpec("submitter"),
    StepSpec("client_choice"),
    StepSpec("feasible"),
    StepSpec("access", {"rules": RULES, "otherwise": "allow"}),
    StepSpec("data_rules", {"unresolved": "wait"}),
]
RANKERS = [StepSpec(name) for name in ("cost_runtime", "random", "least_loaded", "round_robin", "distance")]
ALL = [*FILTERS, *RANKERS, StepSpec("affinity"), StepSpec("drs")]
FORWARD, BACKWARD = build_chain(FILTERS), build_chain(FILTERS[::-1])
DRS = build_chain([StepSpec("drs", on_error="skip")])
CHAINS = st.sampled_from(
    [build_chain([each]) for each in ALL]
    + [build_chain([*FILTERS, ranker, StepSpec("affinity"), StepSpec("drs")]) for ranker in RANKERS]
)


def made(candidates: list[Candidate], of: TaskView, context: dict[str, Any]) -> DistributionRequest:
    return asking(candidates, of=of, **context)


@settings(deadline=None)
@given(CHAINS, CANDIDATES, TASKS, CONTEXTS, st.randoms(use_true_random=False))
def test_nobody_is_invented_or_lost_and_arrival_is_irrelevant(
    chain: Chain, candidates: list[Candidate], of: TaskView, context: dict[str, Any], random: Random
) -> None:
    result = chain.distribute(made(candidates, of, context))
    ranked = order(result)
    assert sorted([*ranked, *result.rejected]) == sorted(each.id for each in candidates)
    assert all(reason.text and reason.code for reason in result.rejected.values())
    assert {entry.candidate_id for entry in result.trace if entry.outcome == "rejected"} == set(result.rejected)
    assert not [entry for entry in result.trace if entry.outcome in ("failed", "skipped")]
    assert all(offer.score is None or offer.score >= 0 for offer in result.ranked)
    again = chain.distribute(made(random.sample(candidates, len(candidates)), of, context))
    assert repr(again) == repr(result)


@settings(deadline=None)
@given(CANDIDATES, TASKS, CONTEXTS)
def test_steps_that_take_out_commute(candidates: list[Candidate], of: TaskView, context: dict[str, Any]) -> None:
    """Which candidates are left does not depend on the order of the filters."""
    forward = FORWARD.distribute(made(candidates, of, context))
    backward = BACKWARD.distribute(made(candidates, of, context))
    assert set(order(forward)) == set(order(backward))


@settings(deadline=None)
@given(TASKS)
def test_what_is_recognised_is_bounded_text(of: TaskView) -> None:
    found = recognise(of)
    for text in (found.engine, found.workflow_id, found.workflow_name, found.step) if found is not None else ():
        assert text is None or (0 < len(text) <= LONGEST and text.isprintable())


@settings(deadline=None)
@given(TASKS, CONTEXTS, st.none() | st.frozensets(st.sampled_from(["s3", "drs", "https"])))
def test_a_rewrite_changes_drs_inputs_alone(
    of: TaskView, context: dict[str, Any], schemes: frozenset[str] | None
) -> None:
    one = candidate("a", limits=Limits(input_schemes=schemes))
    asked = asking([one], of=of, access=FakeAccess(**{"1": "https://h/1", "": "s3://b/k"}), **context)
    after = DRS.rewrite(of, one, asked.context).task
    for before, now in zip(of.inputs, after.inputs, strict=True):
        assert now == before or (before.url or "").startswith("drs:")
