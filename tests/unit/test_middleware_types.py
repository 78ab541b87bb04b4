"""The package as others see it: its names, frozen values, no secrets in `repr`, no company in `sys.modules`."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, is_dataclass
from fractions import Fraction

import pytest

import middleware
from middleware import Context, Distribution, Estimate, ExecutorView, InputView, Offer, Resources
from middleware.types import __all__ as type_names
from tests.support.middleware_samples import candidate, task

PUBLIC = [
    "WEIGHT_ONE",
    "AccessPort",
    "AnyMiddleware",
    "Basis",
    "Candidate",
    "Chain",
    "ChainError",
    "Context",
    "Coordinates",
    "DataObject",
    "DataRule",
    "Distribution",
    "DistributionRequest",
    "Estimate",
    "ExecutorView",
    "Feature",
    "Filter",
    "InputView",
    "InstanceChoice",
    "Kind",
    "LawBroken",
    "Learned",
    "Limits",
    "Middleware",
    "MiddlewareConfigError",
    "Money",
    "Needs",
    "Network",
    "Next",
    "NotApplicable",
    "Offer",
    "OnError",
    "OptionError",
    "Outcome",
    "OutputView",
    "PathMapping",
    "Permission",
    "Preference",
    "Prices",
    "Provides",
    "Reason",
    "Refused",
    "Replica",
    "Reported",
    "Resources",
    "Rewrite",
    "Rewritten",
    "Route",
    "Score",
    "SignerPort",
    "Staging",
    "Step",
    "StepConfig",
    "StepSpec",
    "TaskView",
    "TraceEntry",
    "Unavailable",
    "Weight",
    "build_chain",
    "compose",
    "decimal_option",
    "installed",
    "integer_option",
    "parse_weight",
]


def test_public_names_are_pinned() -> None:
    assert middleware.__all__ == PUBLIC
    assert all(hasattr(middleware, name) for name in PUBLIC)
    assert set(type_names) <= set(PUBLIC)


def test_all_value_types_are_frozen_slotted_and_built_by_keyword() -> None:
    classes = [getattr(middleware, name) for name in type_names]
    types = [each for each in classes if isinstance(each, type) and is_dataclass(each)]
    assert len(types) > 15
    for each in types:
        parameters = each.__dataclass_params__  # type: ignore[attr-defined]
        assert parameters.frozen, each
        assert "__slots__" in vars(each), each
        assert all(one.kw_only for one in fields(each) if one.init), each


def test_mappings_are_copies_that_cannot_be_changed() -> None:
    tags = {"a": "b"}
    view = task(tags=tags)
    tags["a"] = "changed"
    assert view.tags == {"a": "b"}
    with pytest.raises(TypeError):
        view.tags["a"] = "c"  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        view.name = "x"  # type: ignore[misc]


def test_what_may_hold_secrets_is_not_in_repr() -> None:
    canary = "hunter2"
    view = task(
        inputs=(InputView(path="/a", url=f"https://u:{canary}@h/x"), InputView(path="/b", content=canary)),
        executors=(ExecutorView(image="i", command=("login", canary), env={"PASSWORD": canary}),),
        resources=Resources(backend_parameters={"key": canary}),
        tags={"token": canary},
    )
    assert canary not in repr(view)


def test_an_offer_shows_its_estimate() -> None:
    estimate = Estimate(cost_micro=5, time_ms=7, cost_basis="reported", time_basis="learned")
    offer = Offer(candidate_id="a", score=1, score_unit=4, estimate=estimate)
    assert (offer.cost_micro, offer.time_ms, offer.basis, offer.shown_score) == (5, 7, "learned", Fraction(1, 4))
    bare = Offer(candidate_id="b")
    assert (bare.cost_micro, bare.time_ms, bare.basis, bare.shown_score) == (None, None, None, None)


def test_free_maps_of_context_and_distribution_are_immutable() -> None:
    with pytest.raises(TypeError):
        Context(seed="s").offers["a"] = Offer(candidate_id="a")  # type: ignore[index]
    with pytest.raises(TypeError):
        Distribution(task=task(), ranked=()).rejected["a"] = None  # type: ignore[index]
    with pytest.raises(TypeError):
        candidate("a").basis["speed"] = "learned"  # type: ignore[index]


def test_the_package_stands_alone() -> None:
    code = (
        "import sys, pkgutil, importlib, middleware\n"
        "[importlib.import_module(f'middleware.{each.name}') for each in pkgutil.iter_modules(middleware.__path__)]\n"
        "print([each for each in ('protes', 'flask', 'connexion', 'requests') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=110)
    assert done.stdout.strip() == "[]"
