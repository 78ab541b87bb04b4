"""Controller of `GET /protes/v1/summary`: what a dashboard shows before anything else, at a bounded cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from protes import __version__
from protes.api.answers import answer
from protes.api.counting import MOST, Counted
from protes.api.services import eyes, sees, services
from protes.clock import rfc3339
from protes.config.planning import StepSettings
from protes.tes.states import State

_STEADY = (State.QUEUED, State.INITIALIZING, State.RUNNING)
_ENDS = (State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR, State.CANCELED)
_RANKER = "cost_runtime"
_FLOOR_COST, _FLOOR_SECONDS = "0.10", 60


def GetSummary() -> Response:
    """Answer how many tasks the caller sees in each state, and by what offers are weighed."""
    parts, seen = services(), eyes()
    states = tuple(State) if seen.all_states else (*_STEADY, *_ENDS)
    shown, readable = not seen.all_states, sees().readable
    counted = parts.counts.of(
        (readable, shown),
        parts.clock.now(),
        lambda: parts.tasks.count_states(states, readable, shown=shown, most=MOST + 1),
    )
    ranking = _ranking(parts.settings.chain)
    return answer(
        {
            "time": rfc3339(counted.at),
            "gateway": {"id": parts.gateway_id, "version": __version__},
            "tasks": _tasks(counted),
            "currency": parts.settings.currency,
            **({"ranking": ranking} if ranking is not None else {}),
        }
    )


def _tasks(counted: Counted) -> list[dict[str, Any]]:
    return [
        {"state": str(state), "count": min(found, MOST), "more": found > MOST}
        for state, found in counted.states.items()
    ]


def _ranking(chain: Sequence[StepSettings]) -> Mapping[str, Any] | None:
    """Return the least scales of the ranker that weighs cost against time, or None where there is none."""
    steps = [each for step in chain for each in (step, *step.alternatives) if each.use == _RANKER]
    if not steps:
        return None
    options = steps[0].options
    return {
        "floor_cost": str(options.get("floor_cost", _FLOOR_COST)),
        "floor_seconds": float(options.get("floor_seconds", _FLOOR_SECONDS)),
    }
