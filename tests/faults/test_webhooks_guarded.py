"""Webhooks go through the guard that stands before every URL of others, beside the list of hosts of their own."""

from __future__ import annotations

from typing import Any

import pytest

from protes.callbacks.callbacks import Callbacks
from protes.config.outbound import OutboundSettings
from protes.outbound.web import Silent, Web
from tests.support.harness import TASK, Harness
from tests.support.receiver import settings_for
from tests.support.scripted_server import ScriptedServer, answer, redirect


def told(receiver: ScriptedServer, outbound: dict[str, Any], **events: Any) -> tuple[int, str]:
    """Submit a task that calls the receiver; return how often it was called, and why not."""
    with Harness(events=settings_for(receiver.port, **events), outbound=outbound) as here:
        task_id = here.post({**TASK, "tags": {"protes.callback_url": f"{receiver.url}/hook"}})
        here.clock.advance(3)
        here.runner.run("tick")
        here.runner.run("callback", task_id)
        said = here.services.callbacks.document(here.record(task_id)) or {}
        return receiver.count(), str(said.get("error", ""))


@pytest.mark.parametrize(
    ("outbound", "events", "calls"),
    [
        ({}, {}, 1),
        ({}, {"callback_private": False}, 0),
        ({"allow_networks": ["127.0.0.0/8"]}, {"callback_private": False}, 1),
        ({"deny_networks": ["127.0.0.0/8"]}, {}, 0),
        ({"deny_hosts": ["127.0.0.1"]}, {}, 0),
        ({"schemes": ["https"]}, {}, 0),
        ({"ports": [443]}, {}, 0),
        ({"allow_hosts": ["elsewhere.example.org"]}, {}, 1),  # `callback_hosts` says which
    ],
)
def test_what_the_operator_refuses_is_not_called(outbound: dict[str, Any], events: dict[str, Any], calls: int) -> None:
    with ScriptedServer() as receiver:
        receiver.on("POST", "/hook", answer(204, b""))
        found, why = told(receiver, outbound, **events)
    assert found == calls
    assert bool(why) == (not calls)


def test_no_redirect_is_followed_with_what_was_signed() -> None:
    with ScriptedServer() as receiver, ScriptedServer() as elsewhere:
        receiver.on("POST", "/hook", redirect(f"{elsewhere.url}/hook", 307))
        calls, why = told(receiver, {"redirects": "checked"})
        assert calls == 1
        assert "redirects are not followed" in why
        assert elsewhere.count() == 0


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/x", "http://168.63.129.16/"])
def test_metadata_services_are_called_by_no_setting_of_webhooks(url: str) -> None:
    made = settings_for(80, callback_hosts=["169.254.169.254", "168.63.129.16", "[fd00:ec2::254]"])
    with Harness(events=made) as here:
        callbacks: Callbacks = here.services.callbacks
        web = callbacks.deliverer._sender._web
        assert isinstance(web, Web)
        with pytest.raises(Silent, match="not a public one"):
            web.request("POST", url, until=here.clock.monotonic() + 5)
    assert OutboundSettings().allow_networks == ()
