"""What the controllers work with; put together in `protes.app`, found again through the WSGI environment."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import request

from protes.api.callers import CALLER_KEY, Caller
from protes.api.counting import TaskCounts
from protes.api.idempotency import Reposts
from protes.api.ingress import ENVIRON_KEY, Ingress
from protes.api.intake import Intake
from protes.api.validation import TaskSchema
from protes.api.views import Eyes
from protes.api.visibility import Sight, sight
from protes.api.waiting import WaitingRoom
from protes.callbacks.callbacks import Callbacks
from protes.clock import Clock
from protes.config.settings import Settings
from protes.events.feed import Feed
from protes.federation.federation import Federation
from protes.offers.store import StoredOffers
from protes.planning.known_figures import KnownFigures
from protes.planning.planner import Planner
from protes.quotas.quotas import Quotas
from protes.runner.protocol import Runner
from protes.sources.sources import Sources
from protes.store.protocols import Records, TaskStore
from protes.store.removing import Removal
from protes.tes.states import State

_ENVIRON_KEY = "protes.services"


class Interest(Protocol):
    """Who looks after tasks likes to know which of them are read now."""

    def mark(self, task_id: str, instance_url: str | None = None, *, version: int | None = None) -> None:
        """Note that somebody reads an unfinished task, and where it runs in this version; never fails."""

    def asks_where(self, task_id: str, version: int) -> bool:
        """Tell whether it is worth finding out where a task runs, for `mark`."""


@dataclass(frozen=True, slots=True)
class Services:
    """The gateway's parts that requests need.

    Attributes:
        settings: the settings.
        gateway_id: the id of this gateway.
        process: the name of this process.
        clock: the clock.
        tasks: the tasks.
        records: everything else that is stored.
        runner: where jobs are submitted.
        planner: plans and dry runs.
        federation: the instances known now.
        sources: what is known of data.
        offers: offers that can be accepted.
        reposts: submissions in progress.
        task_schema: the shape of a task.
        figures: what is configured and learned of instances.
        interest: is told which tasks are read.
        waiting: where requests wait for tasks to change.
        intake: bounds the requests that write.
        quotas: how much each caller may ask for.
        feed: the events, for those who listen.
        callbacks: the webhooks of tasks.
        removal: removes tasks for their owners.
        counts: how many tasks there were lately in each state.
    """

    settings: Settings
    gateway_id: str
    process: str
    clock: Clock
    tasks: TaskStore
    records: Records
    runner: Runner
    planner: Planner
    federation: Federation
    sources: Sources
    offers: StoredOffers
    reposts: Reposts
    task_schema: TaskSchema
    figures: KnownFigures
    interest: Interest
    waiting: WaitingRoom
    intake: Intake
    quotas: Quotas
    feed: Feed
    callbacks: Callbacks
    removal: Removal
    counts: TaskCounts = field(default_factory=TaskCounts)


def services() -> Services:
    """Return the services that this request began with; a change of settings meanwhile is not for it."""
    found = request.environ[_ENVIRON_KEY]
    assert isinstance(found, Services)  # noqa: S101 (for the type checker; only `attach` writes it)
    return found


def attach(environ: dict[str, Any], parts: Services) -> None:
    """Make `parts` what `services` returns during the request with this WSGI environment."""
    environ[_ENVIRON_KEY] = parts


def ingress() -> Ingress:
    """Return what the ingress layer learned of this request."""
    found = request.environ[ENVIRON_KEY]
    assert isinstance(found, Ingress)  # noqa: S101 (for the type checker; only the ingress layer writes it)
    return found


def caller() -> Caller:
    """Return who sent this request."""
    found = request.environ[CALLER_KEY]
    assert isinstance(found, Caller)  # noqa: S101 (for the type checker; only the gatekeeper writes it)
    return found


def sees() -> Sight:
    """Return which tasks there are for this request's caller."""
    return sight(caller(), services().settings.visibility)


def eyes() -> Eyes:
    """Return how this request's caller sees tasks."""
    settings, compatible = services().settings, ingress().compatible
    api, who, preset = settings.api, caller(), settings.profiles.get(ingress().profile or "")
    shown = settings.auth.mode == "none" if api.show_instances is None else api.show_instances
    states = preset.states if preset is not None and preset.states is not None else api.states
    return Eyes(
        all_states=states == "all" and not compatible,
        queued_as=State(preset.queued_as) if preset is not None else State.QUEUED,
        whole_cores=compatible,
        instances=shown or who.is_operator or who.is_reader,
        all_attempts=api.all_attempts,
    )
