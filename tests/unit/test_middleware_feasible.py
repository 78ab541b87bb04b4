"""Filter `feasible`: what excludes an instance, in which words, and whether for good."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware import (
    Chain,
    ExecutorView,
    Feature,
    InputView,
    Learned,
    Limits,
    OutputView,
    Preference,
    Provides,
    Reason,
    Resources,
    Rewrite,
    Step,
)
from middleware.feasible import create
from middleware.feasible_dialect import FEATURES, document_bytes
from protes.planning.convert import document
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
    assert set(FEATURES) == set(get_args(Feature))


@pytest.mark.parametrize(
    ("of", "feature", "field"),
    [
        ({"inputs": (InputView(path="/i", content=""),)}, "empty_content", "inputs[0].content"),
        ({"inputs": (CONTENT,)}, "content", "inputs[0].content"),
        ({"inputs": (S3_INPUT, replace(CONTENT, type="DIRECTORY"))}, "directory_content", "inputs[1].content"),
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
            for argument in ("", "http://host/x", "./x", "a/./b", "/data/", "./", "a/.", "/.", "cp a/ b/")
        ),
    ],
)
def test_features_are_found_where_they_are_used(of: dict[str, Any], feature: Feature, field: str) -> None:
    assert task(**of).needs.features[feature] == field
    reason = reason_for(of, Limits(unsupported=frozenset({feature})))
    assert reason is not None
    assert field in reason.text


def run_for(seconds: float | None, learned: float | None = None, **fields: Any) -> Reason | None:
    """Ask about a task of this run time, stated or learned."""
    stated = None if seconds is None else int(seconds)
    asking = request(
        [candidate("one", limits=Limits(max_runtime_seconds=1600), **fields)],
        preference=Preference(runtime_seconds=stated),
    )
    if learned is not None:
        figure = Learned(value=learned, low=1, high=2 * learned, count=9)
        asking = replace(asking, context=replace(asking.context, runtime=figure))
    return chain("feasible").distribute(asking).rejected.get("one")


@pytest.mark.parametrize(
    ("seconds", "learned", "fields", "expected"),
    [
        (1600, None, {}, None),
        (1601, None, {}, 1601),
        (3000, None, {"speed": 2.0}, None),
        (3201, None, {"speed": 2.0}, 1601),
        (1600, None, {"speed": 0.5}, 3200),
        (None, None, {}, None),
        (None, 3600.0, {}, 3600),
        (None, 60.0, {}, None),
        (60, 3600.0, {}, None),
        (3600, 60.0, {}, 3600),
    ],
)
def test_a_long_run_is_not_sent_where_it_is_given_up_but_that_may_change(
    seconds: float | None, learned: float | None, fields: dict[str, Any], expected: int | None
) -> None:
    reason = run_for(seconds, learned, **fields)
    text = f"gives up a task after 1600 s, this one is expected to run {expected} s there"
    assert reason == (None if expected is None else Reason(code="dialect", text=text, permanent=False))


def test_a_run_time_matters_only_where_it_is_bounded() -> None:
    assert reason_for({}, preference=Preference(runtime_seconds=10**6)) is None


def test_a_task_may_be_too_big_as_a_document() -> None:
    script = InputView(path="/s", content="é\n" * 1000)
    size = document_bytes(task(inputs=(script,)))
    assert 4000 < size < 4300, "UTF-8, line ends escaped, and a little for the rest"
    assert reason_for({"inputs": (script,)}, Limits(max_document_bytes=size)) is None
    reason = reason_for({"inputs": (script,)}, Limits(max_document_bytes=size - 1))
    text = f"takes tasks of {size - 1} bytes of JSON at most, this one has about {size}"
    assert reason == Reason(code="dialect", text=text, permanent=True)


def test_the_size_of_a_document_is_never_underrated() -> None:
    view = task(
        name="sum",
        description='"quoted" \u2028',
        inputs=(S3_INPUT, replace(CONTENT, streamable=True)),
        outputs=(OutputView(path="/o/*", path_prefix="/o", url="s3://b/"),),
        executors=(replace(ECHO, env={"A": "b" * 50, "C": ""}, ignore_error=True, stdout="/x"), ECHO),
        resources=Resources(
            cpu_cores=1.5, ram_gb=0.1, preemptible=True, zones=("a", "b"), backend_parameters={"x": "y"}
        ),
        volumes=("/v",),
        tags={"project": "x"},
    )
    written = json.dumps(document(view), ensure_ascii=False)
    assert len(written.encode()) <= document_bytes(view) <= 2 * len(written.encode())


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        (("/tes-wd/in", "/tes-wd/shared/out"), None),
        (("/tes-wd/in", "/out"), "outputs[0].path"),
        (("/in", "/out"), "inputs[0].path"),
        (("/tes-wdx/in", "/tes-wd/out"), "inputs[0].path"),
        (("/tes-wd", "/tes-wd/out"), "inputs[0].path"),
    ],
)
def test_paths_may_have_to_be_below_a_root(paths: tuple[str, str], field: str | None) -> None:
    of = {"inputs": (replace(S3_INPUT, path=paths[0]),), "outputs": (OutputView(path=paths[1], url="s3://b/o"),)}
    reason = reason_for(of, Limits(path_root="/tes-wd"))
    text = f"mounts only /tes-wd into containers ({field})"
    assert reason == (None if field is None else Reason(code="dialect", text=text, permanent=True))
    assert reason_for(of) is None


@pytest.mark.parametrize("argument", ["/", ".", "..", "x", "/a/b", "a/b", "a.b/.c", "../x", ".hidden", "-"])
def test_arguments_that_stay_the_same_as_paths_are_no_reason(argument: str) -> None:
    assert str(PurePosixPath(argument)) == argument
    executor = ExecutorView(image="a", command=("cat", argument))
    assert "path_like_arguments" not in task(executors=(executor,)).needs.features


@given(st.text(alphabet="a./", max_size=8))
def test_arguments_that_change_as_paths_are_found(argument: str) -> None:
    executor = ExecutorView(image="a", command=(argument,))
    changes = str(PurePosixPath(argument)) != argument or "//" in argument
    assert ("path_like_arguments" in task(executors=(executor,)).needs.features) == changes
