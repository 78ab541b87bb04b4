"""The plots, drawn with matplotlib where it is installed (extra `simulate`)."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.simulate.measures import cost_regrets, coverages, makespan_regrets
from tests.simulate.study import FAMILIES, LABELS, WEIGHTS, Key, Trial
from tests.simulate.table import AIMS

__all__ = ["MissingPlots", "draw"]

COLOURS = {
    "random": "#999999",
    "round_robin": "#56B4E9",
    "distance": "#F0E442",
    "testribute": "#E69F00",
    "given": "#0072B2",
    "learned": "#009E73",
    "oracle": "#000000",
}
"""Okabe and Ito's colours, which people tell apart however they see them."""
MARKERS = {
    "random": "X",
    "round_robin": "P",
    "distance": "D",
    "testribute": "s",
    "given": "o",
    "learned": "^",
    "oracle": "*",
}
WITH_WEIGHTS = ("testribute", "given", "learned", "oracle")


class MissingPlots(Exception):
    """matplotlib is not installed; the text says how to get it."""


def draw(trials: Sequence[Trial], folder: Path) -> list[Path]:
    """Write all plots as PNG into a folder, which is made, and return their paths.

    Raises:
        MissingPlots: matplotlib is not installed.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ModuleNotFoundError:
        text = "No plots: matplotlib is not installed. Get it with: pip install 'matplotlib>=3.10'"
        raise MissingPlots(text) from None
    matplotlib.use("agg")
    plt = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True}):
        drawn = {
            "cost-makespan.png": _cost_makespan(plt, trials),
            "regret.png": _regret(plt, trials),
            "coverage.png": _coverage(plt, trials),
        }
        for name, figure in drawn.items():
            figure.savefig(folder / name, dpi=130)
            plt.close(figure)
    return [folder / name for name in drawn]


def _subtitle(trials: Sequence[Trial]) -> str:
    return f"medians over {len(trials)} federations" if len(trials) > 1 else "one federation"


def _cost_makespan(plt: Any, trials: Sequence[Trial]) -> Any:
    figure, axes = plt.subplots(figsize=(9, 6.5), layout="constrained")
    for family in FAMILIES:
        keys: list[Key] = [(family, weight) for weight in WEIGHTS] if family in WITH_WEIGHTS else [(family, None)]
        makespans = [median(trial.runs[key].makespan / trial.least_makespan for trial in trials) for key in keys]
        costs = [median(trial.runs[key].cost / trial.least_cost for trial in trials) for key in keys]
        style: dict[str, Any] = {"color": COLOURS[family], "marker": MARKERS[family], "markeredgecolor": "black"}
        style |= {"markeredgewidth": 0.5, "markersize": 13 if family == "oracle" else 9}
        line = "none" if len(keys) == 1 else "--" if family == "oracle" else "-"
        axes.plot(makespans, costs, linestyle=line, label=LABELS[family], linewidth=1.8, **style)
        if len(keys) > 1:
            _name_ends(axes, makespans, costs, COLOURS[family])
    axes.set(xscale="log", yscale="log", xlabel="makespan / lower bound", ylabel="cost / lower bound")
    _plain_ticks(plt, axes.xaxis)
    _plain_ticks(plt, axes.yaxis)
    axes.set_title(f"Cost against makespan, {_subtitle(trials)}\nweights 0, 0.25, 0.5, 0.75, 1 along each line")
    axes.legend(framealpha=0.95)
    return figure


def _name_ends(axes: Any, xs: Sequence[float], ys: Sequence[float], colour: str) -> None:
    for index, name in ((0, "0"), (-1, "1")):
        axes.annotate(
            name,
            (xs[index], ys[index]),
            xytext=(9, 5),
            textcoords="offset points",
            fontsize=10,
            fontweight="bold",
            color=colour,
        )


def _plain_ticks(plt: Any, axis: Any) -> None:
    ticker = importlib.import_module("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(numticks=20, subs=(1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())


def _regret(plt: Any, trials: Sequence[Trial]) -> Any:
    figure, panels = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained", sharex=True, sharey=True)
    _regret_panel(panels[0], "Cost, at weight 0", 0.0, trials, cost_regrets)
    _regret_panel(panels[1], "Makespan, at weight 1", 1.0, trials, makespan_regrets)
    figure.suptitle(f"Regret against the oracle, {len(trials)} federations (boxes: quartiles; circles: far outside)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _regret_panel(axes: Any, title: str, weight: float, trials: Sequence[Trial], regrets: Any) -> None:
    families = [family for family in reversed(FAMILIES) if family != "oracle"]
    keys: list[Key] = [(family, weight if family in WITH_WEIGHTS else None) for family in families]
    percent = [[100 * value for value in regrets(trials, key)] for key in keys]
    boxes = axes.boxplot(percent, orientation="horizontal", patch_artist=True, widths=0.6)
    for box, middle, family in zip(boxes["boxes"], boxes["medians"], families, strict=True):
        box.set_facecolor(COLOURS[family])
        middle.set(color="white" if family in AIMS else "black", linewidth=2)
    for family, dashes in (("given", "--"), ("learned", ":")):
        most = 100 * AIMS[family]
        name = f"aim: {LABELS[family]}, at most {most:g} % in the median"
        axes.axvline(most, color="#D55E00", linestyle=dashes, linewidth=1.6, label=name)
    axes.set_yticks(range(1, len(families) + 1), [LABELS[family] for family in families])
    axes.set_xscale("symlog", linthresh=10, linscale=1.0)
    axes.set_xticks([-10, -5, 0, 5, 10, 30, 100, 300, 1000], ["-10", "-5", "0", "5", "10", "30", "100", "300", "1000"])
    axes.set_xlabel("regret, % (linear up to 10, logarithmic beyond)")
    axes.set_title(title)


def _coverage(plt: Any, trials: Sequence[Trial]) -> Any:
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    rows = {
        "run times": coverages(trials, "learned", lambda run: run.runs),
        "waits": coverages(trials, "learned", lambda run: run.waits),
    }
    axes.axvspan(75, 85, color="#009E73", alpha=0.15, label="aim: 75 to 85 %")
    axes.axvline(80, color="#009E73", linewidth=1.4, linestyle="--", label="80 %")
    for place, values in enumerate(rows.values(), 1):
        shaken = [place + 0.22 * ((7 * index) % 11 / 5 - 1) for index in range(len(values))]
        axes.plot([100 * value for value in values], shaken, "o", color="#0072B2", alpha=0.6, markersize=6)
        if values:
            axes.plot([100 * median(values)] * 2, [place - 0.35, place + 0.35], color="black", linewidth=2.5)
    axes.plot([], [], "o", color="#0072B2", alpha=0.6, label="one federation")
    axes.plot([], [], color="black", linewidth=2.5, label="median")
    axes.set_yticks(range(1, len(rows) + 1), list(rows))
    axes.set(ylim=(0.4, len(rows) + 0.6), xlabel="learned 80 % intervals that held, %")
    axes.set_title("Coverage of learned intervals, all weights together")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
