"""Helm and the reader of Compose files, where they are installed."""

import pytest

from tests.deployment.rendering import Chart
from tests.peers import install
from tests.support.services import missing


@pytest.fixture(scope="session")
def chart(request: pytest.FixtureRequest) -> Chart:
    """The chart, and Helm to render it with."""
    if not install.HELM.is_file():
        missing(request, "Helm is not there: make services-install")
    return Chart(install.HELM)
