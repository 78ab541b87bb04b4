"""What the page of servers says in each of its cells, measured: by title of the column.

A measurement drives a gateway in front of a fake, or asks the gateway's planner where the word is about what is not
sent at all. It returns the words of the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from middleware.feasible_dialect import FEATURES, document_bytes
from middleware.needs import Feature
from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, prepare
from protes.planning.convert import task_view
from protes.store.ids import new_task_id
from protes.store.records import Phase
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import Case, forwarded, gateway_to, last_attempt, plain, sweeps
from tests.support.dialects.ours import Node
from tests.support.harness import Harness

SCHEMES = ("file", "ftp", "ftps", "gs", "http", "https", "s3", "sftp", "strange", "swift")
PARAMETERS = ("anything", "internal_path_prefix", "vm_size", "workflow_execution_identity")
TAGS = {"GROUP_NAME": "", "_WORKER_SA": "", "ms-backend-batch-pool-id": "", "ms-submitter-*": "ms-submitter-name"}
_HUGE = 10_000_000


@dataclass(frozen=True)
class Bench:
    """A gateway in front of one fake."""

    fake: DialectFake
    gateway: Harness

    def client(self) -> InstanceClient:
        """The gateway's client of the fake."""
        [known] = self.gateway.services.federation.view().instances
        return self.gateway.services.federation.client(known.base_url or "", known.dialect)

    def arrives(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Send a task as dispatch would; return what arrived."""
        client = self.client()
        request = build_request(document, client.dialect, marker="m-1", gateways=("here",))
        client.create(request, self.gateway.clock.monotonic() + 5)
        arrived: dict[str, Any] = self.fake.server.requests()[-1].json()
        return arrived

    def reason(self, changes: Mapping[str, Any], **preference: str) -> str:
        """Say why a task is not sent there; "" where it may be."""
        tags = {f"protes.{name}": value for name, value in preference.items()}
        base = {"executors": [{"image": "a", "command": ["b"]}], "tags": tags}
        submission = Submission({**base, **changes}, "/ga4gh/tes/v1")
        record = prepare(self.gateway.services, ANONYMOUS, submission)
        reason = self.gateway.services.planner.plan(record, ask=False).reasons.get("a")
        return reason.text if reason is not None else ""


def _named(names: Iterable[str], universe: Iterable[str] | None = None) -> str:
    found = sorted(names)
    if universe is not None and found == sorted(universe):
        return "any"
    return ", ".join(f"`{each}`" for each in found) or "none"


def _asked(fake: DialectFake) -> list[str]:
    return [f"{each.method} {each.path.rsplit('/', 1)[1]}" for each in fake.server.requests()]


def lost_submission(bench: Bench) -> str:
    bench.fake.fault("create", "500_after_commit")
    bench.gateway.post(plain(bench.fake))
    bench.gateway.turn()
    bench.fake.server.forget()
    sweeps(bench.gateway)
    queries = [each.query for each in bench.fake.server.requests() if each.path.endswith("/tasks")]
    if not queries:
        return "never"
    by = {"tag_key": "by its tag", "name_prefix": "by its name"}
    return next((text for name, text in by.items() if name in queries[0]), "newest looked through")


def certain_after(bench: Bench) -> str:
    bench.fake.fault("create", "500")
    task_id = bench.gateway.post(plain(bench.fake))
    bench.gateway.turn()
    passed = 0.0

    def phase(until: float) -> Phase:
        nonlocal passed
        bench.gateway.turn(until - passed)
        bench.gateway.turn(2.1)
        passed = until + 2.1
        return bench.gateway.record(task_id).attempts[0].phase

    for seconds in (5.0, 60.0, 600.0):
        if phase(seconds - 2.2) is Phase.REJECTED:
            return f"before {seconds:g} s"
        phase(seconds + 0.1)
        if phase(seconds + 4.4) is Phase.REJECTED:
            return f"{seconds:g} s"
    return "never"


def errors_are_final(bench: Bench) -> str:
    task_id, copy = _running(bench)
    bench.fake.finish(copy, 3)
    sweeps(bench.gateway)
    return "yes" if bench.gateway.state(task_id).endswith("ERROR") else "no"


def cancelled_work_stops(bench: Bench) -> str:
    """Only where it does is a task that does not start taken back to be sent elsewhere."""
    with Node() as other, gateway_to(bench.fake, other, dispatch={"requeue_stuck_seconds": 30}) as gateway:
        forwarded(gateway, bench.fake)
        gateway.turns(8, 31)
        if other.count("create") == 0:
            return "no"
        return "yes" if not any(each.working for each in bench.fake.tasks.values()) else "it does not"


def many_are_listed(bench: Bench) -> str:
    for _ in range(12):
        bench.gateway.post(plain(bench.fake))
    bench.gateway.turn()
    bench.fake.server.forget()
    sweeps(bench.gateway)
    lists = [each.query for each in bench.fake.server.requests() if each.path.endswith("/tasks")]
    if not lists:
        return "no"
    return "yes, per state" if all("state" in query for query in lists) else "yes"


def looked_at_every(bench: Bench) -> str:
    relay = {"first_poll_seconds": 0.001, "growth": 1e-9}
    with gateway_to(bench.fake, relay=relay) as gateway:
        gateway.post(plain(bench.fake))
        gateway.turns(2, 0.01)
        gateway.turn(40)
        passed = 0.0
        for seconds in (0.2, 0.5, 1.0, 5.0, 10.0, 30.0):
            bench.fake.server.forget()
            gateway.turn(seconds - 0.01 - passed)
            early = [each for each in _asked(bench.fake) if not each.endswith("service-info")]
            gateway.turn(0.02)
            late = [each for each in _asked(bench.fake) if not each.endswith("service-info")]
            if early or late:
                return f"every {seconds:g} s at most" if not early else f"before {seconds:g} s"
            passed = seconds + 0.01
    return "never"


def looked_at_before_cancel(bench: Bench) -> str:
    task_id, _ = _running(bench)
    bench.fake.server.forget()
    bench.gateway.cancel(task_id)
    bench.gateway.turn()
    first = next(each for each in _asked(bench.fake) if not each.endswith("service-info"))
    return "yes" if first.startswith("GET") else "no"


def submission_is_waited_for(bench: Bench) -> str:
    patient = {"create_seconds": 400, "lease_seconds": 600}
    with gateway_to(bench.fake, dispatch=patient) as gateway:
        return f"{Bench(bench.fake, gateway).client().timeouts.post_seconds:g} s"


def fields_of_1_1(bench: Bench) -> str:
    data, url = bench.fake.DATA, "https://data.example.org/all"
    text = json.dumps(
        bench.arrives(
            {
                "inputs": [{"url": url, "path": f"{data}/in", "streamable": True}],
                "outputs": [{"url": bench.fake.OUTPUT, "path": f"{data}/*", "path_prefix": data}],
                "resources": {"backend_parameters": {"vm_size": "b"}, "backend_parameters_strict": False},
                "executors": [{"image": "a", "command": ["b"], "ignore_error": False}],
            }
        )
    )
    names = ("backend_parameters", "backend_parameters_strict", "ignore_error", "path_prefix", "streamable")
    return _named(name for name in names if f'"{name}"' in text)


def cores(bench: Bench) -> str:
    arrived = bench.arrives({**plain(bench.fake), "resources": {"cpu_cores": 2.5}})["resources"]["cpu_cores"]
    return {3: "whole", 2.5: "any"}[arrived]


def executors(bench: Bench) -> str:
    one = {"image": "a", "command": ["b"]}
    most = max(count for count in range(1, 9) if not bench.reason({"executors": [one] * count}))
    return "any" if most == 8 else str(most)


def longest_run(bench: Bench) -> str:
    most = _greatest(lambda seconds: not bench.reason({}, runtime_seconds=str(seconds)))
    return "any" if most == _HUGE else f"{most:,} s"


def largest_task(bench: Bench) -> str:
    most = _greatest(lambda length: not bench.reason({"description": "x" * length}), 300_000)
    if most == 300_000:
        return "any"
    document = {"executors": [{"image": "a", "command": ["b"]}], "description": "x" * most}
    task_id = new_task_id(bench.gateway.clock.now())
    return f"{document_bytes(task_view(task_id, document)):,} bytes"


def not_sent_what_needs(bench: Bench) -> str:
    return _named(
        feature
        for feature in get_args(Feature)
        if f"does not support {FEATURES[feature]}" in bench.reason(_needing(feature, bench.fake.DATA))
    )


def _needing(feature: str, data: str) -> dict[str, Any]:
    """A task that needs a feature, and no other."""

    def executor(**fields: Any) -> dict[str, Any]:
        return {"executors": [{"image": "a", "command": ["b"], **fields}]}

    def item(**fields: Any) -> dict[str, Any]:
        return {"inputs": [{"path": f"{data}/in", "type": "FILE", **fields}]}

    output = {"url": "https://h/x", "path": f"{data}/*", "path_prefix": data, "type": "FILE"}
    tasks: dict[str, dict[str, Any]] = {
        "backend_parameters": {"resources": {"backend_parameters": {"a": "b"}}},
        "blanks": executor(env={"A": "x y"}),
        "content": item(content="x"),
        "directory_content": item(content="x", type="DIRECTORY"),
        "empty_content": item(content=""),
        "fractional_ram": {"resources": {"ram_gb": 0.5}},
        "ignore_error": executor(ignore_error=True),
        "path_like_arguments": executor(command=["b", "a//b"]),
        "path_prefix": {"outputs": [output]},
        "stderr": executor(stderr=f"{data}/err"),
        "stdin": executor(stdin=f"{data}/in"),
        "stdout": executor(stdout=f"{data}/out"),
        "volumes": {"volumes": [f"{data}/v"]},
        "workdir": executor(workdir=data),
    }
    return tasks[feature]


def input_schemes(bench: Bench) -> str:
    return _schemes(bench, "inputs")


def output_schemes(bench: Bench) -> str:
    return _schemes(bench, "outputs")


def _schemes(bench: Bench, part: str) -> str:
    def taken(scheme: str) -> bool:
        url = f"{scheme}://{'' if scheme == 'file' else 'host'}/elsewhere/x"
        return not bench.reason({part: [{"url": url, "path": f"{bench.fake.DATA}/x", "type": "FILE"}]})

    return _named(filter(taken, SCHEMES), SCHEMES)


def strict_parameters(bench: Bench) -> str:
    def taken(name: str) -> bool:
        strict = {"backend_parameters": {name: "x"}, "backend_parameters_strict": True}
        return not bench.reason({"resources": strict})

    return _named(filter(taken, PARAMETERS), PARAMETERS)


def tags_never_sent(bench: Bench) -> str:
    samples = {sample or shown: shown for shown, sample in TAGS.items()}
    arrived = bench.arrives({**plain(bench.fake), "tags": dict.fromkeys(samples, "x")})["tags"]
    return _named(shown for sample, shown in samples.items() if sample not in arrived)


def url_credentials(bench: Bench) -> str:
    item = {"url": "ftp://ann:secret@data.example.org/in", "path": f"{bench.fake.DATA}/in", "type": "FILE"}
    [arrived] = bench.arrives({**plain(bench.fake), "inputs": [item]})["inputs"]
    return {item["url"]: "sent", "ftp://data.example.org/in": "taken out"}[arrived["url"]]


def _running(bench: Bench) -> tuple[str, str]:
    """A task that runs, as far as the family shows it: its id, and that of its copy."""
    task_id = bench.gateway.post(plain(bench.fake))
    bench.gateway.turn()
    copy = last_attempt(bench.gateway, task_id).instance_task_id or ""
    if copy in bench.fake.tasks:
        bench.fake.start(copy)
    sweeps(bench.gateway)
    return task_id, next(iter(bench.fake.tasks))


def _greatest(fits: Callable[[int], bool], top: int = _HUGE) -> int:
    """The greatest number from 1 on for which it is true, where it is true up to some number."""
    low, high = 1, top
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


MEASURES: Mapping[str, Callable[[Bench], str]] = {
    "lost submission": lost_submission,
    "certain after": certain_after,
    "errors are final": errors_are_final,
    "cancelled work stops": cancelled_work_stops,
    "many tasks are listed": many_are_listed,
    "a task is looked at": looked_at_every,
    "looked at before it is cancelled": looked_at_before_cancel,
    "a submission is waited for, within `dispatch.create_seconds`": submission_is_waited_for,
    "fields of TES 1.1 sent": fields_of_1_1,
    "cores": cores,
    "executors": executors,
    "longest run": longest_run,
    "largest task": largest_task,
    "not sent what needs": not_sent_what_needs,
    "schemes of inputs": input_schemes,
    "schemes of outputs": output_schemes,
    "backend_parameters, where strict, unless it names its own": strict_parameters,
    "tags never sent": tags_never_sent,
    "`user:password@` in URLs": url_credentials,
}
"""By title of the column."""


def measured(family: str, title: str) -> str:
    """Measure a cell."""
    with Case(family).fake() as fake:
        fake.names_parameters = False
        with gateway_to(fake) as gateway:
            return MEASURES[title](Bench(fake, gateway))
