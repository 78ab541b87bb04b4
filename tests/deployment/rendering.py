"""What Helm makes of the chart, and what there is to know of the result."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.chart_schema import CHART

Document = dict[str, Any]
_WORKLOADS = ("Deployment", "StatefulSet")


class Refused(Exception):
    """Helm does not render these values; the text is what it says."""


@dataclass(frozen=True)
class Chart:
    """The chart and the program that renders it."""

    helm: Path

    def render(self, values: Mapping[str, Any], release: str = "demo", namespace: str = "tes") -> "Rendered":
        """Render the chart.

        Raises:
            Refused: see there.
        """
        return Rendered(self.run("template", release, str(CHART), "--namespace", namespace, values=values))

    def run(self, *arguments: str, values: Mapping[str, Any]) -> str:
        """Run Helm with these values and return what it prints.

        Raises:
            Refused: see there.
        """
        done = subprocess.run(
            [str(self.helm), *arguments, "--values", "-"],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stdout + done.stderr)
        return done.stdout


class Rendered:
    """The documents that were rendered."""

    def __init__(self, text: str) -> None:
        """Read them."""
        self.text = text
        self.documents: list[Document] = [each for each in yaml.safe_load_all(text) if each]

    def of_kind(self, *kinds: str) -> list[Document]:
        """Return the documents of these kinds."""
        return [each for each in self.documents if each["kind"] in kinds]

    def one(self, kind: str) -> Document:
        """Return the only document of a kind."""
        [found] = self.of_kind(kind)
        return found

    @property
    def workloads(self) -> list[Document]:
        """What makes pods."""
        return self.of_kind(*_WORKLOADS)

    def workload(self, component: str) -> Document:
        """Return what makes the pods of a component."""
        [found] = [each for each in self.workloads if labels(pod(each))["app.kubernetes.io/component"] == component]
        return found

    @cached_property
    def configuration(self) -> str:
        """The gateway's configuration file."""
        text: str = self.one("ConfigMap")["data"]["gateway.yaml"]
        return text

    def environment(self, component: str) -> dict[str, str]:
        """Return the environment of a component's container; what is a Secret is `secret of NAME KEY`."""
        found = {}
        for each in container(self.workload(component)).get("env", ()):
            source = each.get("valueFrom", {}).get("secretKeyRef")
            found[each["name"]] = each["value"] if source is None else f"secret of {source['name']} {source['key']}"
        return found


def pod(workload: Document) -> Document:
    """Return the template of a workload's pods."""
    template: Document = workload["spec"]["template"]
    return template


def container(workload: Document) -> Document:
    """Return the only container of a workload's pods."""
    [found] = pod(workload)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def labels(document: Document) -> dict[str, str]:
    """Return a document's labels."""
    found: dict[str, str] = document["metadata"]["labels"]
    return found


def selects(selector: Mapping[str, str], document: Document) -> bool:
    """Tell whether a selector's labels are all a document's."""
    return selector.items() <= labels(document).items()


def names_of(value: Any) -> Iterator[str]:
    """Find all keys, at any depth."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from names_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from names_of(each)
