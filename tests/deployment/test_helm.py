"""The Helm chart, rendered by Helm with a matrix of values, and read as Kubernetes and the gateway would."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from protes.app import _STOP_GRACE_SECONDS
from protes.cli.main import main
from protes.config.loading import load
from protes.config.runner import RunnerSettings
from tests.deployment.chart_values import MATRIX, SCALED, merged
from tests.deployment.rendering import Chart, Document, Refused, Rendered, container, labels, pod, selects

pytestmark = pytest.mark.services

_made: dict[str, Rendered] = {}


@pytest.fixture(params=MATRIX)
def rendered(request: pytest.FixtureRequest, chart: Chart) -> Rendered:
    """What Helm makes of each set of values, made once."""
    if request.param not in _made:
        _made[request.param] = chart.render(MATRIX[request.param])
    return _made[request.param]


@pytest.fixture
def scaled(chart: Chart) -> Rendered:
    """The scaled mode, with all that can be."""
    return chart.render(MATRIX["scaled-full"])


@pytest.mark.parametrize("name", MATRIX)
def test_lint_finds_nothing(chart: Chart, name: str) -> None:
    said = chart.run("lint", str(Path("deployment/helm/protes").resolve()), "--strict", values=MATRIX[name])
    assert "1 chart(s) linted, 0 chart(s) failed" in said


def test_modes_differ_in_what_there_is(chart: Chart) -> None:
    embedded, scaled = chart.render({}), chart.render(SCALED)
    assert [each["kind"] for each in embedded.workloads] == ["StatefulSet"]
    assert embedded.workloads[0]["spec"]["replicas"] == 1
    assert {each["metadata"]["name"] for each in scaled.workloads} == {"demo-protes-api", "demo-protes-worker"}
    assert not embedded.of_kind("HorizontalPodAutoscaler", "PodDisruptionBudget")
    assert len(scaled.of_kind("PodDisruptionBudget")) == 2


def test_every_pod_is_restricted(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        spec, only = pod(workload)["spec"], container(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"].get("runAsUser", 10001) == 10001
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert not any("hostPath" in each for each in spec["volumes"])
        assert not any("hostPort" in each for each in only.get("ports", ()))
    for account in rendered.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_secret_is_rendered(rendered: Rendered) -> None:
    assert not rendered.of_kind("Secret")
    for workload in rendered.workloads:
        for variable in container(workload).get("env", ()):
            plain = {"PROTES_RUNNER__KIND", "PROTES_METRICS__WORKER_HOST", "PROTES_METRICS__WORKER_PORT"}
            assert "valueFrom" in variable or variable["name"] in plain or variable["name"].endswith("_FILE")


def test_mounts_are_volumes_and_volumes_are_mounted(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        claims = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", ())}
        volumes = {each["name"] for each in pod(workload)["spec"]["volumes"]} | claims
        mounts = {each["name"]: each for each in container(workload)["volumeMounts"]}
        assert mounts.keys() == volumes
        assert mounts["tmp"]["mountPath"] == "/tmp"
        assert {name for name, each in mounts.items() if not each.get("readOnly")} <= {"tmp", "data"}


def test_selectors_find_what_they_are_for(rendered: Rendered) -> None:
    pods = [pod(each) for each in rendered.workloads]
    for workload in rendered.workloads:
        found = [each for each in pods if selects(workload["spec"]["selector"]["matchLabels"], each)]
        assert found == [pod(workload)]
        for spread in pod(workload)["spec"].get("topologySpreadConstraints", ()):
            assert selects(spread["labelSelector"]["matchLabels"], pod(workload))
    api = pod(rendered.workload("api"))
    assert [each for each in pods if selects(rendered.one("Service")["spec"]["selector"], each)] == [api]
    names = {each["metadata"]["name"]: each["kind"] for each in rendered.workloads}
    for scaler in rendered.of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert names[target["name"]] == target["kind"]
        component = labels(scaler)["app.kubernetes.io/component"]
        assert "replicas" not in rendered.workload(component)["spec"]
    for budget in rendered.of_kind("PodDisruptionBudget"):
        assert len([each for each in pods if selects(budget["spec"]["selector"]["matchLabels"], each)]) == 1


def test_names_are_names(rendered: Rendered) -> None:
    for document in rendered.documents:
        assert len(document["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in labels(document).values())
    identities = [(each["kind"], each["metadata"]["name"]) for each in rendered.documents]
    assert len(set(identities)) == len(identities)


def test_what_is_referred_to_is_there(rendered: Rendered) -> None:
    accounts = {each["metadata"]["name"] for each in rendered.of_kind("ServiceAccount")} or {"default"}
    for workload in rendered.workloads:
        assert pod(workload)["spec"]["serviceAccountName"] in accounts
        [maps] = [each["configMap"] for each in pod(workload)["spec"]["volumes"] if "configMap" in each]
        assert maps["name"] == rendered.one("ConfigMap")["metadata"]["name"]


def test_ports_match(rendered: Rendered) -> None:
    api = container(rendered.workload("api"))
    [port] = api["ports"]
    assert f"--port={port['containerPort']}" in api["args"]
    [served] = rendered.one("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert api[probe]["httpGet"] == {"path": path, "port": port["name"]}
    for ingress in rendered.of_kind("Ingress"):
        [rule] = ingress["spec"]["rules"]
        [path_] = rule["http"]["paths"]
        service = path_["backend"]["service"]
        assert (service["name"], service["port"]["name"]) == (
            rendered.one("Service")["metadata"]["name"],
            served["name"],
        )
    for policy in rendered.of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            behind = container(rendered.workload(labels(policy)["app.kubernetes.io/component"]))
            assert [each["port"] for each in rule["ports"]] == [each["name"] for each in behind["ports"]]


def test_there_is_time_to_end(rendered: Rendered) -> None:
    api = rendered.workload("api")
    [_, drain] = container(api)["lifecycle"]["preStop"]["exec"]["command"]
    # Requests have ten seconds, and so have jobs in a process that serves and works.
    assert pod(api)["spec"]["terminationGracePeriodSeconds"] >= float(drain) + 2 * _STOP_GRACE_SECONDS
    if len(rendered.workloads) > 1:
        grace = RunnerSettings().grace_seconds
        assert pod(rendered.workload("worker"))["spec"]["terminationGracePeriodSeconds"] > grace + 10


def test_policies_close_everything_else(chart: Chart) -> None:
    made = chart.render(SCALED)
    everything, api = sorted(made.of_kind("NetworkPolicy"), key=lambda each: len(each["metadata"]["name"]))
    assert everything["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything["spec"]
    for workload in made.workloads:
        assert selects(everything["spec"]["podSelector"]["matchLabels"], pod(workload))
    assert selects(api["spec"]["podSelector"]["matchLabels"], pod(made.workload("api")))
    assert not selects(api["spec"]["podSelector"]["matchLabels"], pod(made.workload("worker")))
    dns, instances, store, broker = everything["spec"]["egress"]
    assert {(each["protocol"], each["port"]) for each in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert instances["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]
    egress = SCALED["networkPolicy"]["egress"]
    assert [store, broker] == [*egress["store"], *egress["broker"]]
    assert all(rule["to"] and rule["ports"] for rule in everything["spec"]["egress"])


def test_the_gateway_takes_its_configuration(
    rendered: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(rendered.configuration, encoding="utf-8")
    mounted = "/etc/protes/configuration/gateway.yaml"
    for name, value in _environment(rendered, "api").items():
        monkeypatch.setenv(name, value)
    command, *arguments = container(rendered.workload("api"))["args"]
    assert command == "serve"
    code = main(["check-config", *(each.replace(mounted, str(file)) for each in arguments)])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    settings = json.loads(shown.out)
    scaled = len(rendered.workloads) > 1
    assert settings["runner"]["kind"] == ("celery" if scaled else "threads")
    assert settings["runner"]["execute"] is not scaled
    assert settings["server"]["host"] == "0.0.0.0"
    service = rendered.one("Service")["metadata"]["name"]
    wanted = {service, f"{service}.tes", f"{service}.tes.svc", f"{service}.tes.svc.cluster.local"}
    wanted |= {each["spec"]["rules"][0]["host"] for each in rendered.of_kind("Ingress")}
    assert wanted <= set(settings["server"]["allowed_hosts"])


def test_a_worker_takes_its_configuration(scaled: Rendered, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(scaled.configuration, encoding="utf-8")
    assert container(scaled.workload("worker"))["args"] == [
        "worker",
        "--config=/etc/protes/configuration/gateway.yaml",
    ]
    settings = load([file], _environment(scaled, "worker")).settings
    assert (settings.runner.kind, settings.runner.execute) == ("celery", True)
    assert settings.store.url_file is not None
    assert settings.server.max_body_bytes == 1000000
    assert settings.server.allowed_hosts[0] == "tes.example.org"
    assert [each.id for each in settings.instances] == ["site-a", "site-b"]


def test_secrets_come_by_reference(scaled: Rendered) -> None:
    for component in ("api", "worker"):
        variables = scaled.environment(component)
        assert variables["PROTES_SERVER__OPERATOR_TOKEN"] == "secret of protes operator-token"
        assert variables["SITE_B_TOKEN"] == "secret of sites b"
        files = _secret_files(scaled.workload(component))
        assert files["/etc/protes/secrets/site-a"] == ("sites", "a")
        assert files[variables["PROTES_STORE__URL_FILE"]] == ("mongo", "mongodb-url")
        assert files[variables["PROTES_RUNNER__BROKER_URL_FILE"]] == ("rabbit", "url")
        assert files[variables["PROTES_RUNNER__BROKER_CA_FILE"]] == ("rabbit-ca", "ca.crt")
        assert files[variables["PROTES_SERVER__SECRET_KEY_FILE"]] == ("protes", "secret-keys")


def test_prometheus_reads_every_pod_that_counts(rendered: Rendered) -> None:
    """As its operator finds them: services by their labels, pods by theirs, ports by their names."""
    wanted = "ServiceMonitor" in rendered.text
    scaled = len(rendered.workloads) > 1
    assert len(rendered.of_kind("ServiceMonitor", "PodMonitor")) == (1 + scaled if wanted else 0)
    if not wanted:
        return
    [at_service] = rendered.one("ServiceMonitor")["spec"]["endpoints"]
    service = rendered.one("Service")
    assert selects(rendered.one("ServiceMonitor")["spec"]["selector"]["matchLabels"], service)
    assert [at_service["port"]] == [each["name"] for each in service["spec"]["ports"]]
    endpoints = [(at_service, "api")]
    if scaled:
        monitor, worker = rendered.one("PodMonitor")["spec"], rendered.workload("worker")
        assert selects(monitor["selector"]["matchLabels"], pod(worker))
        assert not selects(monitor["selector"]["matchLabels"], pod(rendered.workload("api")))
        [at_pod] = monitor["podMetricsEndpoints"]
        assert [at_pod["port"]] == [each["name"] for each in container(worker)["ports"]]
        endpoints.append((at_pod, "worker"))
    for endpoint, component in endpoints:
        # The labels `instance` and `job` are the gateway's own; Prometheus would put its names in their place.
        assert endpoint["honorLabels"] is True
        assert (endpoint["path"], endpoint["interval"], endpoint["scrapeTimeout"]) == ("/metrics", "1m", "10s")
        shown = endpoint["authorization"]["credentials"]
        files = _secret_files(rendered.workload(component))
        assert files[rendered.environment(component)["PROTES_METRICS__TOKEN_FILE"]] == (shown["name"], shown["key"])
    for monitor in rendered.of_kind("ServiceMonitor", "PodMonitor"):
        assert labels(monitor)["release"] == "prometheus"


def test_workers_serve_their_figures_where_somebody_may_read_them(chart: Chart, scaled: Rendered) -> None:
    settings = load([], _environment(scaled, "worker")).settings.metrics
    [port] = container(scaled.workload("worker"))["ports"]
    assert (settings.worker_host, settings.worker_port) == ("0.0.0.0", port["containerPort"])
    assert "ports" not in container(chart.render(SCALED).workload("worker"))
    off = merged(SCALED, {"metrics": {"token": {"existingSecret": "x"}}, "config": {"metrics": {"enabled": False}}})
    assert "ports" not in container(chart.render(off).workload("worker"))
    policies = {each["metadata"]["name"]: each["spec"] for each in scaled.of_kind("NetworkPolicy")}
    prometheus = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    [rule] = policies["demo-protes-worker"]["ingress"]
    assert rule["from"] == prometheus
    assert selects(policies["demo-protes-worker"]["podSelector"]["matchLabels"], pod(scaled.workload("worker")))
    [rule] = policies["demo-protes-api"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}, *prometheus]


def test_pods_roll_with_the_configuration_alone(chart: Chart) -> None:
    def sums(values: Mapping[str, Any]) -> set[str]:
        made = chart.render(merged(SCALED, values))
        return {pod(each)["metadata"]["annotations"]["checksum/configuration"] for each in made.workloads}

    plain = sums({})
    assert len(plain) == 1
    assert sums({"api": {"replicas": 7}}) == plain
    assert sums({"config": {"currency": "USD"}}).isdisjoint(plain)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 3}, "replicas"),
        ({"api": {"replica": 3}}, "replica"),
        ({"config": {"servr": {}}}, "servr"),
        ({"config": {"server": {"thread": 1}}}, "thread"),
        ({"config": {"instances": [{"id": "a", "url": "https://a.example.org", "token": "x"}]}}, "token"),
        ({"config": {"server": {"operator_token": "a-secret-that-is-long"}}}, "operator_token"),
        ({"config": {"store": {"url": "mongodb://u:p@h/d"}}}, "store"),
        ({"config": {"runner": {"broker_url": "amqp://u:p@h"}}}, "broker_url"),
        ({"secrets": {"operatorToken": {"value": "a-secret"}}}, "value"),
        ({"secrets": {"env": [{"name": "A", "value": "a-secret"}]}}, "value"),
        ({"mode": "both"}, "mode"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.token.existingSecret"),
        ({"metrics": {"serviceMonitor": {"enabled": True}, "token": {"existingSecret": "x"}}}, "metrics.ingressFrom"),
        ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "interval"),
        ({"metrics": {"token": {"existingSecret": "x"}}, "config": {"metrics": {"public": True}}}, "at most one"),
        ({"config": {"metrics": {"token": "a-secret-that-is-long"}}}, "token"),
        ({"config": {"metrics": {"worker_port": 9000}}}, "worker_port"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"mode": "scaled"}, "secrets.storeUrl.existingSecret"),
        ({"api": {"autoscaling": {"enabled": True}}}, "autoscaling needs mode scaled"),
        ({"secrets": {"storeUrl": {"existingSecret": "mongo"}}}, "secrets.storeUrl is for mode scaled"),
        (merged(SCALED, {"networkPolicy": {"egress": {"broker": []}}}), "networkPolicy.egress.broker"),
        ({"networkPolicy": {"ingressFrom": [{"pods": {}}]}}, "pods"),
    ],
)
def test_what_is_not_known_or_cannot_work_is_refused(chart: Chart, values: Mapping[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        chart.render(values)
    assert "a-secret" not in str(refused.value)


def _environment(made: Rendered, component: str) -> dict[str, str]:
    """Return the container's environment, with something in the place of each secret."""
    secrets = {"PROTES_SERVER__OPERATOR_TOKEN": "correct-horse-battery-staple"}
    return {name: secrets.get(name, value) for name, value in made.environment(component).items()}


def _secret_files(workload: Document) -> dict[str, tuple[str, str]]:
    """Return which key of which Secret each file is."""
    [where] = [each["mountPath"] for each in container(workload)["volumeMounts"] if each["name"] == "secrets"]
    [volume] = [each for each in pod(workload)["spec"]["volumes"] if each["name"] == "secrets"]
    return {
        f"{where}/{item['path']}": (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
