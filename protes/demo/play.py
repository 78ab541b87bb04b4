"""Send the demo's tasks through the gateway as any TES client would, and show what became of them."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import requests
import tes

from protes.cli.output import table
from protes.demo.tasks import DemoTask

_ENDED = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.25
_TIMEOUT_SECONDS = 10


@dataclass(slots=True)
class Played:
    """A demo task under way.

    Attributes:
        demo: what it is.
        id: the gateway's id, "" before it was sent.
        state: its last state seen.
        task: it in full, at its end.
        routing: the explanation of where it ran, at its end.
    """

    demo: DemoTask
    id: str = ""
    state: str = "waiting"
    task: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state in _ENDED

    @property
    def output(self) -> str:
        """Its standard output."""
        logs = ((self.task or {}).get("logs") or [{}])[0].get("logs") or [{}]
        return (logs[0].get("stdout") or "").strip()

    def complaint(self) -> str | None:
        """Say what is not as expected, or None."""
        demo = self.demo
        if self.state != demo.expected_state:
            return f"ended {self.state}, expected {demo.expected_state}"
        if demo.expected_instance is not None and self.instance != demo.expected_instance:
            return f"ran on {self.instance}, expected {demo.expected_instance}"
        if demo.expected_output is not None and self.output != demo.expected_output:
            return "its output is not what was expected"
        return None

    @property
    def instance(self) -> str:
        """The instance that ran it."""
        return str((self.routing or {}).get("chosen", "-"))


class Play:
    """Runs the demo's tasks."""

    def __init__(self, gateway_url: str, out: TextIO = sys.stdout) -> None:
        """Talk to the gateway at its root URL."""
        self._url = gateway_url
        self._out = out
        self._live = out.isatty()

    def run(self, demos: Sequence[DemoTask]) -> list[Played]:
        """Send the tasks, wait for their ends, showing progress, and return them."""
        played = [Played(demo) for demo in demos]
        until = time.monotonic() + _PATIENCE_SECONDS
        while not all(each.ended for each in played) and time.monotonic() < until:
            for each in played:
                self._advance(each, played)
            self._progress(played)
            time.sleep(_POLL_SECONDS)
        if self._live:
            print(file=self._out)
        for each in played:
            self._fetch(each)
        return played

    def wait_for_instances(self, count: int) -> None:
        """Wait until the gateway has found its instances."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until:
            answer = requests.get(f"{self._url}/protes/v1/instances", timeout=_TIMEOUT_SECONDS).json()
            # The registry's entry brings the price; before it, nothing is known of what an instance costs.
            ready = [each for each in answer["instances"] if each["state"] == "ok" and "prices" in each]
            if len(ready) >= count:
                return
            time.sleep(_POLL_SECONDS)

    def _advance(self, each: Played, played: Sequence[Played]) -> None:
        if each.ended:
            return
        if not each.id:
            before = next((other for other in played if other.demo.title == each.demo.after), None)
            if before is None or before.ended:
                each.id = self._submit(each.demo)
                each.state = "QUEUED"
            return
        each.state = self._client().get_task(each.id, view="MINIMAL").state
        if each.demo.cancel and each.state == "RUNNING":
            self._client().cancel_task(each.id)

    def _submit(self, demo: DemoTask) -> str:
        client = self._client(f"/w/{demo.weight}" if demo.weight_in_url else "")
        task = tes.models.Task(
            **{
                **demo.document,
                "executors": [tes.Executor(**each) for each in demo.document["executors"]],
                "inputs": [tes.Input(**each) for each in demo.document.get("inputs", ())],
                "outputs": [tes.Output(**each) for each in demo.document.get("outputs", ())],
                "resources": tes.Resources(**demo.document["resources"]),
            }
        )
        return str(client.create_task(task))

    def _fetch(self, each: Played) -> None:
        if each.id:
            each.task = self._client().get_task(each.id, view="FULL").as_dict()
            url = f"{self._url}/protes/v1/tasks/{each.id}/routing"
            each.routing = requests.get(url, timeout=_TIMEOUT_SECONDS).json()

    def _client(self, root: str = "") -> Any:
        return tes.HTTPClient(self._url + root, timeout=_TIMEOUT_SECONDS)

    def _progress(self, played: Sequence[Played]) -> None:
        if self._live:
            states = [each.state for each in played]
            counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
            print(f"\r\033[K  {counts}", end="", file=self._out, flush=True)


def report(played: Sequence[Played], out: TextIO = sys.stdout) -> None:
    """Print where each task ran, why, for how much, in what time, and its output."""
    rows = []
    for each in played:
        offer = _chosen_offer(each)
        rows.append(
            (
                each.demo.title,
                each.demo.weight,
                each.instance,
                each.state,
                _money(offer),
                _seconds(offer.get("seconds")),
                _ran_seconds(each.task),
                _short(each.output),
            )
        )
    table(("TASK", "WEIGHT", "RAN ON", "STATE", "COST (EUR)", "EST. S", "RAN S", "OUTPUT"), rows, out)


def why(played: Sequence[Played], out: TextIO = sys.stdout) -> None:
    """Print the offers that the first tasks were placed by, one line per weight."""
    seen: set[str] = set()
    for each in played:
        if each.demo.weight in seen or each.routing is None:
            continue
        seen.add(each.demo.weight)
        offers = [
            f"{offer['instance']} {float(offer['cost']['amount']):.6f} EUR in {offer['seconds']:g} s"
            f" (score {float(offer['score']):.2f})"
            for offer in each.routing["candidates"]
            if "cost" in offer and "score" in offer and "seconds" in offer
        ]
        print(f"  weight {each.demo.weight}: " + " < ".join(offers), file=out)


def _chosen_offer(each: Played) -> dict[str, Any]:
    candidates = (each.routing or {}).get("candidates", ())
    return next((offer for offer in candidates if offer["instance"] == each.instance), {})


def _money(offer: dict[str, Any]) -> str:
    return str(offer["cost"]["amount"]) if "cost" in offer else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _ran_seconds(task: dict[str, Any] | None) -> str:
    """Return the time between start and end of the executors, as the instance logged them."""
    logs = ((task or {}).get("logs") or [{}])[0].get("logs") or [{}]
    start, end = logs[0].get("start_time"), logs[-1].get("end_time")
    return f"{(end - start).total_seconds():.1f}" if start and end else "-"


def _short(text: str) -> str:
    return text if len(text) <= 28 else f"{text[:24]} ..."
