"""Look-ups of guarded hosts on a machine that has no threads left."""

from __future__ import annotations

import threading

import pytest

from protes.outbound.addresses import AddressGuard, is_public

PUBLIC = "93.184.216.34"
NAME = "data.example.org"


def test_a_look_up_that_could_not_begin_holds_up_none_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = AddressGuard(is_public, lambda host, port: [PUBLIC])

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="no address"):
            guard.addresses(NAME, 443, 30)
    assert guard.addresses(NAME, 443, 30) == [PUBLIC]
