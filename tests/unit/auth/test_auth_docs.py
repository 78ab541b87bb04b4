"""What docs/authentication.md tells to write down is a configuration, and what it names is there."""

import re
from pathlib import Path

import pytest

from protes.config.loading import load

PAGE = (Path(__file__).parents[3] / "docs" / "authentication.md").read_text(encoding="utf-8")
CONFIGURATIONS = dict(re.findall(r"```yaml\n# ([a-z-]+)\.yaml\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize(("name", "mode"), [("basic", "basic"), ("keycloak", "oidc"), ("life-science-login", "oidc")])
def test_every_example_is_a_configuration(tmp_path: Path, name: str, mode: str) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(CONFIGURATIONS[name], encoding="utf-8")
    assert load([file], {}).settings.auth.mode == mode
    assert len(CONFIGURATIONS) == 3


def test_every_setting_that_is_named_is_one() -> None:
    listed = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(auth\.[a-z_]+)", PAGE))
    assert len(named) > 8
    assert not [name for name in named if f"`{name}`" not in listed]
