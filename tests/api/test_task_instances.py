"""POST /tasks with instances that the task brings along: what is refused, what is stored, and that nobody is asked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from protes.api.preference_values import READERS
from protes.config.settings import Settings
from protes.federation.brought import client_id
from protes.tes.build import build_request
from protes.tes.dialects import DIALECTS
from tests.api.conftest import TASK, Api, problem_of, serving
from tests.api.test_federation import assert_fits
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import ScriptedServer, Stall, refused_url
from tests.support.waiting import wait_until

NEW = "https://new.example.org"
REGISTRY = "https://registry.example.org/ga4gh/registry/v1"
TES_TAG, REGISTRY_TAG = "protes.tes_urls", "protes.service_registry_urls"


def task(tes: Any = None, registries: Any = None, **tags: str) -> dict[str, Any]:
    given = {f"protes.{name}": value for name, value in tags.items()}
    given |= {TES_TAG: json.dumps(tes)} if tes is not None else {}
    given |= {REGISTRY_TAG: json.dumps(registries)} if registries is not None else {}
    return {**TASK, "tags": given}


def refusals(api: Api, document: dict[str, Any]) -> dict[str, str]:
    problem = problem_of(api.post("/ga4gh/tes/v1/tasks", document), 400)
    return {error["field"]: error["detail"] for error in problem["errors"]}


def probe(api: Api) -> None:
    """Have every instance probed, so that the view of the federation is complete."""
    federation = api.gateway.services.federation

    def complete() -> bool:
        for key in federation.due_probes():
            federation.probe(key)
        federation.forget_view()
        view = federation.view()
        return view.complete and len(view.instances) == 2 and all(each.base_url for each in view.instances)

    wait_until(complete, "the federation is known")


Known = tuple[Api, FakeTes, FakeTes, FakeRegistry]


@contextmanager
def knowing(policy: str) -> Iterator[Known]:
    """A gateway that knows a configured instance, own, and one that a registry lists, listed."""
    with FakeTes() as own, FakeTes() as listed, FakeRegistry([service_entry(listed.url, name="listed")]) as registry:
        instances, registries = [{"id": "own", "url": own.url}], [{"url": registry.url}]
        with serving(instances=instances, registries=registries, task_instances={"policy": policy}) as api:
            probe(api)
            yield api, own, listed, registry


@pytest.fixture(scope="module")
def _subset() -> Iterator[Known]:
    with knowing("subset") as known:
        yield known


@pytest.fixture(scope="module")
def _open() -> Iterator[Known]:
    with knowing("open") as known:
        yield known


@pytest.fixture
def subset(_subset: Known) -> Iterator[Known]:
    yield _subset
    _subset[0].clear()


@pytest.fixture
def opened(_open: Known) -> Iterator[Known]:
    yield _open
    _open[0].clear()


@pytest.fixture(scope="module")
def private() -> Iterator[Api]:
    """A gateway that takes instances inside its own network too."""
    with serving(task_instances={"policy": "open", "allow_private": True, "allow_http": True}) as api:
        yield api


# What can be read


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (TES_TAG, "https://tes.example.org", "must be a JSON list of 1 to 16 URLs"),
        (TES_TAG, "[]", "must be a JSON list of 1 to 16 URLs"),
        (TES_TAG, '{"a": "b"}', "must be a JSON list of 1 to 16 URLs"),
        (TES_TAG, json.dumps([NEW] * 17), "must be a JSON list of 1 to 16 URLs"),
        (REGISTRY_TAG, json.dumps([NEW] * 5), "must be a JSON list of 1 to 4 URLs"),
        (TES_TAG, json.dumps([NEW, 5]), "[1]: must be a string"),
        (TES_TAG, json.dumps([NEW, f"{NEW}/{'x' * 2048}"]), "[1]: must be 2048 characters at most"),
        (TES_TAG, '["ftp://tes.example.org"]', "[0]: the URL does not start with http:// or https://"),
        (TES_TAG, '["https://me:hunter2@tes.example.org"]', "[0]: the URL contains user information"),
        (TES_TAG, '["https://tes.example.org?token=hunter2"]', "[0]: the URL has a query or a fragment"),
        (TES_TAG, '["https://tes.example.org#hunter2"]', "[0]: the URL has a query or a fragment"),
        (TES_TAG, '["http://2130706433"]', "[0]: the URL's host is neither a name nor an address"),
        (TES_TAG, '["http://0x7f.1"]', "[0]: the URL's host is neither a name nor an address"),
        (TES_TAG, '["http://0177.0.0.1"]', "[0]: the URL's host is neither a name nor an address"),
        (TES_TAG, '["http://[fe80::1%25eth0]"]', "[0]: the URL's host is neither a name nor an address"),
        (REGISTRY_TAG, json.dumps([REGISTRY, "http://"]), "[1]: the URL has no host"),
        (TES_TAG, "[" * 10_000, "must be a JSON list"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field_and_place(api: Api, name: str, text: str, expected: str) -> None:
    found = refusals(api, {**TASK, "tags": {name: text}})
    assert found.keys() == {f"tags.{name}"}
    assert expected in found[f"tags.{name}"]
    assert "hunter2" not in found[f"tags.{name}"]
    parameter = name.replace(".", "_")
    found = refusals(api, {**TASK, "resources": {"backend_parameters": {parameter: text}}})
    assert found.keys() == {f"resources.backend_parameters.{parameter}"}


def test_urls_are_read_in_one_spelling_and_once() -> None:
    text = json.dumps(["https://TES.example.org:443//ga4gh/tes/v1/", "https://tes.example.org/ga4gh/tes/v1"])
    assert READERS["tes_urls"](text) == ["https://tes.example.org/ga4gh/tes/v1"]
    text = json.dumps([REGISTRY, REGISTRY + "/services/", REGISTRY.upper().replace("/GA4GH/REGISTRY/V1", "")])
    assert READERS["service_registry_urls"](text) == [REGISTRY, "https://registry.example.org"]


# off


def test_off_refuses_every_carrier_and_names_the_setting() -> None:
    with serving(task_instances={"policy": "off"}) as api:
        document = task([NEW])
        document["resources"] = {"backend_parameters": {"PROTES_Service_Registry_URLs": json.dumps([REGISTRY])}}
        found = refusals(api, document)
        assert found.keys() == {f"tags.{TES_TAG}", "resources.backend_parameters.protes_service_registry_urls"}
        assert all("task_instances.policy" in text for text in found.values())
        assert api.gateway.stores.tasks.count() == 0
        api.create(TASK)


# subset


def test_subset_takes_what_is_known_in_any_spelling(subset: Known) -> None:
    api, own, listed, registry = subset
    for tes, registries in (
        ([own.url], None),
        ([own.server.url + "/"], None),
        ([NEW, own.url], None),
        ([listed.url], None),
        (None, [registry.url]),
        (None, [REGISTRY, registry.url + "/services"]),
        ([NEW], [registry.url]),
        ([own.url], [REGISTRY]),
    ):
        record = api.record(api.create(task(tes, registries)))
        assert record.preference.get("tes_urls", []) == [each.rstrip("/") for each in tes or ()]
        assert len(record.preference.get("service_registry_urls", ())) == len(registries or ())
        assert record.preference["carrier"] == "default"


def test_subset_refuses_what_leaves_nothing_and_says_which(subset: Known) -> None:
    api, *_ = subset
    found = refusals(api, task([NEW], [REGISTRY]))
    assert NEW in found[f"tags.{TES_TAG}"]
    assert REGISTRY in found[f"tags.{REGISTRY_TAG}"]
    assert refusals(api, task([NEW])).keys() == {f"tags.{TES_TAG}"}
    assert refusals(api, task(None, [REGISTRY])).keys() == {f"tags.{REGISTRY_TAG}"}
    parameters = {"resources": {"backend_parameters": {"protes_tes_urls": json.dumps([NEW])}}}
    assert refusals(api, {**TASK, **parameters}).keys() == {"resources.backend_parameters.protes_tes_urls"}
    assert api.gateway.stores.tasks.count() == 0


def test_a_dry_run_refuses_as_a_submission_does(subset: Known) -> None:
    api, *_ = subset
    problem = problem_of(api.post("/protes/v1/offers", task([NEW])), 400)
    assert [each["field"] for each in problem["errors"]] == [f"tags.{TES_TAG}"]


def test_as_long_as_not_everything_is_known_a_task_is_taken() -> None:
    with FakeRegistry() as registry:
        registry.server.refuse()
        with serving(registries=[{"url": registry.url}]) as api:
            assert api.create(task([NEW], [REGISTRY]))
        registry.server.resume()


# open


def test_open_takes_others_and_asks_nobody(private: Api) -> None:
    with ScriptedServer() as hanging:
        hanging.on("*", "*", Stall())
        began = time.monotonic()
        task_id = private.create(task([hanging.url, NEW], [f"{hanging.url}/registry"]))
        assert time.monotonic() - began < 8
        preference = private.record(task_id).preference
        assert preference["tes_urls"] == [hanging.url, NEW]
        assert preference["service_registry_urls"] == [f"{hanging.url}/registry"]
        assert hanging.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://10.1.2.3",
        "http://[::1]",
        "http://[::ffff:c0a8:1]/x",
        "http://169.254.10.1/latest",
        "http://localhost",
        "http://tes.localhost:8000/ga4gh/tes/v1",
    ],
)
def test_open_refuses_what_shows_that_it_leads_inside(opened: Known, private: Api, url: str) -> None:
    for field, document in ((TES_TAG, task([NEW, url])), (REGISTRY_TAG, task([NEW], [REGISTRY, url]))):
        found = refusals(opened[0], document)
        assert found.keys() == {f"tags.{field}"}
        assert url in found[f"tags.{field}"]
        assert "task_instances.allow_private" in found[f"tags.{field}"]
    assert opened[0].create(task([NEW, "https://93.184.216.34"], [REGISTRY]))
    if "169.254" not in url:
        assert private.create(task([url], [url]))


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data", "http://169.254.10.1/latest"])
def test_metadata_services_are_refused_even_where_private_addresses_are_not(private: Api, url: str) -> None:
    found = refusals(private, task([url]))
    assert "outbound.allow_networks" in found["tags.protes.tes_urls"]


def test_what_the_operator_named_inside_is_known(opened: Known) -> None:
    api, own, listed, registry = opened
    assert api.create(task([own.url, listed.server.url], [registry.url, registry.url + "/services"]))


def test_a_dry_run_and_the_explanation_say_which_urls_are_of_no_use(private: Api) -> None:
    with FakeTes() as new, refused_url() as dead:
        answer = private.post("/protes/v1/offers", task([new.url, dead])).json()
        assert_fits("Offers", answer)
        offers = {each["instance"]: each["outcome"] for each in answer["offers"]}
        assert offers == {client_id(new.url): "offer", dead: "rejected"}
        task_id = private.create(task([new.url, dead]))
        routing = private.get(f"/protes/v1/tasks/{task_id}/routing").json()
        assert_fits("Routing", routing)
        assert {each["instance"]: each["outcome"] for each in routing["candidates"]} == offers


def test_an_offer_of_an_instance_that_is_brought_along_is_accepted_with_its_url(private: Api) -> None:
    with FakeTes() as new, FakeTes() as other:
        [made] = private.post("/protes/v1/offers", task([new.url])).json()["offers"]
        record = private.record(private.create(task([new.url], offer=made["offer"])))
        assert record.preference["instances"] == {"type": "allow", "instances": [client_id(new.url)]}
        found = refusals(private, task([other.url], offer=made["offer"]))
        assert found.keys() == {"tags.protes.offer"}


# Together with other choices


def choice(kind: str, *names: str) -> str:
    return json.dumps({"type": kind, "instances": list(names)})


def test_a_choice_of_instances_holds_too(subset: Known) -> None:
    api, own, listed, registry = subset
    assert api.create(task([own.url], instances=choice("allow", "own", "listed")))
    assert api.create(task(None, [registry.url], instances=choice("allow", listed.url)))
    assert api.create(task([own.url], instances=choice("forbid", "listed")))
    assert api.create(task([own.url], instances=choice("order", "listed")))
    for document in (
        task([own.url], instances=choice("allow", "listed")),
        task([own.url], instances=choice("forbid", "own")),
        task([own.url], [registry.url], instances=choice("forbid", "own", listed.url)),
    ):
        found = refusals(api, document)
        assert found.keys() == {"tags.protes.instances"}
        assert "leaves none of the instances that protes.tes_urls" in found["tags.protes.instances"]


def test_an_offer_holds_too(subset: Known) -> None:
    api, own, listed, _ = subset
    offers = api.post("/protes/v1/offers", dict(TASK)).json()["offers"]
    offer = {each["instance"]: each["offer"] for each in offers}
    assert api.create(task([own.url, listed.url], offer=offer["own"]))
    assert refusals(api, task([listed.url], offer=offer["own"])).keys() == {"tags.protes.offer"}


def test_under_open_a_choice_may_name_what_is_brought_along(opened: Known) -> None:
    api, own, _, _ = opened
    for names in ((NEW,), (NEW + "/ga4gh/tes/v1/",), (client_id(NEW),), ("own", NEW)):
        for kind in ("allow", "order"):
            assert api.create(task([NEW, own.url], instances=choice(kind, *names)))
    assert api.create(task([NEW], [REGISTRY], instances=choice("allow", "https://listed.example.org")))
    assert api.create(task([NEW], instances=choice("forbid", "own")))
    assert api.create(task([NEW], [REGISTRY], instances=choice("forbid", NEW)))
    assert refusals(api, task([NEW], instances=choice("allow", "https://other.example.org"))).keys() == {
        "tags.protes.instances"
    }
    for document in (
        task([NEW], instances=choice("allow", "own")),
        task([NEW], instances=choice("forbid", NEW)),
        task([own.url], instances=choice("forbid", "own")),
    ):
        assert "leaves none" in refusals(api, document)["tags.protes.instances"]


# The page


def test_the_examples_of_the_docs_are_such() -> None:
    page = (Path(__file__).parents[2] / "docs" / "task-instances.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert Settings.model_validate(yaml.safe_load(config)["custom"]).task_instances.policy == "open"
    [body] = re.findall(r"--json '(.*?)'\n```", page, re.DOTALL)
    urls = READERS["tes_urls"](json.loads(body)["tags"][TES_TAG])
    assert urls == ["https://tes.site-a.example.org", "https://tes.site-b.example.org/ga4gh/tes/v1"]
    [tag] = re.findall(r"'protes.service_registry_urls': '(.*?)'\]", page)
    assert READERS["service_registry_urls"](tag) == [REGISTRY]


# Forwarding


@pytest.mark.parametrize("dialect", DIALECTS)
def test_other_gateways_and_instances_are_not_told(dialect: str) -> None:
    document = task([NEW], [REGISTRY])
    document["resources"] = {"backend_parameters": {"protes_tes_urls": json.dumps([NEW])}}
    preference = {"weight": "0.5", "tes_urls": [NEW], "service_registry_urls": [REGISTRY]}
    request = build_request(
        document, DIALECTS[dialect], marker="abc-1", gateways=("gateway-one",), preference=preference
    )
    assert "example.org" not in json.dumps(request)
