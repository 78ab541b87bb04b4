"""TEStribute's estimate endpoint at instances: `POST {base}/tasks/task-info` (STANDARDS.md 3.1)."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from middleware import Reported, TaskView
from protes.clock import Clock
from protes.sources.cache import Cache
from protes.store.protocols import Records
from protes.tes.errors import DownstreamError, Refused, ServerFault

logger = logging.getLogger(__name__)

NO_TASK_INFO_KIND = "no_task_info"
_NO_SUCH_CALL = frozenset({404, 405, 501})
_REMEMBERED = timedelta(days=1)
_MOST_SECONDS = 31_536_000
_SILENT_SECONDS = 60.0


class InstanceCaller(Protocol):
    """Asks an instance, with its own credentials."""

    def __call__(self, base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
        """POST to `tasks/task-info` and return the answer's JSON.

        Raises:
            DownstreamError: there is none.
        """


class TaskInfo:
    """What instances say themselves of a task. Answers are kept; that there is no such call is kept for a day."""

    def __init__(self, call: InstanceCaller, records: Records, clock: Clock, entries: int, keep_seconds: float) -> None:
        """Ask by `call`."""
        self._call = call
        self._records = records
        self._clock = clock
        nothing_seconds = min(_SILENT_SECONDS, keep_seconds)
        self._answers: Cache[Reported] = Cache(clock, entries, keep_seconds, nothing_seconds)
        self._silent: Cache[bool] = Cache(clock, entries, nothing_seconds, nothing_seconds)

    def known(self, base_url: str, body: str) -> tuple[bool, Reported | None]:
        """Return whether there is an answer, and the answer."""
        return self._answers.known(f"{base_url}\n{body}")

    def serves(self, base_url: str) -> bool:
        """Tell whether it is worth asking: not where it said not long ago that there is no such call, or nothing."""
        if self._silent.known(base_url)[0]:
            return False
        if self._records.get(NO_TASK_INFO_KIND, base_url, self._clock.now()) is None:
            return True
        self._leave_alone(base_url)  # so that the store is not asked again for every task
        return False

    def ask(self, base_url: str, body: str, seconds: float) -> Reported | None:
        """Ask an instance; None where it says nothing that can be used."""
        return self._answers.ask(f"{base_url}\n{body}", lambda: self._ask(base_url, body, seconds))

    def _ask(self, base_url: str, body: str, seconds: float) -> Reported | None:
        try:
            return _read(self._call(base_url, json.loads(body), seconds))
        except DownstreamError as error:
            if isinstance(error, Refused | ServerFault) and error.status in _NO_SUCH_CALL:
                now = self._clock.now()
                self._records.put(NO_TASK_INFO_KIND, base_url, {}, now, expires_at=now + _REMEMBERED)
            else:
                logger.info("%s gave no estimate: %s", base_url, error.text)
                if not isinstance(error, Refused | ServerFault):  # those may be about this one task
                    self._leave_alone(base_url)
        return None

    def _leave_alone(self, base_url: str) -> None:
        """Ask an instance nothing for a short while."""
        self._silent.ask(base_url, lambda: True)


def question(task: TaskView, runtime_seconds: float | None) -> str:
    """Return the body to ask with, as canonical JSON: tesResources and `execution_time_sec`."""
    asked = task.resources
    fields = {
        "cpu_cores": asked.cpu_cores,
        "ram_gb": asked.ram_gb,
        "disk_gb": asked.disk_gb,
        "preemptible": asked.preemptible,
        "zones": list(asked.zones) or None,
        "execution_time_sec": round(runtime_seconds) if runtime_seconds is not None else None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, sort_keys=True)


def _read(document: object) -> Reported | None:
    """Read an answer; amounts in different currencies, or none at all, are no answer."""
    if not isinstance(document, Mapping):
        return None
    costs = [document.get(f"estimated_{part}_costs") for part in ("compute", "storage")]
    amounts = [*costs, document.get("unit_costs_data_transfer")]
    currencies = {each["currency"] for each in amounts if isinstance(each, Mapping) and _amount(each) is not None}
    if len(currencies) > 1 or not all(isinstance(each, str) for each in currencies):
        return None
    compute, storage, transfer = (_amount(each) for each in amounts)
    queue = _number(document.get("estimated_queue_time_sec"))
    found = Reported(
        currency=next(iter(currencies), ""),
        compute=compute,
        storage=storage,
        transfer_gb_1000km=transfer,
        queue_seconds=float(queue) if queue is not None and queue <= _MOST_SECONDS else None,
    )
    return found if any(each is not None for each in (compute, storage, transfer, found.queue_seconds)) else None


def _amount(value: object) -> Decimal | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("currency"), str):
        return None
    return _number(value.get("amount"))


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
