"""Webhooks, put together from the settings."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from protes.callbacks import policy
from protes.callbacks.delivering import Deliverer, Patience
from protes.callbacks.outbox import PREFERENCE, Outbox
from protes.callbacks.rounds import JOB, Rounds, Submit
from protes.callbacks.sending import Sender
from protes.callbacks.slots import Slots
from protes.clock import Clock, rfc3339
from protes.config.events import EventSettings
from protes.config.outbound import OutboundSettings
from protes.outbound.guard import guard_of
from protes.outbound.web import Web
from protes.store.protocols import Records
from protes.store.records import TaskRecord


class Callbacks:
    """The webhooks of a gateway.

    Attributes:
        rounds: brings what is to be sent to somebody who sends it.
        deliverer: sends.
    """

    def __init__(
        self,
        settings: EventSettings,
        outbound: OutboundSettings,
        keys: Sequence[SecretStr],
        records: Records,
        slots: Slots,
        submit: Submit,
        clock: Clock,
        all_states: bool,
    ) -> None:
        """Send by `settings`, signed with `keys`; `submit` takes the name of a job and its key.

        Raises:
            BadTls: a file that the system's TLS needs cannot be used.
        """
        guard = guard_of(outbound, allow_private=settings.callback_private, http=settings.callback_http, any_host=True)
        self._settings = settings
        self._outbox = Outbox(records, clock, settings.callback_states == "final")
        sender = Sender(Web(clock, guard), keys, clock, settings.callback_seconds, all_states, self._check)
        patience = Patience(
            settings.callback_first_retry_seconds,
            settings.callback_last_retry_seconds,
            settings.callback_give_up_after_seconds,
            settings.callbacks_per_host,
        )
        self.rounds = Rounds(self._outbox, submit, clock, random.random)
        self.deliverer = Deliverer(
            self._outbox, sender, slots, patience, clock, random.random, lambda task_id: submit(JOB, task_id)
        )

    def _check(self, url: str) -> None:
        policy.check(url, self._settings.callback_hosts, self._settings.callback_http)

    def keep(self, moved: Sequence[TaskRecord]) -> None:
        """Have sent what is to be sent of these tasks' news, by whoever goes round next. Safe to repeat.

        Raises:
            StoreError: the store could not keep it.
        """
        self._outbox.put(moved)

    def document(self, record: TaskRecord) -> Mapping[str, Any] | None:
        """Return what a task's routing explanation says of its webhooks; None for a task without. Raises StoreError."""
        if PREFERENCE not in record.preference:
            return None
        progress, pending = self._outbox.progress(record.id), self._outbox.of_task(record.id)
        known = {
            "state": progress.state,
            "failures": progress.tries,
            "error": progress.error,
            "failed_at": rfc3339(progress.failed_at) if progress.failed_at is not None else None,
            "next_try": rfc3339(progress.due_at) if progress.due_at is not None and pending else None,
            "dropped": progress.dropped,
        }
        return {"waiting": len(pending), **{name: value for name, value in known.items() if value not in (None, 0)}}
