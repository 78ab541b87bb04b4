"""What clients in the wild send is taken (ENGINES.md sections 1 to 6, and section 8 rule 9)."""

import json
from typing import Any

import pytest

from tests.api.conftest import BASES, TASK, Api
from tests.support.tes_document import assert_fits

JSON = {"Content-Type": "application/json"}
SERVER_SET = {"id", "state", "creation_time", "logs"}

NEXTFLOW: dict[str, Any] = {
    "name": "hello (1)",
    "tags": {"cost_weight": "0.3"},
    "resources": {"cpu_cores": 1, "ram_gb": 2.0, "disk_gb": 0.5, "backend_parameters_strict": False},
    "inputs": [{"url": "/shared/work/ab/.command.sh", "path": "/work/.command.sh", "type": "FILE"}],
    "outputs": [{"url": "/shared/work/ab/.exitcode", "path": "/work/.exitcode"}],
    "executors": [
        {
            "image": "quay.io/nextflow/bash",
            "command": ["bash", "-o", "pipefail", "-c", "bash /work/.command.run 2>&1 | tee /work/.command.log"],
            "workdir": "/work",
        }
    ],
}

CROMWELL: dict[str, Any] = {
    "name": "wf.task",
    "description": "long " * 2000,
    "inputs": [{"name": "i", "description": "d", "url": "/data/in", "path": "/cromwell/in", "type": "FILE"}],
    "outputs": [{"name": "o", "description": "d", "url": "/data/out", "path": "/cromwell/out", "type": "FILE"}],
    "executors": [{"image": "a", "command": ["/bin/bash", "/s"], "stdout": "/o", "stderr": "/e", "workdir": None}],
    "resources": {
        "cpu_cores": 1,
        "preemptible": True,
        "backend_parameters": {"internal_path_prefix": "/x", "empty": None},
    },
    "tags": {"workflow_id": "w", "root_workflow_id": "w", "parent_workflow_id": None},
}

PULSAR: dict[str, Any] = {
    "id": None,
    "state": None,
    "name": None,
    "description": None,
    "inputs": None,
    "outputs": None,
    "resources": {
        "cpu_cores": 2,
        "preemptible": None,
        "ram_gb": None,
        "disk_gb": None,
        "zones": None,
        "backend_parameters": {"cost_weight": "0.3"},
        "backend_parameters_strict": None,
    },
    "executors": [
        {
            "image": image,
            "command": ["run"],
            "workdir": None,
            "stdin": None,
            "stdout": None,
            "stderr": None,
            "env": {"A": "b"},
            "ignore_error": None,
        }
        for image in ("staging", "tool", "finish")
    ],
    "volumes": ["/pulsar_staging"],
    "tags": None,
    "logs": None,
    "creation_time": None,
}

SNAKEMAKE: dict[str, Any] = {
    "name": "snakejob.all.0.sh",
    "description": "",
    "inputs": [{"path": "/tmp/run_snakemake.sh", "content": "#!/bin/bash\n" + "x" * 100, "type": "FILE"}],
    "outputs": [],
    "resources": {"cpu_cores": 1, "ram_gb": 1, "disk_gb": 1},
    "executors": [{"image": "snakemake", "command": ["/bin/bash", "/tmp/run_snakemake.sh"], "workdir": "/tmp"}],
}

TOIL: dict[str, Any] = {
    "name": "toil-job",
    "inputs": [{"url": "file:///jobstore", "path": "/mnt/jobstore", "type": "DIRECTORY"}],
    "resources": {"cpu_cores": 1, "ram_gb": 2.0, "disk_gb": 2.0, "preemptible": False},
    "executors": [
        {
            "image": "quay.io/ucsc_cgl/toil",
            "command": ["_toil_contained_executor", "x" * 5000],
            "env": {"TES_COST_WEIGHT": "0.3"},
        }
    ],
}

CWL_TES: dict[str, Any] = {
    "name": "echo",
    "description": "doc",
    "inputs": [{"name": "i", "url": "file:///in.txt", "path": "/var/lib/cwl/in.txt", "type": "FILE"}],
    "outputs": [{"path": "/var/spool/cwl", "url": "file:///out", "type": "DIRECTORY"}],
    "resources": {"cpu_cores": 1, "ram_gb": 1.0, "disk_gb": 1.0},
    "executors": [
        {"image": "x", "command": ["echo"], "workdir": "/var/spool/cwl", "stdout": "/o", "env": {"HOME": "/"}}
    ],
    "tags": {},
}

ENGINES = {
    "nextflow": NEXTFLOW,
    "cromwell": CROMWELL,
    "pulsar": PULSAR,
    "snakemake": SNAKEMAKE,
    "toil": TOIL,
    "cwl-tes": CWL_TES,
    "workbench": {**TASK, "creation_time": "2024-01-01T00:00:00Z", "tags": {"project": "p", "tres": "A|B"}},
}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_tasks_of_engines_are_taken_and_echoed(api: Api, base: str, engine: str) -> None:
    sent = ENGINES[engine]
    shown = api.task(api.create(sent, base), "FULL", base)
    expected = without_nulls({key: value for key, value in sent.items() if key not in SERVER_SET})
    for item in (*expected.get("inputs", ()), *expected.get("outputs", ())):
        item.setdefault("type", "FILE")
    assert {key: value for key, value in shown.items() if key not in SERVER_SET} == expected
    assert_fits("tesTask", shown)


def test_a_field_of_1_1_that_was_not_sent_is_not_shown(api: Api) -> None:
    for document in ENGINES.values():
        shown = api.task(api.create(document, "/v1"), "FULL", "/v1")
        assert "null" not in json.dumps(shown)
        for item in (*shown.get("inputs", ()), *shown.get("outputs", ())):
            assert not {"streamable", "path_prefix"} & set(item)
        for executor in shown["executors"]:
            assert "ignore_error" not in executor


def test_what_the_client_may_not_set_is_ignored(api: Api) -> None:
    mine = {**TASK, "id": "mine", "state": "COMPLETE", "creation_time": "2000-01-01T00:00:00Z", "logs": [{"x": 1}]}
    task_id = api.create(mine)
    assert task_id != "mine"
    shown = api.task(task_id)
    assert shown["state"] == "QUEUED"
    assert shown["creation_time"].startswith("2030-")
    assert "logs" not in shown


def test_unknown_fields_are_tolerated_and_not_stored(api: Api) -> None:
    document = {
        **TASK,
        "project": "x",
        "nested": {"deep": [{"er": None}]},
        "resources": {"gpus": 2},
        "inputs": [{"path": "/a", "url": "s3://a", "checksum": "x"}],
        "executors": [{"image": "a", "command": ["b"], "imageName": "c"}],
    }
    task_id = api.create(document)
    stored = json.loads(api.record(task_id).document)
    assert stored == {
        "name": "t",
        "resources": {},
        "inputs": [{"path": "/a", "url": "s3://a", "type": "FILE"}],
        "executors": [{"image": "a", "command": ["b"]}],
    }
    assert {key: value for key, value in api.task(task_id).items() if key not in SERVER_SET} == stored


@pytest.mark.parametrize("size", [128 * 1024, 2 * 1024 * 1024])
def test_content_of_128_kib_and_more_is_kept_whole(api: Api, size: int) -> None:
    content = ('ä\n\U0001f600"\\' * size)[:size]
    task_id = api.create({**TASK, "inputs": [{"path": "/a", "content": content}]})
    assert api.task(task_id)["inputs"] == [{"path": "/a", "content": content, "type": "FILE"}]


def test_long_names_and_many_tags_are_kept(api: Api) -> None:
    document = {**TASK, "name": "n" * 10_000, "tags": {f"key-{number}": "v" * 200 for number in range(200)}}
    task_id = api.create(document)
    shown = api.task(task_id, "BASIC")
    assert {key: shown[key] for key in document} == document
    listed = api.get("/v1/tasks", params={"name_prefix": "n" * 3000, "tag_key": "key-199"}).json()
    assert [task["id"] for task in listed["tasks"]] == [task_id]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_may_be_declared_in_other_ways(api: Api, content_type: str) -> None:
    raw = json.dumps(TASK).encode()
    assert api.post("/v1/tasks", data=raw, headers={"Content-Type": content_type}).status_code == 200


def test_a_chunked_body_is_taken(api: Api) -> None:
    raw = json.dumps(TASK).encode()
    chunks = (raw[place : place + 10] for place in range(0, len(raw), 10))
    assert api.post("/v1/tasks", data=chunks, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Basic Tm9uZTpOb25l", "Basic Og==", "Bearer anything", "Basic not-base64!", "Negotiate x", "nonsense"],
)
def test_credentials_nobody_asked_for_mean_anonymous(api: Api, configured: Api, authorization: str) -> None:
    for each in (api, configured):
        task_id = each.create(headers={"Authorization": authorization})
        answer = each.get(f"/v1/tasks/{task_id}", headers={"Authorization": authorization})
        assert answer.json() == {"id": task_id, "state": "QUEUED"} == each.task(task_id, "MINIMAL")


@pytest.mark.parametrize(
    ("weight", "carrier", "fields", "headers"),
    [
        ("0.1", "tag", {"tags": {"protes.weight": "0.1"}}, {"X-Protes-Weight": "0.9"}),
        ("0.2", "backend_parameter", {"resources": {"backend_parameters": {"PROTES_WEIGHT": "0.2"}}}, {}),
        ("random", "header", {}, {"X-Protes-Weight": "random"}),
        ("0.3", "url", {}, {}),
    ],
)
def test_a_preference_is_taken_and_echoed_untouched(
    api: Api, weight: str, carrier: str, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    task_id = api.create({**TASK, **fields}, "/w/0.3/v1", headers=headers)
    assert api.record(task_id).preference == {"weight": weight, "carrier": carrier}
    shown = api.task(task_id)
    assert {key: shown[key] for key in fields} == fields
    routing = api.get(f"/protes/v1/tasks/{task_id}/routing").json()
    assert (routing["weight"], routing["carrier"]) == (weight, carrier)
