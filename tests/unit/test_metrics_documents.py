"""The reference, the dashboard and the alerts speak of metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from protes.config.settings import Settings
from protes.metrics.catalogue import ALL
from protes.metrics.document import placed
from tests.deployment.dashboard import document, queries, render

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deployment" / "grafana" / "protes.json").read_text(encoding="utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deployment" / "grafana" / "alerts.yaml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = ALERTS["groups"][0]["rules"]
SERIES = {each.name: each for each in ALL if each.kind != "histogram"} | {
    f"{each.name}_{end}": each for each in ALL if each.kind == "histogram" for end in ("bucket", "count", "sum")
}
FROM_PROMETHEUS = {"job", "le"}
WORDS = {"sum", "max", "rate", "increase", "time", "histogram_quantile", "absent", "vector", "by", "on", "and", "or"}


def wrong(query: str) -> list[str]:
    """What is wrong with a query, as far as it can be told without Prometheus."""
    found = []
    bare = re.sub(r'"[^"]*"', '""', query)
    for opening, closing in ("()", "{}", "[]"):
        if bare.count(opening) != bare.count(closing):
            found.append(f"{opening}{closing} do not match")
    for name, labels in re.findall(r"(protes_\w+)(?:\{([^}]*)\})?", bare):
        metric = SERIES.get(name)
        if metric is None:
            found.append(f"there is no {name}")
            continue
        unknown = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels)) - {*metric.labels} - FROM_PROMETHEUS
        found += [f"{name} has no label {label}" for label in sorted(unknown)]
        if "job" in metric.labels and "job" in labels:
            found.append(f"{name} has a label job of its own, which is not that of Prometheus")
        ranged = re.search(rf"(?:rate|increase)\({name}", bare) is not None
        if (metric.kind != "gauge") != ranged:
            found.append(f"{name} is a {metric.kind}")
    outside = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)|\bon \([^)]*\)|\"\"|protes_\w+", " ", bare)
    found += [f"{word} is no function" for word in sorted(set(re.findall(r"[a-z_]+", outside)) - WORDS)]
    grouped = {each.strip() for labels in re.findall(r"\bby \(([^)]*)\)", bare) for each in labels.split(",")}
    there = {label for name in re.findall(r"protes_\w+", bare) if name in SERIES for label in SERIES[name].labels}
    return found + [f"nothing has the label {label}" for label in sorted(grouped - there - FROM_PROMETHEUS)]


def test_the_reference_is_made_from_the_catalogue() -> None:
    assert placed(PAGE) == PAGE


def test_every_metric_that_the_page_names_is_there() -> None:
    names = set(re.findall(r"`(protes_[a-z_]+)", PAGE)) | set(re.findall(r"- (protes_[a-z_]+)", PAGE))
    assert names <= {each.name for each in ALL}


def test_the_configuration_of_the_page_is_one() -> None:
    [text] = re.findall(r"```yaml\n# metrics\.yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(text)["custom"])
    assert settings.metrics.token_file == "/run/secrets/metrics-token"


def test_prometheus_keeps_the_labels_of_the_gateway_and_tells_processes_apart() -> None:
    """`instance` and `job` are Prometheus' own names, too: without `honor_labels` it puts its own in their place."""
    [text] = re.findall(r"```yaml\n# prometheus\.yml\n(.*?)```", PAGE, re.DOTALL)
    [scraped] = yaml.safe_load(text)["scrape_configs"]
    assert {"instance", "job"} <= {label for metric in ALL for label in metric.labels}
    assert scraped["honor_labels"] is True
    [target] = scraped["relabel_configs"]
    assert target["source_labels"] == ["__address__"]
    assert target["target_label"] not in {label for metric in ALL for label in metric.labels}


@pytest.mark.parametrize("name", ["logs", "traces"])
def test_the_settings_of_logs_and_traces_are_such(name: str) -> None:
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    [text] = re.findall(rf"```yaml\n# {name}\.yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(text)["custom"])
    assert settings.logging.access == (name == "logs")
    assert settings.tracing.enabled == (name == "traces")


def test_the_dashboard_is_made_by_its_program() -> None:
    assert json.loads(render()) == DASHBOARD


@pytest.mark.parametrize("query", queries(DASHBOARD))
def test_the_dashboard_asks_for_what_there_is(query: str) -> None:
    assert wrong(query) == []


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in document()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in document()["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert wrong(rule["expr"]) == []
    assert set(rule["annotations"]) == {"summary", "action"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    named = set(re.findall(r"protes_[a-z_]+", rule["annotations"]["action"]))
    assert named <= {each.name for each in ALL}
    used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert all(f"by ({label})" in rule["expr"] for label in used)


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(protes_nothing_total[5m]))",
        "sum(rate(protes_tasks_created_total[5m])",
        'sum(rate(protes_tasks_created_total{instance="a"}[5m]))',
        "sum(protes_tasks_created_total)",
        "rate(protes_leader[5m])",
        "summe(protes_leader)",
        "sum by (colour) (protes_leader)",
    ],
)
def test_the_check_of_queries_can_fail(query: str) -> None:
    assert wrong(query)
