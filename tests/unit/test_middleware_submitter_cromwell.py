"""What the Azure servers take for Cromwell's, and what is left of it in what they are sent."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from middleware.cromwell import CromwellCall, CromwellRule, seen_by
from middleware.submitter import Submitter, recognise
from protes.planning.convert import task_view
from protes.tes.build import build_request, marker
from protes.tes.dialects.table import dialect_named
from tests.support.cromwell_tasks import RUN, TESAZURE_CALL, for_ga4gh_tes, for_tesazure

CALL = CromwellCall(workflow_id=RUN, workflow_name="align", call="bwa")
EITHER: list[tuple[CromwellRule, Callable[[], dict[str, Any]]]] = [
    ("tesazure", for_tesazure),
    ("ga4gh-tes", for_ga4gh_tes),
]


def seen(rule: CromwellRule, document: Mapping[str, Any]) -> CromwellCall | None:
    return seen_by(rule, task_view("t", document))


@pytest.mark.parametrize(("rule", "make"), EITHER)
def test_each_rule_sees_its_own(rule: CromwellRule, make: Callable[[], dict[str, Any]]) -> None:
    assert seen(rule, make()) == CALL
    assert recognise(task_view("t", make())) == Submitter(
        engine="cromwell", workflow_id=RUN, workflow_name="align", step="bwa"
    )


def test_a_rule_sees_the_innermost_workflow() -> None:
    inner = f"{TESAZURE_CALL}/sub/{RUN.replace('5fc05ca9', '00000000')}/call-sort/shard-1"
    document = {**for_tesazure(inner), "description": RUN.replace("5fc05ca9", "00000000") + ":x"}
    found = seen("tesazure", document)
    assert found == CromwellCall(workflow_id=document["description"][:-2], workflow_name="sub", call="sort")


def test_a_tag_names_the_root_workflow() -> None:
    found = recognise(task_view("t", {**for_tesazure(), "tags": {"root_workflow_id": "root"}}))
    assert found is not None
    assert found.workflow_id == "root"


def without(document: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    change(document)
    return document


@pytest.mark.parametrize(
    "change",
    [
        lambda task: task["outputs"].append({"path": "/tes-wd/shared/x", "url": "https://x/y", "type": "FILE"}),
        lambda task: task["outputs"].pop(1),
        lambda task: task["outputs"].pop(2),
        lambda task: task["outputs"].pop(0),
        lambda task: task.update(description=f"[gateway] {task['description']}"),
        lambda task: task.pop("description"),
        lambda task: task.update(for_tesazure(TESAZURE_CALL.replace("/tes-wd", "/mnt"))),
        lambda task: task.update(for_tesazure(TESAZURE_CALL.replace("call-", "step-"))),
        lambda task: task.update(for_tesazure("/tes-wd" + "/x" * 3000 + TESAZURE_CALL)),
    ],
    ids=["url", "stdout", "stderr", "rc", "prefix", "description", "root", "call", "long"],
)
def test_what_tesazure_does_not_take_for_cromwells(change: Callable[[dict[str, Any]], Any]) -> None:
    assert seen("tesazure", without(for_tesazure(), change)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda task: task["inputs"][0].update(name="script"),
        lambda task: task["inputs"][0].update(description="align.bwa.script"),
        lambda task: task["inputs"][0].update(path="/cromwell-executions/scripts"),
        lambda task: task["inputs"][0].update(type="DIRECTORY"),
        lambda task: task["outputs"][0].update(name="code"),
        lambda task: task["outputs"].pop(1),
        lambda task: task.update(description="nothing"),
        lambda task: task["outputs"][0].update(path=task["outputs"][0]["path"].replace("shard-3", "shard-x")),
    ],
    ids=["name", "description", "path", "type", "rc", "stdout", "run", "shard"],
)
def test_what_ga4gh_tes_does_not_take_for_cromwells(change: Callable[[dict[str, Any]], Any]) -> None:
    assert seen("ga4gh-tes", without(for_ga4gh_tes(), change)) is None


def forwarded(document: dict[str, Any], dialect: str) -> dict[str, Any]:
    return build_request(document, dialect_named(dialect), marker=marker("task", 1), gateways=["gateway"])


def test_what_tesazure_is_sent_it_still_takes_for_cromwells() -> None:
    """The server's conditions (a) to (d), put down once more from DIALECTS.md 3.2."""
    document = for_tesazure()
    sent = forwarded({**document, "tags": {"ms-submitter-name": "mine", "label": "x"}}, "tesazure")
    outputs = sent["outputs"]
    assert all(each["url"] == each["path"] for each in outputs)
    paths = [each["path"] for each in outputs]
    assert [path.rpartition("/")[2] for path in paths] == ["rc", "stdout", "stderr", "aligned.bam"]
    [found] = [
        match
        for path in paths
        if (match := re.match(r"/tes-wd(?:/.*)?/([^/]+)/([0-9a-f-]{36})/call-([^/]+)(?:/.*)?/execution/rc$", path))
    ]
    assert sent["description"].split(":")[0] == found.group(2)
    assert [each["url"] for each in sent["inputs"]] == [each["url"] for each in document["inputs"]]
    assert sent["name"] == document["name"]
    assert sent["tags"].keys() == {"label", "protes_attempt", "protes_gateway"}


def test_what_ga4gh_tes_is_sent_it_still_takes_for_cromwells() -> None:
    """The server's conditions, put down once more from DIALECTS.md 3.3."""
    document = for_ga4gh_tes()
    sent = forwarded(document, "ga4gh-tes")
    [script] = [each for each in sent["inputs"] if each.get("name") == "commandScript"]
    assert script["type"] == "FILE"
    assert script["path"].endswith("/script")
    assert script["description"].endswith(".commandScript")
    by_name = {each["name"]: each["path"] for each in sent["outputs"]}
    assert {"rc", "stdout", "stderr"} <= by_name.keys()
    assert by_name["rc"].startswith("/cromwell-executions/")
    assert RUN in by_name["rc"]
    assert sent["description"].partition(":")[0] == RUN
    assert [each["url"] for each in sent["outputs"]] == [each["url"] for each in document["outputs"]]
