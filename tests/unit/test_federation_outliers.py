"""Who is let in although it is ejected."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from protes.config.federation import HealthSettings
from protes.config.instances import InstanceSettings
from protes.federation.known import Ejection, EjectionKind, KnownInstance, Probed, Source
from protes.federation.outliers import judge, most_ejected

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SETTINGS = HealthSettings()


def known(
    name: str,
    kind: EjectionKind | None = None,
    since: float | None = 0,
    *,
    probed: float | None = None,
    ok: bool = True,
    found: bool = True,
    drain: bool = False,
    source: Source = "configuration",
) -> KnownInstance:
    """Make an instance, ejected so many seconds after NOW and probed so many seconds after NOW (before by default)."""
    ejection = None
    if kind is not None:
        ejected_at = NOW + timedelta(seconds=since) if since is not None else None
        ejection = Ejection(NOW + timedelta(hours=1), 1, "failed with 500", kind, ejected_at)
    url = f"https://{name}.example.org"
    at = NOW + timedelta(seconds=probed if probed is not None else -60)
    return KnownInstance(
        settings=InstanceSettings(id=name, url=url, drain=drain),
        key=url,
        name=name,
        source=source,
        probed=Probed(ok=ok, at=at, next_at=at, base_url=f"{url}/ga4gh/tes/v1") if found else None,
        ejection=ejection,
    )


def let_in(*instances: KnownInstance, settings: HealthSettings = SETTINGS) -> tuple[str, bool]:
    """Return the ids of those let in, as one word, and whether there is panic."""
    judged, panicking = judge(instances, settings)
    assert [each.id for each in judged] == [each.id for each in instances]
    return "".join(each.id for each in judged if each.let_in is not None), panicking


def test_nothing_happens_where_nothing_is_amiss() -> None:
    instances = (known("a"), known("b"))
    judged, panicking = judge(instances, SETTINGS)
    assert all(one is other for one, other in zip(judged, instances, strict=True))
    assert not panicking
    assert judge((), SETTINGS) == ((), False)


@pytest.mark.parametrize(
    ("counting", "percent", "most"), [(1, 50, 1), (3, 50, 1), (4, 50, 2), (50, 40, 20), (10, 0, 1), (10, 100, 10)]
)
def test_the_cap_rounds_down_and_is_one_at_least(counting: int, percent: float, most: int) -> None:
    assert most_ejected(counting, HealthSettings(max_ejection_percent=percent)) == most


def test_those_left_out_first_stay_out() -> None:
    four = (known("a", "failing", 3), known("b", "failing", 1), known("c", "failing", 2), known("d"))
    assert let_in(*four) == ("a", False)
    judged, _ = judge(four, SETTINGS)
    assert [each.status for each in judged] == ["ok", "ejected", "ejected", "ok"]


def test_ties_are_broken_by_id_and_what_was_left_out_by_an_earlier_version_was_left_out_first() -> None:
    settings = HealthSettings(max_ejection_percent=30)
    for order in permutations((known("a", "failing"), known("b", "failing"), known("c", "failing"), known("d"))):
        assert set(let_in(*order, settings=settings)[0]) == {"b", "c"}
    assert let_in(known("a", "failing"), known("b", "failing", None), known("c"), settings=settings)[0] == "a"


@pytest.mark.parametrize("kind", ["unreachable", "asked"])
def test_facts_are_not_capped_and_nobody_is_let_in_for_them(kind: EjectionKind) -> None:
    assert let_in(known("a", kind, probed=5), known("b", kind, probed=5), known("c")) == ("", False)
    assert let_in(known("a", kind, probed=5), known("b", kind, probed=5)) == ("", True)


def test_facts_take_no_room_under_the_cap() -> None:
    facts = (known("a", "unreachable"), known("b", "asked"))
    assert let_in(*facts, known("c", "failing"), known("d", "failing"), known("e"), known("f")) == ("", False)


def test_in_panic_those_that_answer_again_are_let_in() -> None:
    well, facts = known("w"), (known("x", "unreachable"), known("y", "unreachable"))
    failing = (
        known("a", "failing", 0, probed=1),
        known("b", "failing", 0, probed=-1),
        known("c", "failing", 0, probed=1, ok=False),
    )
    assert let_in(well, *facts, *failing) == ("a", True)
    assert let_in(well, known("v"), *facts, *failing) == ("", False)


def test_what_the_cap_lets_in_is_left() -> None:
    assert let_in(known("a", "failing", probed=9), known("b", "failing", 1, probed=9)) == ("b", False)


def test_the_only_instance_is_let_in_when_it_answers_again() -> None:
    assert let_in(known("a", "failing", 0, probed=-1)) == ("", True)
    assert let_in(known("a", "failing", 0, probed=0)) == ("", True)
    assert let_in(known("a", "failing", 0, probed=1)) == ("a", True)
    assert let_in(known("a", "failing", None, probed=1)) == ("", True)


def test_without_a_panic_percentage_there_is_no_panic() -> None:
    assert let_in(known("a", "failing", probed=1), settings=HealthSettings(panic_percent=0)) == ("", False)


def test_those_no_task_would_be_sent_to_do_not_count() -> None:
    others = (
        known("d", "failing", -9, probed=5, drain=True),
        known("n", "unreachable", found=False),
        known("r", "failing", -9, probed=5, source="retired"),
        known("t", "failing", -9, probed=5, source="client"),
    )
    assert let_in(known("a"), *others) == ("", False)
    assert let_in(*others) == ("", False)
    assert let_in(known("a", "failing"), known("b", "failing", 1), known("c"), *others) == ("b", False)


def test_it_is_judged_anew_each_time() -> None:
    judged, _ = judge((known("a", "failing", 1), known("b", "failing"), known("c")), SETTINGS)
    assert judged[0].let_in is not None
    better = tuple(known(each.id) if each.id == "b" else each for each in judged)
    assert let_in(*better) == ("", False)
