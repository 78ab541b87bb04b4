"""Rankers `distance`, `least_loaded` and `round_robin`, and the step `affinity` after a ranker."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from middleware import (
    Candidate,
    Chain,
    Context,
    DataObject,
    Estimate,
    InputView,
    InstanceChoice,
    MiddlewareConfigError,
    Money,
    Offer,
    Preference,
    Replica,
    Score,
    Step,
    StepSpec,
    TaskView,
    build_chain,
)
from middleware.affinity import create as affinity
from tests.support.middleware_context import asking
from tests.support.middleware_samples import candidate, chain, order, task

BERLIN, PARIS, TOKYO = (52.52, 13.40), (48.86, 2.35), (35.68, 139.69)
HERE = [candidate("tokyo", coordinates=TOKYO), candidate("berlin", coordinates=BERLIN), candidate("blind")]
NEAR_PARIS = DataObject(
    replicas=(Replica(url="s3://t/x", coordinates=TOKYO), Replica(url="s3://p/x", coordinates=PARIS))
)


def inputs(*urls: str) -> TaskView:
    return task(inputs=tuple(InputView(path=f"/{n}", url=url) for n, url in enumerate(urls)))


def offers(name: str, candidates: Sequence[Candidate], of: TaskView | None = None, **context: Any) -> list[Offer]:
    return list(chain(name).distribute(asking(candidates, of=of, **context)).ranked)


def test_the_nearest_replica_counts_and_is_the_one_that_is_fetched() -> None:
    ranked = offers("distance", HERE, inputs("drs://a/1"), data={"drs://a/1": NEAR_PARIS})
    assert [each.candidate_id for each in ranked] == ["tokyo", "berlin", "blind"]
    assert [each.estimate.replicas for each in ranked] == [(0,), (1,), (-1,)]
    assert ranked[0].score == 0
    assert 870 < float(ranked[1].shown_score or 0) < 890
    assert ranked[2].score == ranked[1].score, "what is not known is as far as the worst"
    assert ranked[2].notes
    assert not ranked[1].notes


def test_what_an_instance_has_beside_it_is_at_no_distance() -> None:
    data = {
        "s3://x": DataObject(replicas=(Replica(url="s3://x", coordinates=TOKYO, instance="https://blind.example/"),))
    }
    assert [each.candidate_id for each in offers("distance", HERE, inputs("s3://x"), data=data)] == [
        "blind",
        "tokyo",
        "berlin",
    ]


@pytest.mark.parametrize(("sizes", "first"), [((1, 1000), "tokyo"), ((1000, 1), "berlin"), ((None, 1000), "berlin")])
def test_sizes_weigh_where_all_are_known(sizes: tuple[int | None, int], first: str) -> None:
    near_berlin = [DataObject(size_bytes=sizes[0], replicas=(Replica(url="s3://b", coordinates=BERLIN),))]
    in_tokyo = [DataObject(size_bytes=sizes[1], replicas=(Replica(url="s3://t", coordinates=TOKYO),))]
    data = dict(zip(("s3://b", "s3://t", "s3://c"), near_berlin + in_tokyo + near_berlin, strict=True))
    assert offers("distance", HERE[:2], inputs(*data), data=data)[0].candidate_id == first


def test_equal_distances_go_by_url_and_earlier_estimates_are_kept() -> None:
    data = {"s3://x": DataObject(replicas=(Replica(url="s3://x", coordinates=PARIS),))}
    same = [candidate("b", coordinates=TOKYO), candidate("a", coordinates=TOKYO)]
    both = chain("cost_runtime", "distance").distribute(asking(same, of=inputs("s3://x"), data=data))
    assert order(both) == ["a", "b"]
    assert both.ranked[0].time_ms is not None


@pytest.mark.parametrize("of", [task(), inputs("s3://x"), task(inputs=(InputView(path="/i", content="x"),))])
def test_where_nothing_is_known_an_alternative_is_tried(of: TaskView) -> None:
    steps = build_chain([StepSpec("distance", alternatives=(StepSpec("round_robin"),))])
    result = steps.distribute(asking(HERE, of=of))
    assert order(result) == ["berlin", "blind", "tokyo"]
    assert [entry.outcome for entry in result.trace] == ["not_applicable", "passed"]


def test_each_in_its_turn() -> None:
    turns = [[each.candidate_id for each in offers("round_robin", HERE, turn=turn)] for turn in range(4)]
    assert turns == [
        ["berlin", "blind", "tokyo"],
        ["blind", "tokyo", "berlin"],
        ["tokyo", "berlin", "blind"],
        ["berlin", "blind", "tokyo"],
    ]


def test_the_least_loaded_for_what_it_holds() -> None:
    many = [
        candidate("half", in_flight=5, max_in_flight=10),
        candidate("small", in_flight=1, max_in_flight=4),
        candidate("undeclared", in_flight=40),
        candidate("none", in_flight=0, max_in_flight=0),
    ]
    ranked = offers("least_loaded", many)
    assert [(each.candidate_id, float(each.shown_score or 0)) for each in ranked] == [
        ("small", 0.25),
        ("undeclared", 0.4),
        ("half", 0.5),
        ("none", 1.0),
    ]
    assert ranked[1].notes == ("max_in_flight is not declared, taken as 100",)


def test_idle_instances_share_what_comes() -> None:
    idle = [candidate(name, max_in_flight=2) for name in "abc"]
    firsts = {offers("least_loaded", idle, seed=f"task-{n}")[0].candidate_id for n in range(40)}
    assert firsts == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("name", "options"), [("least_loaded", {"assumed_max_in_flight": 0}), ("affinity", {"tolerance": -1})]
)
def test_bad_options(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(MiddlewareConfigError, match=r"option (assumed_max_in_flight|tolerance) must be a"):
        chain(name, **options)


def ranked_then_affinity(scores: dict[str, int | None], **context: Any) -> list[Offer]:
    """Rank by these scores, hundredths, then apply affinity to the instance `home`."""

    def rank(_task: TaskView, candidates: Sequence[Candidate], _context: Context) -> list[Offer]:
        return [
            Offer(candidate_id=each.id, score=scores[each.id], score_unit=100, estimate=Estimate(time_ms=1))
            for each in candidates
        ]

    steps = (Step((("rank", Score(rank)),)), Step((("affinity", affinity()),)))
    candidates = [candidate(name) for name in scores]
    result = Chain(steps).distribute(asking(candidates, affinity_url="https://HOME.example/v1/", **context))
    return list(result.ranked)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": 0, "b": 5, "home": 10}, ["home", "a", "b"]),
        ({"a": 0, "b": 5, "home": 11}, ["a", "b", "home"]),
        ({"home": 0, "a": 1}, ["home", "a"]),
        ({"a": None, "home": None}, ["home", "a"]),
        ({"a": 0, "home": None}, ["a", "home"]),
        ({"a": 0, "b": 1}, ["a", "b"]),
    ],
)
def test_the_workflows_instance_comes_first_within_the_tolerance(
    scores: dict[str, int | None], expected: list[str]
) -> None:
    assert [each.candidate_id for each in ranked_then_affinity(scores)] == expected


def test_a_move_is_said_on_the_offer_and_nowhere_else() -> None:
    ranked = ranked_then_affinity({"a": 0, "home": 10})
    assert ranked[0].notes == ("first because the workflow has been here",)
    assert ranked[0].time_ms == 1
    assert ranked[1].notes == ()


def test_with_a_value_of_time_the_tolerance_is_a_share_of_the_best() -> None:
    preference = Preference(value_of_time=Money(amount=Decimal(1), currency="EUR"))
    assert ranked_then_affinity({"a": 1000, "home": 1100}, preference=preference)[0].candidate_id == "home"
    assert ranked_then_affinity({"a": 1000, "home": 1101}, preference=preference)[0].candidate_id == "a"


def test_the_clients_own_order_goes_before_affinity() -> None:
    preference = Preference(instances=InstanceChoice(type="order", instances=("b",)))
    steps = chain("client_choice", "round_robin", "affinity")
    asked = asking([candidate("a"), candidate("b")], affinity_url="https://a.example", preference=preference)
    assert order(steps.distribute(asked)) == ["b", "a"]
