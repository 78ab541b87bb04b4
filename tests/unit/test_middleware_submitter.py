"""`submitter`: which engine a task comes from, and where that is written."""

from dataclasses import replace

import pytest

from middleware import ChainError, Context, Distribution, DistributionRequest, Next, Offer, Step, build_chain
from middleware.chain import Chain
from middleware.loading import StepSpec
from middleware.submitter import LONGEST, Submitter, create, recognise
from tests.support.engine_tasks import ENGINE_TASKS, RUN
from tests.support.middleware_samples import candidate, request, task


@pytest.mark.parametrize(
    "expected",
    [
        Submitter(engine="cromwell", workflow_id=RUN, workflow_name="align", step="bwa"),
        Submitter(engine="nextflow", workflow_name="RNASEQ", step="RNASEQ:ALIGN:STAR"),
        Submitter(engine="snakemake", step="count_lines"),
        Submitter(engine="toil", step="CWLJob"),
        Submitter(engine="cwl-tes", workflow_name="count.cwl", step="grep"),
        Submitter(engine="galaxy", step="job-12"),
        Submitter(engine="sprocket", workflow_id="group-9", step="call-2"),
    ],
    ids=lambda each: each.engine,
)
def test_each_engine_is_recognised(expected: Submitter) -> None:
    assert recognise(ENGINE_TASKS[expected.engine]) == expected


def test_a_task_of_nobody_in_particular() -> None:
    assert recognise(task(name="hello", tags={"run_id": "7"})) is None


def test_cromwell_is_told_by_its_paths_alone() -> None:
    plain = replace(ENGINE_TASKS["cromwell"], tags={})
    assert recognise(plain) == Submitter(engine="cromwell", workflow_id=RUN, workflow_name="align", step="bwa")


def test_cromwell_is_told_by_its_tags_alone() -> None:
    plain = task(name="align.bwa", tags={"root_workflow_id": RUN})
    assert recognise(plain) == Submitter(engine="cromwell", workflow_id=RUN, workflow_name="align", step="bwa")


def test_snakemake_is_told_by_its_script_when_its_jobs_are_named_otherwise() -> None:
    assert recognise(replace(ENGINE_TASKS["snakemake"], name="mine")) == Submitter(engine="snakemake", step="mine")


def test_cwl_tes_without_an_id_of_the_document() -> None:
    assert recognise(replace(ENGINE_TASKS["cwl-tes"], tags={})) == Submitter(engine="cwl-tes", step="grep")


def test_a_tag_names_the_run_where_the_engine_does_not() -> None:
    found = recognise(replace(ENGINE_TASKS["nextflow"], tags={"run_id": "run-1"}))
    assert found is not None
    assert found.workflow_id == "run-1"


def test_texts_are_bounded_and_printable() -> None:
    found = recognise(replace(ENGINE_TASKS["toil"], name="a\nb\x00" + "x" * 1000))
    assert found is not None
    assert found.step is not None
    assert found.step.startswith("a b x")
    assert len(found.step) == LONGEST


def test_inner_steps_and_the_answer_get_the_metadata() -> None:
    seen: list[Context] = []

    def look(asked: DistributionRequest, call_next: Next) -> Distribution:
        seen.append(asked.context)
        return call_next(asked)

    inner = build_chain([StepSpec("feasible"), StepSpec("cost_runtime"), StepSpec("affinity")]).steps
    chain = Chain((Step((("submitter", create()),)), Step((("look", look),)), *inner))
    result = chain.distribute(request([candidate("a")], of=ENGINE_TASKS["sprocket"]))
    expected = {
        "submitter.engine": "sprocket",
        "submitter.workflow_id": "group-9",
        "submitter.step": "call-2",
    }
    assert dict(seen[0].metadata) == expected
    assert dict(result.metadata) == expected


def test_the_metadata_survives_a_step_that_answers_on_its_own() -> None:
    def answer(asked: DistributionRequest, _next: Next) -> Distribution:
        offers = tuple(Offer(candidate_id=each.id) for each in asked.candidates)
        return Distribution(task=asked.task, ranked=offers, metadata={"own": "1", "submitter.step": "better"})

    chain = Chain((Step((("submitter", create()),)), Step((("answer", answer),))))
    result = chain.distribute(request([candidate("a")], of=ENGINE_TASKS["toil"]))
    assert dict(result.metadata) == {"submitter.engine": "toil", "submitter.step": "better", "own": "1"}


def test_metadata_that_is_not_text_breaks_the_law() -> None:
    def answer(asked: DistributionRequest, call_next: Next) -> Distribution:
        return call_next(asked).after((), metadata={"n": 1})  # type: ignore[dict-item]

    with pytest.raises(ChainError, match="metadata is a map of strings"):
        Chain((Step((("answer", answer),)),)).distribute(request([candidate("a")]))
