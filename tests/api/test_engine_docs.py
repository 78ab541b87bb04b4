"""docs/engines.md says what the tests run."""

import json
import re
from pathlib import Path

import pytest
import yaml

from protes.config.loading import load
from tests.api.conftest import TASK, Api

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "tests" / "engines" / "workflows"
PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
FILES = {path.read_text(encoding="utf-8"): path for path in WORKFLOWS.rglob("*") if path.is_file()}
BLOCKS = re.findall(r"^```\w+\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_every_snippet_is_a_file_of_the_tests() -> None:
    assert BLOCKS
    assert [block for block in BLOCKS if block not in FILES] == []


def test_every_engine_that_is_run_is_in_the_page() -> None:
    scripts = set(WORKFLOWS.glob("*/run.sh"))
    own = {path for path in scripts if path.parent.name in ("py-tes", "pulsar")}  # they run a script of ours
    assert {FILES[block] for block in BLOCKS} >= scripts - own


def text_of(name: str) -> str:
    return (WORKFLOWS / name).read_text(encoding="utf-8")


def created(api: Api, root: str, task: dict[str, object], headers: dict[str, str] | None = None) -> tuple[str, str]:
    """Create a task where a configuration says; return its weight and what carried it."""
    task_id = api.create(task, root.removeprefix("http://127.0.0.1:8080"), headers=headers)
    stored = api.record(task_id).preference
    return str(stored["weight"]), str(stored["carrier"])


def test_nextflows_configurations_carry_the_weight(api: Api) -> None:
    [endpoint] = re.findall(r"endpoint = '(.*)'", text_of("nextflow/nextflow.config"))
    tags = dict(re.findall(r"'(protes\.\w+)' = '(.*?)'", text_of("nextflow/nextflow.config")))
    assert created(api, f"{endpoint}/v1", {**TASK, "tags": tags}) == ("0.3", "tag")
    settings = dict(re.findall(r"(\w+) = '(.*)'", text_of("nextflow/header.config")))
    headers = {settings["apiKeyParamName"]: settings["apiKey"]}
    assert created(api, f"{settings['endpoint']}/v1", dict(TASK), headers) == ("0.3", "header")


def test_cromwells_configurations_carry_the_weight(api: Api) -> None:
    [endpoint] = re.findall(r'endpoint = "(.*)/tasks"', text_of("cromwell/cromwell.conf"))
    labels = json.loads(text_of("cromwell/labels.json"))
    assert created(api, endpoint, {**TASK, "tags": labels}) == ("0.3", "tag")
    parameters = dict(re.findall(r'(protes_\w+): "(.*?)"', text_of("cromwell/runtime.wdl")))
    resources = {"backend_parameters": parameters}
    assert created(api, endpoint, {**TASK, "resources": resources}) == ("0.3", "backend_parameter")


def test_sprockets_url_carries_the_weight(api: Api) -> None:
    [url] = re.findall(r'url = "(.*)"', text_of("sprocket/sprocket.toml"))
    assert created(api, url, dict(TASK)) == ("0.3", "url")


def test_the_gateways_settings_are_settings() -> None:
    document = yaml.safe_load(text_of("gateway/shared.yaml"))
    loaded = load([], {}, document["custom"])
    assert loaded.settings.profiles["pulsar"].queued_as == "INITIALIZING"


@pytest.mark.parametrize("unit", ["protes.socket", "protes@.service"])
def test_units_name_the_gateway(unit: str) -> None:
    assert ("127.0.0.1:8080" in text_of(f"gateway/{unit}")) == (unit == "protes.socket")
    assert ("protes serve" in text_of(f"gateway/{unit}")) == (unit == "protes@.service")
