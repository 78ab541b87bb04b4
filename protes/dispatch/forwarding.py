"""Forward once (DESIGN.md section 4): intent on disk, one POST, and what its answer means."""

import logging
from dataclasses import replace
from datetime import timedelta

from protes.clock import Clock
from protes.config.settings import DispatchSettings
from protes.dispatch.gate import Gate
from protes.federation.federation import Federation
from protes.federation.known import KnownInstance
from protes.planning.planner import Plan, PlannedOffer, Planner
from protes.store.protocols import TaskStore
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.build import build_request, marker
from protes.tes.client import InstanceClient
from protes.tes.errors import DownstreamError, Refused, TokenEnded, TokenUnreadable, is_loop

logger = logging.getLogger(__name__)

_FORBIDDEN = 403
# An instance that answers these refuses the gateway, or the place, not the task.
_NOT_THE_TASK = frozenset({401, 403, 404, 405, 408, 429})


class NotAllowed(Exception):
    """The owner of the task does not allow the instance any more; nothing was sent."""


class Forwarder:
    """Sends tasks to instances."""

    def __init__(
        self,
        settings: DispatchSettings,
        gateway_id: str,
        tasks: TaskStore,
        planner: Planner,
        federation: Federation,
        clock: Clock,
        gate: Gate | None = None,
    ) -> None:
        """Forward in the name of `gateway_id`, with the rewrites of the planner's chain.

        `gate` is shared by forwarders that follow each other in one process; by default it is this one's own.
        """
        self._planner = planner
        self._settings = settings
        self._gateway_id = gateway_id
        self._tasks = tasks
        self._federation = federation
        self._clock = clock
        self.gate = gate or Gate(clock)

    def forward(self, record: TaskRecord, token: str, plan: Plan, offer: PlannedOffer) -> Attempt | None:
        """Try one instance of a plan.

        Returns:
            The attempt as it stands afterwards: ACCEPTED, REJECTED, or UNKNOWN; None where the instance is busy and was
            not tried.

        Raises:
            LeaseLost: somebody else works on the task.
            CancelRequested: the caller cancelled before anything was sent.
            NotAllowed: the owner has said meanwhile that it may not go there.
            ChainError: a rewrite failed; nothing was sent.
        """
        instance = offer.instance
        assert instance.base_url is not None  # noqa: S101 (planning offers only what was probed)
        if self._has_failed_since(instance):
            return None
        most = instance.max_in_flight
        room = None if most is None else most - instance.in_flight
        proven = self._federation.health.proven(instance.base_url)
        turn = self.gate.enter(instance.base_url, proven=proven, room=room, seen_at=plan.view.made_at)
        with turn as may:
            if not may:
                return None
            return self._forward(record, token, plan, offer)

    def is_full(self, plan: Plan, offer: PlannedOffer) -> bool:
        """Tell whether the instance of an offer has been sent, since the plan was made, as many tasks as it takes."""
        instance = offer.instance
        if instance.max_in_flight is None or instance.base_url is None:
            return False
        return self.gate.is_full(instance.base_url, instance.max_in_flight - instance.in_flight, plan.view.made_at)

    def _has_failed_since(self, instance: KnownInstance) -> bool:
        """Tell whether an instance has been left out since the plan was made: one task finds out for all of them."""
        now = self._federation.view().at(instance.base_url or "")
        return now is not None and now.status == "ejected"

    def _forward(self, record: TaskRecord, token: str, plan: Plan, offer: PlannedOffer) -> Attempt:
        started = self._clock.monotonic()
        self._federation.remember(offer.instance)
        client = self._federation.client_for(record.id, offer.instance.base_url or "", offer.instance.dialect)
        rewritten = self._planner.document_for(record, plan, offer)
        intended = self._intend(record, plan, offer, client)
        gateways = (*record.via, self._gateway_id)
        document = build_request(
            rewritten,
            client.dialect,
            marker=marker(record.id, intended.n),
            gateways=gateways,
            preference=record.preference,
            url_credentials=offer.instance.settings.url_credentials,
        )
        try:
            client.try_token(marker(record.id, intended.n), self._settings.send_within_seconds / 2)
        except DownstreamError as error:
            return self._saved(record, token, self._failed(record, intended, offer.instance, error))
        if not self._planner.is_allowed(record, offer.instance):
            raise NotAllowed(offer.instance.id)  # getting a token may have taken a while
        # Last of all before the POST: what fails until here leaves nothing to be settled.
        self._tasks.save_attempt(record.id, token, intended, self._clock.now())
        try:
            send_until = started + self._settings.send_within_seconds
            instance_task_id = client.create(document, send_until, gateways, intended.deadline)
        except DownstreamError as error:
            after = self._failed(record, intended, offer.instance, error)
        else:
            self._federation.health.succeeded(intended.instance_url, in_flight=offer.instance.in_flight)
            after = replace(intended, phase=Phase.ACCEPTED, instance_task_id=instance_task_id)
        return self._saved(record, token, after)

    def _saved(self, record: TaskRecord, token: str, attempt: Attempt) -> Attempt:
        self._tasks.save_attempt(record.id, token, attempt, self._clock.now())
        return attempt

    def _intend(self, record: TaskRecord, plan: Plan, offer: PlannedOffer, client: InstanceClient) -> Attempt:
        now = self._clock.now()
        return Attempt(
            n=record.attempts[-1].n + 1 if record.attempts else 1,
            instance_url=offer.instance.base_url or "",
            instance_id=offer.instance.id,
            dialect=client.dialect.name,
            phase=Phase.INTENDED,
            intended_at=now,
            deadline=now + timedelta(seconds=self._settings.send_within_seconds),
            identity=client.identity,
            metadata=self._planner.metadata(record, plan, offer),
        )

    def _failed(self, record: TaskRecord, attempt: Attempt, instance: KnownInstance, error: DownstreamError) -> Attempt:
        if is_loop(error):
            self._federation.health.succeeded(attempt.instance_url)  # nothing is wrong with it
        else:
            self._federation.health.failed(attempt.instance_url, error, in_flight=instance.in_flight)
            if not isinstance(error, TokenEnded | TokenUnreadable):
                self._federation.forget_view()
        message = f"{instance.id}: {error.text}"
        logger.info("task %s attempt %d: %s", record.id, attempt.n, message)
        if error.ambiguous:
            return replace(attempt, phase=Phase.UNKNOWN, closed_at=self._clock.now(), message=message)
        refused = is_loop(error) or isinstance(error, TokenEnded)
        if isinstance(error, Refused):
            # A caller who is not allowed in will not be so by asking again, as the gateway might.
            refused = error.status not in _NOT_THE_TASK or (error.in_callers_name and error.status == _FORBIDDEN)
        return replace(attempt, phase=Phase.REJECTED, message=message, refused=refused)
