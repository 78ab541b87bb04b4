"""Laws of fair share: nobody starves, shares keep to weights within a bound, no place is free while one waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from protes.dispatch.fair_share import FairShare

WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 1.0, 2.0, 3.0, 7.5])


@dataclass
class Instance:
    """An instance with so many places, and the owners whose tasks wait for them."""

    places: int
    weights: dict[str, float]
    waiting: Counter[str]
    in_flight: Counter[str] = field(default_factory=Counter)
    served: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.share = FairShare(self.weights.__getitem__)

    def fill(self) -> None:
        """Give all free places away, as the leader does."""
        while self.in_flight.total() < self.places and self.waiting.total():
            there = {owner: f"{owner}-{1000 - n:04}" for owner, n in self.waiting.items() if n}
            owner = self.share.first(there, self.in_flight)
            self.check_bound(owner)
            self.share.serve(owner)
            self.waiting[owner] -= 1
            self.in_flight[owner] += 1
            self.served.append(owner)

    def check_bound(self, chosen: str) -> None:
        """Nobody who waits has less than whoever is served, for their weights."""
        for owner, n in self.waiting.items():
            if n:
                mine = self.in_flight[chosen] / self.weights[chosen]
                assert mine <= self.in_flight[owner] / self.weights[owner]


owners_ = st.dictionaries(st.sampled_from("abcdef"), WEIGHTS, min_size=1, max_size=6)


@given(owners_, st.integers(1, 12), st.data())
def test_no_place_is_free_while_somebody_waits_and_all_come_to_their_turn(
    weights: dict[str, float], places: int, data: st.DataObject
) -> None:
    waiting = Counter({owner: data.draw(st.integers(0, 12), owner) for owner in weights})
    instance, total = Instance(places, weights, waiting), waiting.total()
    while instance.in_flight.total() or instance.waiting.total():
        instance.fill()
        assert instance.in_flight.total() == places or not instance.waiting.total()
        if not instance.in_flight.total():
            break
        instance.in_flight[data.draw(st.sampled_from(sorted(instance.in_flight.elements())))] -= 1
        if data.draw(st.booleans()):
            newcomer = data.draw(st.sampled_from(sorted(weights)))
            if total < 60:
                instance.waiting[newcomer] += 1
                total += 1
    assert len(instance.served) == total


@given(owners_, st.integers(1, 12), st.data())
def test_while_all_wait_places_are_shared_by_weight_within_one_task(
    weights: dict[str, float], places: int, data: st.DataObject
) -> None:
    instance = Instance(places, weights, Counter(dict.fromkeys(weights, 500)))
    for _ in range(40):
        instance.fill()
        instance.in_flight[data.draw(st.sampled_from(sorted(instance.in_flight.elements())))] -= 1
    instance.fill()
    # Everything was served while everybody waited; who has more than their share got the last one before others fell.
    last = instance.served[-1]
    for owner in weights:
        mine = (instance.in_flight[last] - 1) / weights[last]
        assert mine <= instance.in_flight[owner] / weights[owner]


@settings(max_examples=50)
@given(owners_)
def test_a_single_place_goes_round_by_weight(weights: dict[str, float]) -> None:
    instance = Instance(1, weights, Counter(dict.fromkeys(weights, 500)))
    for _ in range(200):
        instance.fill()
        instance.in_flight.clear()
        served = Counter(instance.served)
        for one in weights:
            for other in weights:
                apart = served[one] / weights[one] - served[other] / weights[other]
                assert apart <= 1 / weights[one] + 1 / weights[other] + 1e-9


def test_who_was_idle_saves_up_nothing() -> None:
    instance = Instance(1, {"a": 1.0, "b": 1.0}, Counter(a=100))
    for _ in range(50):
        instance.fill()
        instance.in_flight.clear()
    instance.waiting["b"] = 20
    for _ in range(10):
        instance.fill()
        instance.in_flight.clear()
    assert Counter(instance.served[-10:]) == Counter(a=5, b=5)


def test_it_is_the_same_again_for_the_same() -> None:
    runs = []
    for _ in range(2):
        instance = Instance(3, {"a": 1.0, "b": 2.0, "c": 1.0}, Counter(a=9, b=9, c=9))
        while instance.waiting.total():
            instance.fill()
            instance.in_flight[instance.served[-1]] -= 1
        runs.append(instance.served)
    assert runs[0] == runs[1]
