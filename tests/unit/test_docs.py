"""The documents tell the truth where a program can check it."""

import inspect
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from middleware import Filter, StepSpec, build_chain
from middleware.loading import GROUP
from protes.api.preference_values import READERS
from protes.config.document import render
from protes.config.loading import load
from protes.config.planning import StepSettings
from protes.config.settings import Settings
from protes.tes.dialects.document import render as render_servers

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_settings_page_is_made_from_the_models() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == render()


def test_the_page_of_servers_is_made_from_the_dialects() -> None:
    # What follows is measured: tests/contract/test_dialects_lists.py
    assert (ROOT / "docs" / "instances.md").read_text(encoding="utf-8").startswith(render_servers())


def test_every_setting_has_a_meaning() -> None:
    assert not re.findall(r"^\| `[^`]+` \|[^|]*\|[^|]*\|  \|$", render(), re.MULTILINE)


def test_the_configuration_of_the_readme_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(# gateway\.yaml.*?)```", README, re.DOTALL)
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    settings = load([file], {}).settings
    assert [each.id for each in settings.instances] == ["site-a", "site-b"]
    assert settings.registries[0].url.startswith("https://registry.example.org")


@pytest.mark.parametrize("name", READERS)
def test_every_preference_is_in_the_docs(name: str) -> None:
    page = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")
    assert f"| `protes.{name}` | `protes_{name}` |" in page


def test_the_data_settings_of_the_docs_are_such() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```yaml\n# data\.yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    assert settings.storage_locations[1].coordinates == (49.4, 8.7)
    assert [each.match for each in settings.sources.drs_servers] == ["drs.example.org", "dg.4DFC"]


def test_pages_that_the_readme_names_exist() -> None:
    # That every page is found from the others: tests/docs/test_pages.py
    linked = set(re.findall(r"\(docs/([a-z-]+\.md)\)", README))
    assert linked <= {each.name for each in (ROOT / "docs").glob("*.md")}


def test_the_profiles_of_the_docs_are_such() -> None:
    page = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    assert set(settings.profiles) == {"nightly", "clinical"}


def test_the_middleware_of_the_docs_works_and_its_chain_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "middleware.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n# site_rules\.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "site_rules.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    [config] = re.findall(r"```yaml\n(# site_rules.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    chain = build_chain(settings.chain)
    assert [step.name for step in chain.steps] == ["feasible", "site_rules:create", "cost_runtime"]
    assert isinstance(build_chain([StepSpec("site_rules:create", {"host": "x"})]).steps[0].choices[0][1], Filter)


BUILT_INS = sorted(each.name for each in entry_points(group=GROUP) if each.module.startswith("middleware."))


@pytest.mark.parametrize("name", BUILT_INS)
def test_every_built_in_is_in_the_docs_with_its_options_and_an_example(name: str) -> None:
    page = (ROOT / "docs" / "middleware.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^### `{name}`.*?(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    [entry] = entry_points(group=GROUP, name=name)
    options = inspect.signature(entry.load()).parameters
    assert [option for option in options if f"`{option}`" not in section] == []
    examples = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert examples
    for example in examples:
        steps = [StepSettings.model_validate(step) for step in yaml.safe_load(example)]
        assert name in [step.use for step in steps]
        build_chain(steps)


def test_the_test_of_the_docs_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "middleware.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n# site_rules\.py\n(.*?)```", page, re.DOTALL)
    [check] = re.findall(r"```python\n(from middleware import Candidate, Context, E.*?)```", page, re.DOTALL)
    (tmp_path / "site_rules.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "site_rules", raising=False)
    exec(compile(check, "docs/middleware.md", "exec"), {})
