"""The table for people; at most 120 columns."""

from collections.abc import Iterator, Sequence

from tests.simulate.measures import (
    Spread,
    cost_regrets,
    coverages,
    dominated_counts,
    makespan_regrets,
    medians,
    spread,
)
from tests.simulate.study import LABELS, WEIGHTS, Key, Trial

__all__ = ["AIMS", "table"]

HOUR = 3600.0
AIMS = {"given": 0.05, "learned": 0.15}
"""Greatest regret, median over the seeds."""
COVERAGE, WITHIN = 0.80, 0.05


def table(trials: Sequence[Trial], tasks: int) -> str:
    """Return the tables of results and of aims."""
    return "\n".join([*_head(trials, tasks), "", *_results(trials), "", *_aims(trials)])


def _head(trials: Sequence[Trial], tasks: int) -> Iterator[str]:
    sites = [trial.sites for trial in trials]
    yield f"{len(trials)} federations of {min(sites)} to {max(sites)} instances, {tasks} tasks each; medians over them"
    yield "/bound: against what no policy can go below, knowing everything beforehand (docs/simulation.md)"
    yield "cost regret: against the oracle at weight 0; makespan regret: against the oracle at weight 1"


def _results(trials: Sequence[Trial]) -> Iterator[str]:
    yield (
        f"{'policy':<24}{'weight':>6}{'cost EUR':>11}{'/bound':>8}{'makespan h':>12}{'/bound':>8}{'mean flow h':>13}"
        f"{'cost regret':>13}{'makespan regret':>17}"
    )
    bound_cost = spread([trial.least_cost for trial in trials]).middle
    bound_makespan = spread([trial.least_makespan for trial in trials]).middle
    yield f"{'lower bound':<24}{'':>6}{bound_cost:>11.2f}{1:>8.2f}{bound_makespan / HOUR:>12.2f}{1:>8.2f}"
    for family in LABELS:
        weighted = (family, WEIGHTS[0]) in trials[0].runs
        for key in [(family, weight) for weight in WEIGHTS] if weighted else [(family, None)]:
            yield _row(trials, key)


def _row(trials: Sequence[Trial], key: Key) -> str:
    family, weight = key
    cost = medians(trials, key, lambda _, run: run.cost)
    makespan = medians(trials, key, lambda _, run: run.makespan)
    flow = medians(trials, key, lambda _, run: run.flow)
    over_cost = medians(trials, key, lambda trial, run: run.cost / trial.least_cost)
    over_makespan = medians(trials, key, lambda trial, run: run.makespan / trial.least_makespan)
    cost_regret = spread(cost_regrets(trials, key)).middle
    makespan_regret = spread(makespan_regrets(trials, key)).middle
    shown = "" if weight is None else f"{weight:g}"
    return (
        f"{LABELS[family]:<24}{shown:>6}{cost:>11.2f}{over_cost:>8.2f}{makespan / HOUR:>12.2f}{over_makespan:>8.2f}"
        f"{flow / HOUR:>13.2f}{cost_regret:>+13.1%}{makespan_regret:>+17.1%}"
    )


def _aims(trials: Sequence[Trial]) -> Iterator[str]:
    yield f"{'aim':<64}{'median':>9}{'quartiles':>20}{'aim':>16}"
    for family, most in AIMS.items():
        cost, makespan = cost_regrets(trials, (family, 0.0)), makespan_regrets(trials, (family, 1.0))
        yield _aim(f"{LABELS[family]}: cost regret at weight 0", spread(cost), f"at most {most:.0%}", most)
        yield _aim(f"{LABELS[family]}: makespan regret at weight 1", spread(makespan), f"at most {most:.0%}", most)
    for family in AIMS:
        counts = spread([float(count) for count in dominated_counts(trials, family)])
        quartiles = f"{counts.low:g} to {counts.high:g}"
        name = f"{LABELS[family]}: weights dominated, of {len(WEIGHTS)}"
        yield f"{name:<64}{counts.middle:>9g}{quartiles:>20}{'none':>16}  {_verdict(counts.middle == 0)}"
    for name, figure in (
        ("wait", lambda run: run.waits),
        ("run time", lambda run: run.runs),
    ):
        shares = coverages(trials, "learned", figure)
        name = f"{LABELS['learned']}: {name}s within their 80 % intervals"
        yield _covered(name, spread(shares)) if shares else f"{name:<64}{'none given':>9}"


def _aim(name: str, found: Spread, aim: str, most: float) -> str:
    quartiles = f"{found.low:+.1%} to {found.high:+.1%}"
    return f"{name:<64}{found.middle:>+9.1%}{quartiles:>20}{aim:>16}  {_verdict(found.middle <= most)}"


def _covered(name: str, found: Spread) -> str:
    quartiles = f"{found.low:.1%} to {found.high:.1%}"
    near = abs(found.middle - COVERAGE) <= WITHIN
    return f"{name:<64}{found.middle:>9.1%}{quartiles:>20}{'75% to 85%':>16}  {_verdict(near)}"


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"
