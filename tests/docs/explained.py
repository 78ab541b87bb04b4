"""Which blocks of the documentation are not executed, and why. Everything else in these languages is."""

from collections.abc import Mapping

RUN = ("api.md", "command-line.md", "offers.md", "operators.md", "start.md", "users.md")
"""Pages whose commands are carried out, in order, in one shell, against a demo federation."""

NOT_RUN: Mapping[tuple[str, str], str] = {
    ("start.md", "make run"): "sets up the checkout; tests of the demo start the same federation",
    (
        "start.md",
        "protes check-config --config gateway.yaml",
    ): "names sites that do not exist, and serves until stopped",
    ("start.md", "python3 -m build --wheel --outdir dist ."): "tests/packaging builds, installs and runs the wheel",
    ("operators.md", "python3 -m venv /opt/protes"): "installs for the machine; tests/packaging does it elsewhere",
    (
        "offers.md",
        "BROKER=http://localhost:8080/ivoa/execution-broker/v1",
    ): "asks for an input at S3, which no node of the demo takes; tests/api/test_broker.py asks for others",
    (
        "offers.md",
        """curl -s http://localhost:8080/ga4gh/tes/v1/tasks --json '{"executors": [{"image": "alpine", """
        """"command": ["true"]}],""",
    ): "names an offer that was somebody else's",
}
"""Blocks of pages that are run otherwise, by page and first line."""

PAGES_NOT_RUN: Mapping[str, str] = {
    "authentication.md": "serves until stopped, and asks for passwords; tests/api/test_auth_cli.py runs its commands",
    "engines.md": "each is a file that tests/engines runs with the engine itself (tests/api/test_engine_docs.py)",
    "events.md": "streams until it is stopped; tests/api has tests of events",
    "operations.md": "needs a container engine, a cluster or a store in /data; tests/deployment runs what can be",
    "registry.md": "needs an operator's token; tests/api/test_registry.py makes the same calls",
    "scaling.md": "needs RabbitMQ and serves until stopped; tests/services runs the same programs",
    "task-instances.md": "names instances that do not exist; tests/api/test_task_instances.py has others",
}
"""Pages with commands that are not run; each command of protes in them is still read by the parser."""

OPAQUE: Mapping[str, str] = {
    "": "what a program prints, or of another program",
    "text": "a drawing, or what a program prints",
    "groovy": "Nextflow's",
    "hocon": "Cromwell's",
    "ini": "systemd's, or an engine's",
    "js": "a browser's",
    "nginx": "nginx's",
    "wdl": "a workflow",
}
"""Languages of other programs."""

OTHER_YAML: Mapping[str, str] = {
    "# request.yaml": "a request to the Execution Broker, which offers.md sends",
    "# prometheus.yml": "Prometheus's own",
    "# values.yaml": "values of the Helm chart (tests/deployment/test_operations.py)",
    "# scaled.yaml": "values of the Helm chart (tests/deployment/test_operations.py)",
    "# monitored.yaml": "values of the Helm chart (tests/deployment/test_operations.py)",
}
"""YAML that is no configuration of the gateway, by its first line."""

COMPILED: Mapping[tuple[str, str], str] = {
    ("events.md", "# receiver.py"): "serves until it is stopped; tests of events receive what is sent",
}
"""Python that is read and not run, by page and first line."""

BEFORE: Mapping[str, str] = {
    "api.md": "ID=$(protes submit task.json --wait --json 2>/dev/null | python3 -c 'import json, sys; "
    'print(json.load(sys.stdin)["id"])\')',
}
"""What has happened on a page before its first command."""
