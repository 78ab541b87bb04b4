"""Filter `feasible`: what excludes an instance, in which words, and whether for good."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from middleware import (
    Chain,
    ExecutorView,
    Feature,
    InputView,
    Limits,
    OutputView,
    Preference,
    Provides,
    Reason,
    Resources,
    Rewrite,
    Step,
)
from middleware.feasible import _FEATURES, create
from tests.support.middleware_samples import ECHO, candidate, chain, order, request, task

CONTENT = InputView(path="/in", content="text")
S3_INPUT = InputView(path="/in", url="s3://bucket/key")


def using(name: str) -> ExecutorView:
    """Make an executor with a path in this field."""
    fields: dict[str, Any] = {name: "/x"}
    return replace(ECHO, **fields)


def reason_for(of: dict[str, Any], limits: Limits | None = None, **fields: Any) -> Reason | None:
    """Ask the filter about one candidate with these limits and fields."""
    preference, options = fields.pop("preference", None), fields.pop("options", {})
    one = candidate("one", limits=limits or Limits(), **fields)
    return (
        chain("feasible", **options)
        .distribute(request([one], of=task(**of), preference=preference))
        .rejected.get("one")
    )


@pytest.mark.parametrize(
    ("of", "limits", "code", "text"),
    [
        (
            {"resources": Resources(cpu_cores=512)},
            Limits(max_cpu_cores=64),
            "resources",
            "needs 512 cpu_cores, declares 64",
        ),
        (
            {"resources": Resources(ram_gb=8.5)},
            Limits(max_ram_gb=8.0),
            "resources",
            "needs 8.5 ram_gb, declares 8",
        ),
        (
            {"resources": Resources(disk_gb=1e6)},
            Limits(max_disk_gb=10),
            "resources",
            "needs 1000000 disk_gb, declares 10",
        ),
        (
            {"inputs": (CONTENT, S3_INPUT)},
            Limits(input_schemes=frozenset({"https", "file"})),
            "schemes",
            "takes no s3 URLs for inputs (inputs[1].url), declares file, https",
        ),
        (
            {"outputs": (OutputView(path="/out", url="/shared/out"),)},
            Limits(output_schemes=frozenset({"s3"})),
            "schemes",
            "takes no file URLs for outputs (outputs[0].url), declares s3",
        ),
        (
            {"resources": Resources(zones=("us-west-1",))},
            Limits(zones=frozenset({"eu-1"})),
            "zones",
            "serves none of the zones in resources.zones, declares eu-1",
        ),
        (
            {"resources": Resources(backend_parameters={"vm_size": "x", "queue": "y"}, backend_parameters_strict=True)},
            Limits(backend_parameters=frozenset({"queue"})),
            "backend_parameters",
            "does not know the strict backend_parameters vm_size, declares queue",
        ),
        (
            {"executors": (ECHO, ECHO)},
            Limits(max_executors=1),
            "dialect",
            "runs 1 executor(s) per task, needs 2",
        ),
        (
            {"executors": (ECHO, ExecutorView(image="a", command=("b",), ignore_error=True))},
            Limits(unsupported=frozenset({"ignore_error"})),
            "dialect",
            "does not support ignore_error (executors[1].ignore_error)",
        ),
    ],
)
def test_what_a_declaration_rules_out_is_permanent(of: dict[str, Any], limits: Limits, code: str, text: str) -> None:
    assert reason_for(of, limits) == Reason(code=code, text=text, permanent=True)
    assert reason_for(of) is None or code == "backend_parameters"


@pytest.mark.parametrize(
    ("of", "limits"),
    [
        ({"resources": Resources(cpu_cores=64, ram_gb=8, disk_gb=1)}, Limits(max_cpu_cores=64, max_ram_gb=8.0)),
        ({"resources": Resources()}, Limits(max_cpu_cores=0.5, max_ram_gb=1, max_disk_gb=1)),
        ({"inputs": (CONTENT,)}, Limits(input_schemes=frozenset())),
        ({"inputs": (InputView(path="/in", url="/data/x"),)}, Limits(input_schemes=frozenset({"file"}))),
        ({"inputs": (InputView(path="/in", url="S3://b/k"),)}, Limits(input_schemes=frozenset({"s3"}))),
        ({"resources": Resources(zones=("a", "b"))}, Limits(zones=frozenset({"b"}))),
        ({"resources": Resources(backend_parameters={"x": "y"})}, Limits(backend_parameters=frozenset())),
        ({"resources": Resources(backend_parameters_strict=True)}, Limits()),
        ({"executors": (ECHO,)}, Limits(max_executors=1, unsupported=frozenset(get_args(Feature)))),
    ],
)
def test_what_fits_stays(of: dict[str, Any], limits: Limits) -> None:
    assert reason_for(of, limits) is None


def test_a_strict_backend_parameter_must_be_declared() -> None:
    strict = Resources(backend_parameters={"vm_size": "x"}, backend_parameters_strict=True)
    reason = reason_for({"resources": strict}, Limits())
    assert reason is not None
    assert reason.permanent
    assert reason.text.endswith("declares none")


@pytest.mark.parametrize(
    ("zone", "allowed", "stays"),
    [
        ("aws:eu-central-1", ("aws:eu-central-1", "DE"), True),
        ("de", ("DE",), True),
        ("aws:us-east-1", ("aws:eu-central-1",), False),
        ("aws:eu-central-1", (), True),
        (None, ("DE",), True),
    ],
)
def test_allowed_zones(zone: str | None, allowed: tuple[str, ...], stays: bool) -> None:
    reason = reason_for({}, zone=zone, preference=Preference(allowed_zones=allowed))
    assert (reason is None) is stays
    if reason is not None:
        assert reason.permanent
        assert reason.text == "is in zone aws:us-east-1, allowed are aws:eu-central-1"


def test_an_unknown_zone_can_be_made_to_exclude() -> None:
    preference = Preference(allowed_zones=("DE",))
    reason = reason_for({}, preference=preference, options={"unknown_zone": "exclude"})
    assert reason == Reason(code="zones", text="declares no zone, allowed are DE", permanent=True)


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"ejected": "5 failures in a row"}, "ejected", "takes no tasks at the moment: 5 failures in a row"),
        ({"in_flight": 4, "max_in_flight": 4}, "full", "is full: 4 tasks in flight, at most 4"),
    ],
)
def test_health_and_load_pass(fields: dict[str, Any], code: str, text: str) -> None:
    assert reason_for({}, **fields) == Reason(code=code, text=text, permanent=False)


def test_room_for_one_more_is_enough() -> None:
    assert reason_for({}, in_flight=3, max_in_flight=4) is None


def test_a_permanent_reason_is_not_hidden_by_a_passing_one() -> None:
    of = {"resources": Resources(cpu_cores=8, ram_gb=8)}
    reason = reason_for(of, Limits(max_cpu_cores=4, max_ram_gb=2), ejected="down")
    assert reason is not None
    assert reason.permanent
    assert reason.text == "needs 8 cpu_cores, declares 4; needs 8 ram_gb, declares 2"


def test_what_a_rewrite_mends_is_not_insisted_on() -> None:
    drs = Rewrite(lambda task, _candidate, _context: task, Provides(input_schemes=frozenset({"drs"})))
    one = candidate("one", limits=Limits(input_schemes=frozenset({"https"})))
    asking = request([one], of=task(inputs=(InputView(path="/in", url="drs://host/id"),)))
    plain = Chain((Step((("feasible", create()),)),))
    mending = Chain((*plain.steps, Step((("drs", drs),))))
    assert order(plain.distribute(asking)) == []
    assert order(mending.distribute(asking)) == ["one"]


def test_each_feature_has_words() -> None:
    assert set(_FEATURES) == set(get_args(Feature))


@pytest.mark.parametrize(
    ("of", "feature", "field"),
    [
        ({"inputs": (InputView(path="/i", content=""),)}, "empty_content", "inputs[0].content"),
        ({"inputs": (CONTENT,)}, "content", "inputs[0].content"),
        (
            {"outputs": (OutputView(path="/o/*", path_prefix="/o", url="s3://b/"),)},
            "path_prefix",
            "outputs[0].path_prefix",
        ),
        ({"resources": Resources(ram_gb=0.5)}, "fractional_ram", "resources.ram_gb"),
        (
            {"resources": Resources(backend_parameters={"a": "b"})},
            "backend_parameters",
            "resources.backend_parameters",
        ),
        ({"volumes": ("/v",)}, "volumes", "volumes"),
        *(
            ({"executors": (using(name),)}, name, f"executors[0].{name}")
            for name in ("stdin", "stdout", "stderr", "workdir")
        ),
        *(
            (
                {"executors": (ExecutorView(image="a", command=("cat", argument)),)},
                "path_like_arguments",
                "executors[0].command[1]",
            )
            for argument in ("", "http://host/x", "./x", "a/./b", "/data/")
        ),
    ],
)
def test_features_are_found_where_they_are_used(of: dict[str, Any], feature: Feature, field: str) -> None:
    assert task(**of).needs.features[feature] == field
    reason = reason_for(of, Limits(unsupported=frozenset({feature})))
    assert reason is not None
    assert field in reason.text
