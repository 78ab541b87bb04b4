"""The distributions, built once."""

from pathlib import Path

import pytest

from tests.packaging.building import Built, build, install

pytest.importorskip("build", reason="what builds distributions is not installed (the extra `dev`)")


@pytest.fixture(name="built", scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture(name="programs", scope="session")
def _programs(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel, and without the checkout."""
    return install(built.wheel, tmp_path_factory.mktemp("environment") / "venv")
