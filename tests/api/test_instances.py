"""`GET /protes/v1/instances`, and the command `protes instances`."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import openapi
from protes.cli.main import main
from protes.config.instances import Declared
from protes.federation.known import EjectionKind, Source, Status
from protes.tes.dialects.table import DIALECTS
from protes.tes.errors import Unreachable
from tests.api.conftest import OPERATOR_TOKEN, Api, problem_of, serving
from tests.api.test_federation import assert_fits, probe
from tests.support.fake_tes import FakeTes


@pytest.fixture(name="one")
def _one() -> Iterator[tuple[Api, FakeTes]]:
    with FakeTes() as fake:
        said = {"id": "one", "url": fake.url, "speed": 2, "queue_seconds": 30, "prices": {"cpu_core_hour": "0.5"}}
        more = {"zone": "DE", "coordinates": [50, 8], "staging": "sequential", "limits": {"max_in_flight": 7}}
        with serving(instances=[{**said, **more}], server={"operator_token": OPERATOR_TOKEN}) as api:
            yield api, fake


def shown(api: Api) -> dict[str, Any]:
    """Return the one instance, after checking its shape."""
    answer = api.get("/protes/v1/instances/one").json()
    assert_fits("Instance", answer)
    assert api.get("/protes/v1/instances").json() == {"instances": [answer]}
    found: dict[str, Any] = answer
    return found


def test_an_instance_says_what_is_declared_found_and_learned(one: tuple[Api, FakeTes]) -> None:
    api, _ = one
    before = shown(api)
    assert (before["state"], before["source"], before["max_in_flight"]) == ("unprobed", "configuration", 7)
    assert not {"capabilities", "dialect", "last_probe", "health", "registries"} & set(before)
    probe(api)
    after = shown(api)
    assert (after["state"], after["tasks_in_flight"], after["tasks_queued"]) == ("ok", 0, 0)
    assert after["capabilities"]["read_your_writes"] is DIALECTS[after["dialect"]].read_your_writes
    assert (after["zone"], after["coordinates"], after["staging"]) == ("DE", [50, 8], "sequential")
    assert after["figures"]["speed"] == {"value": 2, "basis": "configured"}
    assert after["figures"]["queue_seconds"]["value"] == 30
    assert after["last_probe"] == after["last_heard"]
    problem_of(api.get("/protes/v1/instances/none"), 404)


def test_what_is_amiss_is_told(one: tuple[Api, FakeTes]) -> None:
    api, _ = one
    probe(api)
    federation = api.gateway.services.federation
    base_url = federation.view().instances[0].base_url
    assert base_url is not None
    federation.health.failed(base_url, Unreachable("connection refused"))
    federation.forget_view()
    found = shown(api)
    assert found["state"] == "ejected"
    assert found["health"]["local_origin_failures"] == 1
    assert found["health"]["ejection"]["kind"] == "unreachable"
    assert found["health"]["ejection"]["times"] == 1
    assert found["last_error"].startswith("left out until ")


def test_the_document_names_what_the_code_has() -> None:
    schemas = yaml.safe_load(openapi.path("protes.yaml").read_text(encoding="utf-8"))["components"]["schemas"]
    registry = yaml.safe_load(openapi.path("service-registry.yaml").read_text(encoding="utf-8"))["components"][
        "schemas"
    ]
    instance = schemas["Instance"]["properties"]
    assert set(instance["source"]["enum"]) == set(get_args(Source))
    assert set(registry["Health"]["properties"]["state"]["enum"]) == set(get_args(Status))
    assert set(schemas["Ejection"]["properties"]["kind"]["enum"]) == set(get_args(EjectionKind))
    assert set(Declared.model_fields) <= set(instance)
    dialect = {each.name for each in fields(DIALECTS["unknown"])}
    assert set(schemas["Capabilities"]["properties"]) <= dialect


def test_the_table_leaves_out_what_nobody_says(one: tuple[Api, FakeTes], capsys: pytest.CaptureFixture[str]) -> None:
    api, _ = one
    probe(api)
    assert main(["instances", "--url", api.url]) == 0
    header, _, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["ID", "SOURCE", "STATE", "TASKS", "WAIT", "SPEED", "CORE-HOUR", "URL"]
    assert row.split()[:6] == ["one", "configuration", "ok", "0/7", "30", "s"]
    assert "0.5 EUR" in row


def test_operators_register_and_remove_by_the_command_line(
    one: tuple[Api, FakeTes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api, _ = one
    file = tmp_path / "two.json"
    entry = {"name": "Two", "type": {"artifact": "tes"}, "url": "https://two.example.org"}
    file.write_text(json.dumps(entry), encoding="utf-8")
    register = ["instances", "--url", api.url, "--register", str(file)]
    monkeypatch.delenv("PROTES_OPERATOR_TOKEN", raising=False)
    assert main(register) == 2
    monkeypatch.setenv("PROTES_OPERATOR_TOKEN", "wrong")
    assert main(register) == 1
    monkeypatch.setenv("PROTES_OPERATOR_TOKEN", OPERATOR_TOKEN)
    assert main(register) == 0
    assert capsys.readouterr().out == "Two: registered at https://two.example.org\n"
    file.write_text(json.dumps({**entry, "id": "Two", "name": "Again"}), encoding="utf-8")
    assert main([*register, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "Again"
    remove = ["instances", "--url", api.url, "--remove", "Two"]
    assert main(remove) == 0
    assert main(remove) == 1
    assert "404" in capsys.readouterr().err
    assert main(["instances", "--url", api.url, "--register", str(tmp_path / "none")]) == 2
