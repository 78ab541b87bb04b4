"""A copy whose id cannot be used is no absent copy: who took it for one would run its task twice."""

import pytest

from protes.clock import ManualClock
from protes.tes.client import InstanceClient
from protes.tes.dialects.table import DIALECTS
from protes.tes.finding import Absent, CannotTell
from protes.tes.transport import Transport
from tests.support.scripted_server import ScriptedServer, answer_json


@pytest.mark.parametrize("odd", ["é\u2028", "", " ", "..", "x" * 600])
def test_a_copy_with_an_unusable_id_is_not_absent(odd: str) -> None:
    entry = {"id": odd, "state": "QUEUED", "tags": {"protes_attempt": "abc-1"}}
    with ScriptedServer() as server, Transport(server.url) as transport:
        client = InstanceClient(transport, DIALECTS["node"], ManualClock())
        server.on("GET", "/tasks", answer_json({"tasks": [entry]}), answer_json({"tasks": []}))
        assert isinstance(client.find("abc-1"), CannotTell)
        assert isinstance(client.find("abc-1"), Absent)
