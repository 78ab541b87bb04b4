"""The page about quotas says what is so."""

import re
from pathlib import Path

import pytest
import yaml

from protes.config.quotas import QuotaLimits
from protes.config.settings import Settings
from protes.quotas.limits import Limits, Who, limits_of, weight_of

PAGE = (Path(__file__).parents[3] / "docs" / "quotas.md").read_text(encoding="utf-8")


def _settings(name: str) -> Settings:
    [text] = re.findall(rf"```yaml\n# {name}\n(.*?)```", PAGE, re.DOTALL)
    return Settings.model_validate(yaml.safe_load(text)["custom"])


def test_its_configuration_means_what_it_says() -> None:
    quotas = _settings("quotas.yaml").quotas
    assert limits_of(quotas, Who("lab:ada")).tasks_in_flight is None
    assert limits_of(quotas, Who("lab:ben", "lab:genomics")).tasks_in_flight == 5000
    assert limits_of(quotas, Who("lab:ben")) == Limits(1000, 100_000, 600, 120, 1_048_576)
    weight = weight_of(_settings("shares.yaml").quotas)
    assert (weight("lab:ada"), weight("lab:ben")) == (3, 1)


@pytest.mark.parametrize("name", QuotaLimits.model_fields)
def test_it_names_every_quota(name: str) -> None:
    assert f"| `{name}` |" in PAGE
