"""Random histories: memory and MongoDB agree at every step."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize

from protes.store.factory import create_stores
from tests.property.test_store_machine import StoreMachine
from tests.support import ferretdb

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


class MongoMachine(StoreMachine):
    """The same as for SQLite, with MongoDB in its place."""

    server: ClassVar[str] = ""

    @initialize()
    def open(self) -> None:
        """Open a store of each kind."""
        super().open()
        self.sqlite.close()
        self.stack = ExitStack()
        self.url = self.stack.enter_context(ferretdb.fresh_database(self.server))
        self.sqlite = create_stores(self.url)

    def teardown(self) -> None:
        """Close both."""
        super().teardown()
        if hasattr(self, "stack"):
            self.stack.close()


@pytest.fixture(scope="module", autouse=True)
def server(mongodb: str) -> Iterator[None]:
    """Tell the machine, which takes no fixtures, where the server is."""
    MongoMachine.server = mongodb
    yield
    MongoMachine.server = ""


TestStores = MongoMachine.TestCase
TestStores.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
