"""The run-book tells the truth where a program can check it."""

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from protes.config.settings import Settings
from tests.deployment.chart_schema import CHART, schema
from tests.deployment.rendering import Chart, Rendered

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCES = "\n".join(each.read_text(encoding="utf-8") for each in sorted((ROOT / "protes").rglob("*.py")))
ONE_LINE = re.sub(r'"\s*\n\s*f?"', "", SOURCES)


def values_of(name: str) -> dict[str, object]:
    """Return the values of an example."""
    [text] = re.findall(rf"```yaml\n# {name}\n(.*?)```", PAGE, re.DOTALL)
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def quoted_symptoms() -> list[str]:
    """Return what the table of symptoms quotes of messages."""
    table = PAGE.partition("## Troubleshooting")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    quoted = [each for row in rows for each in re.findall(r"`([^`]+)`", row)]
    return [each for each in quoted if " " in each]


@pytest.mark.parametrize("message", quoted_symptoms())
def test_messages_are_those_of_the_code(message: str) -> None:
    assert message in ONE_LINE


def test_there_are_messages() -> None:
    assert len(quoted_symptoms()) >= 9


@pytest.mark.parametrize("name", ["values.yaml", "scaled.yaml", "monitored.yaml"])
def test_the_values_of_the_page_are_such(name: str) -> None:
    Draft202012Validator(schema()).validate(values_of(name))


def test_settings_that_are_named_exist() -> None:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    for section, setting in set(re.findall(r"`(server|runner|api|store)\.([a-z_]+)`", PAGE)):
        if section == "api":  # of the chart
            continue
        assert setting in sections[section].model_fields, f"{section}.{setting}"  # type: ignore[union-attr]


def test_files_that_are_named_exist() -> None:
    for file in set(re.findall(r"`?(deployment/[A-Za-z./-]+[a-z])", PAGE)):
        assert (ROOT / file).exists() or file == "deployment/secrets", file
    for page in set(re.findall(r"\]\(([a-z-]+\.md)\)", PAGE)):
        assert (ROOT / "docs" / page).is_file(), page


@pytest.mark.services
@pytest.mark.parametrize(
    "names",
    [
        ["values.yaml"],
        ["values.yaml", "scaled.yaml"],
        ["values.yaml", "monitored.yaml"],
        ["values.yaml", "scaled.yaml", "monitored.yaml"],
    ],
)
def test_helm_renders_the_values_of_the_page(chart: Chart, names: list[str], tmp_path: Path) -> None:
    options = []
    for name in names:
        file = tmp_path / name
        file.write_text(yaml.safe_dump(values_of(name)), encoding="utf-8")
        options += ["--values", str(file)]
    made = Rendered(chart.run("template", "gateway", str(CHART), *options, values={}))
    assert len(made.workloads) == 1 + ("scaled.yaml" in names)
    monitored = "monitored.yaml" in names
    assert len(made.of_kind("ServiceMonitor")) == monitored
    assert len(made.of_kind("PodMonitor")) == (monitored and "scaled.yaml" in names)
    [host] = [each["spec"]["rules"][0]["host"] for each in made.of_kind("Ingress")]
    assert host in made.configuration
