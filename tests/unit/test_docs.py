"""The documents tell the truth where a program can check it."""

import re
from pathlib import Path

import pytest
import yaml

from middleware import Filter, StepSpec, build_chain, installed
from protes.api.preference import PREFERENCES
from protes.config.document import render
from protes.config.loading import load
from protes.config.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_settings_page_is_made_from_the_models() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == render()


def test_every_setting_has_a_meaning() -> None:
    assert not re.findall(r"^\| `[^`]+` \|[^|]*\|[^|]*\|  \|$", render(), re.MULTILINE)


def test_the_configuration_of_the_readme_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(# gateway\.yaml.*?)```", README, re.DOTALL)
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    settings = load([file], {}).settings
    assert [each.id for each in settings.instances] == ["site-a", "site-b"]
    assert settings.registries[0].url.startswith("https://registry.example.org")


@pytest.mark.parametrize("name", PREFERENCES)
def test_every_preference_is_in_the_readme(name: str) -> None:
    assert f"protes.{name}" in README


def test_the_middleware_of_the_docs_works_and_its_chain_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "middleware.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n# site_rules\.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "site_rules.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    [config] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    chain = build_chain(settings.chain)
    assert [step.name for step in chain.steps] == ["feasible", "site_rules:create", "cost_runtime"]
    assert isinstance(build_chain([StepSpec("site_rules:create", {"host": "x"})]).steps[0].choices[0][1], Filter)


def test_every_built_in_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "middleware.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in installed() if name in ("feasible", "random", "cost_runtime"))
