"""Write the Grafana dashboard: `python -m tests.deployment.dashboard > deployment/grafana/protes.json`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_ME = 'job=~"$job"'
_INSTANCE = f'{_ME}, instance=~"$tes"'
_JOBS = ""
"""Figures of jobs have a label `job` of their own, which is none of Prometheus': they are shown of all processes."""
_WIDTH, _HEIGHT = 8, 8
_RATE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """One picture: its title, its unit, what it says, and its queries with their legends."""

    title: str
    unit: str
    text: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def rate(metric: str, by: str = "", where: str = _ME) -> str:
    """Per second."""
    inner = f"sum by ({by}) " if by else "sum"
    return f"{inner}(rate({metric}{{{where}}}[{_RATE}]))"


def quantile(share: float, metric: str, by: str = "", where: str = _ME) -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[{_RATE}])))"


def average(metric: str, by: str, where: str) -> str:
    """The mean of a histogram."""
    return f"{rate(metric + '_sum', by, where)} / {rate(metric + '_count', by, where)}"


def total(metric: str, by: str = "", where: str = _ME) -> str:
    """The sum over processes, of what each counts for itself."""
    return f"sum by ({by}) ({metric}{{{where}}})" if by else f"sum({metric}{{{where}}})"


def shared(metric: str, by: str = "", where: str = _ME) -> str:
    """The value of what all processes read from the same store."""
    return f"max by ({by}) ({metric}{{{where}}})" if by else f"max({metric}{{{where}}})"


_LAG = f"time() - max by (instance) (protes_relay_swept_timestamp_seconds{{{_INSTANCE}}})"
_BUSY = f"(sum by (instance) (max by (instance, state) (protes_instance_tasks{{{_INSTANCE}}})) > 0)"

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Tasks",
        (
            Panel(
                "Created and ended per second",
                "ops",
                "They run apart while work piles up.",
                (
                    (rate("protes_tasks_created_total"), "created"),
                    (rate("protes_tasks_finished_total", "state"), "{{state}}"),
                ),
            ),
            Panel(
                "Unfinished",
                "short",
                "Unplaced tasks have no instance yet.",
                (
                    (shared("protes_tasks_unfinished"), "unfinished"),
                    (shared("protes_tasks_unplaced"), "unplaced"),
                ),
            ),
            Panel(
                "From creation to acceptance",
                "s",
                "Waiting for an instance included.",
                (
                    (quantile(0.5, "protes_dispatch_seconds"), "median"),
                    (quantile(0.95, "protes_dispatch_seconds"), "p95"),
                ),
            ),
            Panel(
                "Ended, by instance",
                "ops",
                "none: they never reached an instance.",
                ((rate("protes_tasks_finished_total", "instance, state"), "{{instance}} {{state}}"),),
            ),
            Panel(
                "From the end at the instance to the client",
                "s",
                "By the clock of the instance: a constant that is large is a clock that is wrong.",
                ((quantile(0.95, "protes_relay_delay_seconds", "instance", _INSTANCE), "{{instance}} p95"),),
            ),
            Panel(
                "Actual divided by estimated",
                "none",
                "1 is right; 2 took, or cost, twice as much.",
                (
                    (average("protes_estimate_seconds_ratio", "instance", _INSTANCE), "{{instance}} time"),
                    (average("protes_estimate_cost_ratio", "instance", _INSTANCE), "{{instance}} cost"),
                ),
            ),
        ),
    ),
    (
        "Instances",
        (
            Panel(
                "Up",
                "none",
                "0: unreachable, ejected, or not probed yet.",
                ((shared("protes_instance_up", "instance", _INSTANCE), "{{instance}}"),),
                "state-timeline",
            ),
            Panel(
                "Tasks there",
                "short",
                "Queued ones have not been seen to start.",
                ((shared("protes_instance_tasks", "instance, state", _INSTANCE), "{{instance}} {{state}}"),),
            ),
            Panel(
                "Since its tasks were looked at",
                "s",
                "Of instances with tasks; it grows while an instance does not answer.",
                ((f"({_LAG}) and on (instance) {_BUSY}", "{{instance}}"),),
            ),
            Panel(
                "Failed calls per second",
                "ops",
                "create is POST /tasks.",
                (
                    (
                        rate("protes_instance_errors_total", "instance, call, error", _INSTANCE),
                        "{{instance}} {{call}} {{error}}",
                    ),
                ),
            ),
            Panel(
                "Attempts that were not accepted, per second",
                "ops",
                "unknown: the answer was lost, and the task is searched for.",
                (
                    (
                        rate("protes_attempts_total", "instance, outcome", f'{_INSTANCE}, outcome!="accepted"'),
                        "{{instance}} {{outcome}}",
                    ),
                ),
            ),
            Panel(
                "Ejections per hour",
                "short",
                "How often an instance was left out.",
                ((f"3600 * {rate('protes_ejections_total', 'instance, kind', _INSTANCE)}", "{{instance}} {{kind}}"),),
            ),
            Panel(
                "Registries: age of the last good answer",
                "s",
                "It grows while a registry does not answer; instances stay known.",
                (
                    (
                        f"time() - max by (registry) (protes_registry_answered_timestamp_seconds{{{_ME}}})",
                        "{{registry}}",
                    ),
                ),
            ),
        ),
    ),
    (
        "Requests",
        (
            Panel(
                "Per second, by status",
                "reqps",
                "",
                ((rate("protes_http_requests_total", "status"), "{{status}}"),),
            ),
            Panel(
                "Latency p95, by route",
                "s",
                "Without requests that wait for a change.",
                ((quantile(0.95, "protes_http_request_seconds", "method, route"), "{{method}} {{route}}"),),
            ),
            Panel(
                "Under way",
                "short",
                "Requests that wait to write are a store that does not keep up.",
                (
                    (total("protes_http_requests_in_progress"), "answered"),
                    (total("protes_writes_in_progress"), "writing"),
                    (total("protes_writes_waiting"), "waiting to write"),
                    (total("protes_requests_waiting"), "waiting for a change"),
                ),
            ),
        ),
    ),
    (
        "Inside",
        (
            Panel(
                "Store p95, by operation",
                "s",
                "",
                ((quantile(0.95, "protes_store_seconds", "operation"), "{{operation}}"),),
            ),
            Panel(
                "Failures per second",
                "ops",
                "",
                (
                    (rate("protes_store_failures_total", "operation"), "store {{operation}}"),
                    (rate("protes_job_failures_total", "job", _JOBS), "job {{job}}"),
                ),
            ),
            Panel(
                "Jobs",
                "short",
                "Waiting for a thread, and running.",
                (
                    (total("protes_runner_queue_jobs"), "waiting"),
                    (total("protes_jobs_in_progress", "job", _JOBS), "{{job}}"),
                ),
            ),
            Panel(
                "Job duration p95",
                "s",
                "",
                ((quantile(0.95, "protes_job_seconds", "job", _JOBS), "{{job}}"),),
            ),
            Panel(
                "Memory",
                "bytes",
                "",
                ((total("protes_process_resident_memory_bytes", "job"), "{{job}}"),),
            ),
            Panel(
                "Processor",
                "none",
                "Cores in use.",
                ((rate("protes_process_cpu_seconds_total", "job"), "{{job}}"),),
            ),
            Panel(
                "Leaders and processes",
                "short",
                "One leads; two for a moment while the lead changes.",
                ((total("protes_leader"), "leaders"), (total("protes_processes"), "processes")),
            ),
        ),
    ),
)


def document() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "title": "protes",
        "uid": "protes",
        "tags": ["protes", "ga4gh"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                _source(),
                _choice("job", "protes_processes", "job"),
                _choice("tes", "protes_instance_up", "instance"),
            ]
        },
        "panels": _panels(),
    }


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        )
        for number, panel in enumerate(row):
            place = {"x": number % 3 * _WIDTH, "y": top + 1 + number // 3 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            panels.append(_panel(len(panels) + 1, panel, place))
        top += 1 + -(-len(row) // 3) * _HEIGHT
    return panels


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _choice(name: str, metric: str, label: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": f"label_values({metric}, {label})", "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def queries(dashboard: dict[str, Any]) -> Sequence[str]:
    """Return all queries of a dashboard."""
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def render() -> str:
    """Return the file."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
