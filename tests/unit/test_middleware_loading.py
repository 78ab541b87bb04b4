"""Loading: entry points, `module:attribute`, and what is said about mistakes in a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from middleware import (
    Candidate,
    Context,
    Filter,
    MiddlewareConfigError,
    OnError,
    OptionError,
    Reason,
    StepConfig,
    StepSpec,
    TaskView,
    build_chain,
    installed,
)
from tests.support.middleware_samples import candidate, order, request

HERE = __name__


def create_blocklist(*, blocked: Sequence[str], text: str = "blocked") -> Filter:
    """A third-party middleware: a factory, nothing else."""
    if isinstance(blocked, str):
        raise OptionError("blocked", "a list of instance ids")

    def check(_task: TaskView, each: Candidate, _context: Context) -> Reason | None:
        return Reason(code="blocked", text=text, permanent=False) if each.id in blocked else None

    return Filter(check)


def create_leaky(*, token: str) -> Filter:
    raise RuntimeError(f"cannot log in with {token}")


def create_nothing() -> None:
    return None


class Nested:
    """Holds a factory, to see that attributes may be dotted."""

    create = staticmethod(create_blocklist)


NOT_A_FACTORY = 3


def test_built_ins_are_installed_like_any_other() -> None:
    assert {"feasible", "random", "cost_runtime"} <= set(installed())


@pytest.mark.parametrize("use", [f"{HERE}:create_blocklist", f"{HERE}:Nested.create"])
def test_a_third_party_middleware_is_loaded_by_module_and_attribute(use: str) -> None:
    chain = build_chain([StepSpec("feasible"), StepSpec(use, {"blocked": ["a"]}), StepSpec("cost_runtime")])
    result = chain.distribute(request([candidate("a"), candidate("b")]))
    assert order(result) == ["b"]
    assert result.rejected["a"].code == "blocked"
    assert [(step.name, step.kind) for step in chain.steps] == [
        ("feasible", "filter"),
        (use, "filter"),
        ("cost_runtime", "score"),
    ]


def test_a_built_in_can_be_named_by_its_path_as_well() -> None:
    assert build_chain([StepSpec("middleware.random_order:create")]).steps[0].kind == "score"


def test_alternatives_are_loaded_with_their_options() -> None:
    spec = StepSpec("cost_runtime", {"weight": "0.2"}, "skip", (StepSpec("random"),))
    step = build_chain([spec]).steps[0]
    assert [name for name, _ in step.choices] == ["cost_runtime", "random"]
    assert step.on_error == "skip"


@dataclass
class OtherConfig:
    """Settings of somebody else's making."""

    use: str = "random"
    options: Mapping[str, Any] = field(default_factory=dict)
    on_error: OnError = "fail"
    alternatives: Sequence[StepConfig] = ()


def test_any_settings_object_with_the_fields_will_do() -> None:
    assert build_chain([OtherConfig()]).steps[0].name == "random"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            StepSpec("feasable"),
            r"step 2 \(feasable\): no middleware has this name; installed: .*cost_runtime.*feasible",
        ),
        (StepSpec("no.such.module:create"), "step 2 .*No module named"),
        (StepSpec(f"{HERE}:absent"), "has no factory absent"),
        (StepSpec(f"{HERE}:NOT_A_FACTORY"), "has no factory NOT_A_FACTORY"),
        (StepSpec(f"{HERE}:"), "is module:attribute"),
        (StepSpec("random", {"sead": 1}), r"step 2 \(random\): unknown option sead; allowed: none"),
        (StepSpec("cost_runtime", {"flor": 1}), "unknown option flor; allowed: weight, floor_cost, floor_seconds"),
        (StepSpec("cost_runtime", {"weight": "cheap"}), "option weight must be 0, 1, 1.0, 0. with 1 to 6 digits"),
        (StepSpec("cost_runtime", {"floor_seconds": 0}), "option floor_seconds must be a number from 0.001"),
        (StepSpec("cost_runtime", {"floor_cost": "nan"}), "option floor_cost must be a number from"),
        (StepSpec("cost_runtime", {"runtime_seconds": 1.5}), "option runtime_seconds must be a whole number from 1"),
        (StepSpec("cost_runtime", {"cpu_cores": True}), "option cpu_cores must be a number"),
        (StepSpec("cost_runtime", {"ram_gb": [1]}), "option ram_gb must be a number"),
        (StepSpec("feasible", {"unknown_zone": "maybe"}), "option unknown_zone must be allow or exclude"),
        (StepSpec(f"{HERE}:create_blocklist"), "missing option blocked"),
        (StepSpec(f"{HERE}:create_blocklist", {"blocked": "abc"}), "option blocked must be a list of instance ids"),
        (StepSpec(f"{HERE}:create_nothing"), "must return a Filter, a Score, a Rewrite or a callable"),
        (
            StepSpec("random", alternatives=(StepSpec("nope"),)),
            r"step 2 \(random\), alternative 1 \(nope\): no middleware",
        ),
        (
            StepSpec("random", alternatives=(StepSpec("random", on_error="skip"),)),
            "on_error and alternatives belong to the step itself",
        ),
    ],
)
def test_mistakes_are_named_with_the_step_and_what_is_allowed(spec: StepSpec, text: str) -> None:
    with pytest.raises(MiddlewareConfigError, match=text):
        build_chain([StepSpec("feasible"), spec])


def test_no_value_of_an_option_is_ever_repeated() -> None:
    with pytest.raises(MiddlewareConfigError, match="its factory failed with RuntimeError") as caught:
        build_chain([StepSpec(f"{HERE}:create_leaky", {"token": "hunter2"})])
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in repr(StepSpec("x", {"token": "hunter2"}))
