"""Options and services of the crash suite, which runs only where it is asked for: `make faults`, or `-m crash`."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.disk import mounted
from tests.crash.programs import WallClock
from tests.crash.system import LONG, SHORT, Pace, System, start_instances
from tests.crash.topologies import Site, embedded, scaled
from tests.support import ferretdb, rabbitmq
from tests.support.services import missing

_RESET_SHARE = 0.03
_DIALECTS = ("node", "funnel", "node")
_DISK_MEGABYTES = 48

Build = Callable[..., System]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --crash-seed and --crash-long."""
    parser.addoption("--crash-seed", type=int, default=None, help="the schedule of faults; printed with every run")
    parser.addoption("--crash-long", action="store_true", help="2,000 tasks and long outages instead of 300 and short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what kills processes, unless it was asked for."""
    if "crash" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="kills real processes for minutes: make faults, or -m crash")
    for item in items:
        if item.get_closest_marker("crash") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session", name="pace")
def _pace(request: pytest.FixtureRequest) -> Pace:
    """How long all of it takes."""
    return LONG if request.config.getoption("--crash-long", False) else SHORT


@pytest.fixture(scope="session", name="seed")
def _seed(request: pytest.FixtureRequest) -> int:
    """The seed of all that is random; another one each time, unless it was given."""
    given = request.config.getoption("--crash-seed", None)
    return int(given) if given is not None else secrets.randbelow(1_000_000)


@pytest.fixture(scope="session", name="broker")
def _broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq.RabbitMQ]:
    """A RabbitMQ of our own; a test that kills it starts it again."""
    program = rabbitmq.executable(os.environ)
    if program is None:
        missing(request, "RabbitMQ is not installed: make services-install")
    with rabbitmq.running(program, tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session", name="database")
def _database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ferretdb.FerretDB]:
    """A FerretDB of our own, never the server of MONGODB_URI: it is killed."""
    program = ferretdb.executable(os.environ)
    if program is None:
        missing(request, ferretdb.ABSENT)
    with ferretdb.running(program, tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(name="build")
def _build(tmp_path: Path, pace: Pace, seed: int, request: pytest.FixtureRequest) -> Iterator[Build]:
    """Start a system, and end it with all that it has left behind."""
    with ExitStack() as stack:

        def build(topology: str, *, clocks: bool = False, full_disk: bool = False) -> System:
            if clocks and not WallClock.is_installed():
                missing(request, "faketime is not installed: make services-install")
            instances = start_instances(tmp_path, _DIALECTS, seed, _RESET_SHARE)
            for instance in instances.values():
                stack.callback(instance.stop)
            site = Site(tmp_path, pace if topology != "mongodb" else pace.for_ferretdb(), instances, clocks, stack)
            if topology != "embedded":
                broker = request.getfixturevalue("broker")
                services, store_url = {"broker": broker}, str(tmp_path / "data")
                if topology == "mongodb":
                    services["database"] = request.getfixturevalue("database")
                    store_url = stack.enter_context(ferretdb.fresh_database(services["database"].url))
                return scaled(site, broker.url, store_url, services)
            disk = stack.enter_context(mounted(tmp_path / "disk", _DISK_MEGABYTES)) if full_disk else None
            if full_disk and disk is None:
                missing(request, "no disk can be mounted here: that takes an administrator")
            return embedded(site, disk)

        yield build
