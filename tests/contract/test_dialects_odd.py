"""What no server should do and some do: ids that are no words, tokens that lead nowhere; and Cromwell's tasks."""

import json
from urllib.parse import quote

import pytest

from protes.store.records import Phase
from protes.tes.dialects.table import dialect_named
from tests.support.cromwell_tasks import for_ga4gh_tes, for_tesazure
from tests.support.dialects.cromwell import SIGNATURE
from tests.support.dialects.driving import FAMILIES_THAT_RUN, Case, gateway_to, last_attempt, plain, sweeps
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ours import Node

OF_ONE_SHAPE = ("ga4gh-tes", "tesp", "tesp-sh")
"""Families whose ids have a shape that they insist on."""

ANY_ID = [case for case in FAMILIES_THAT_RUN if case.family not in OF_ONE_SHAPE]
ODD_IDS = ("a/b/../c", "a?b=c#d", "ä ö 任务", "100%25%2F", "x:cancel", "+&=;,'\"", "..x", "y" * 512)
UNUSABLE_IDS = ("", ".", "..", "z" * 513, "a\nb", " ")
LISTED = [case for case in FAMILIES_THAT_RUN if dialect_named(case.family).listing is not None]


@pytest.mark.parametrize("case", ANY_ID, ids=str)
def test_odd_ids_are_followed_and_cancelled(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake, relay={"list_from": 100}) as gateway:
        fake.odd_ids = ODD_IDS
        tasks = [gateway.post(plain(fake)) for _ in ODD_IDS]
        gateway.turns(3, 1)
        ids = [last_attempt(gateway, each).instance_task_id or "" for each in tasks]
        assert sorted(ids) == sorted(ODD_IDS)
        for place, task_id in enumerate(ids):
            if place % 2:
                fake.finish(task_id)
            else:
                gateway.cancel(tasks[place])
        gateway.turns(6, 61)
        states = [gateway.state(each) for each in tasks]
        assert states == ["COMPLETE" if place % 2 else "CANCELED" for place in range(len(ids))]
        assert [fake.tasks[each].cancels > 0 for each in ids] == [place % 2 == 0 for place in range(len(ids))]
        asked = {each.path.rpartition("/tasks/")[2] for each in fake.server.requests() if "/tasks/" in each.path}
        assert {quote(each, safe="") for each in ODD_IDS} <= asked


@pytest.mark.parametrize("family", ["unknown", "node", "funnel"])
@pytest.mark.parametrize("odd", UNUSABLE_IDS, ids=["empty", "dot", "dots", "long", "line-break", "blank"])
def test_an_id_that_cannot_be_asked_for_never_makes_a_second_copy(family: str, odd: str) -> None:
    with FAMILIES[family]() as fake, Node() as other, gateway_to(fake, other) as gateway:
        fake.odd_ids = (odd,)
        task_id = gateway.post(plain(fake), weight="0")
        gateway.turn()
        attempt = gateway.record(task_id).attempts[0]
        assert attempt.phase is Phase.UNKNOWN
        assert "without a usable id" in (attempt.message or "")
        assert (fake.count("create"), other.count("create")) == (1, 0)


@pytest.mark.parametrize("token", ["again", "None", "N/A", "null", "", " "])
@pytest.mark.parametrize("case", LISTED, ids=str)
def test_a_token_that_leads_nowhere_ends_the_list(case: Case, token: str) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        tasks = [gateway.post(plain(fake)) for _ in range(6)]
        gateway.turns(2, 1)
        for copy in list(fake.tasks.values()):
            fake.start(copy.id)
        sweeps(gateway)
        fake.odd_token = token
        fake.finish(last_attempt(gateway, tasks[0]).instance_task_id or "")
        fake.server.forget()
        sweeps(gateway)
        # One listing per state, each gone on with at most once; and each task asked for where the list was of no use.
        listing = dialect_named(case.family).listing
        assert listing is not None
        assert fake.count("list") <= 2 * max(1, len(listing.states))
        sweeps(gateway)
        ended = gateway.state(tasks[0])
        assert ended == "COMPLETE"
        assert {gateway.state(each) for each in tasks[1:]} == {"RUNNING"}


@pytest.mark.parametrize("token", ["again", "N/A", "None"])
@pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)
def test_a_search_whose_token_leads_nowhere_ends_too_and_finds_what_it_shows(case: Case, token: str) -> None:
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        fake.odd_token = token
        fake.fault("create", "500_after_commit")
        task_id = gateway.post(plain(fake), weight="0")
        gateway.turn()
        fake.server.forget()
        sweeps(gateway)
        assert fake.count("list") <= 3
        assert last_attempt(gateway, task_id).phase is Phase.ACCEPTED
        assert other.count("create") == 0


def test_tesazure_takes_cromwells_task_for_what_it_is_and_its_signatures_stay_there() -> None:
    document = for_tesazure()
    with FAMILIES["tesazure"]() as fake, gateway_to(fake) as gateway:
        task_id = gateway.post({**document, "tags": {"ms-submitter-name": "mine", "label": "x"}})
        gateway.turn()
        [copy] = fake.tasks.values()
        assert copy.document["tags"]["ms-submitter-workflow-stage"] == "bwa"
        assert copy.document["tags"]["ms-submitter-cromwell-executiondir"].endswith("/call-bwa/execution")
        assert all(SIGNATURE in each["url"] for part in ("inputs", "outputs") for each in copy.document[part])
        copy.system_logs.append(f"uploading to {copy.document['outputs'][0]['url']}")
        fake.finish(copy.id)
        sweeps(gateway, 2)
        shown = gateway.task(task_id)
        assert (shown["state"], shown["inputs"], shown["outputs"]) == (
            "COMPLETE",
            document["inputs"],
            document["outputs"],
        )
        assert shown["tags"] == {"ms-submitter-name": "mine", "label": "x"}
        assert shown["logs"][0]["metadata"]["ms-submitter-workflow-stage"] == "bwa"
        assert SIGNATURE not in json.dumps(shown) + repr(gateway.record(task_id))


def test_tesazure_takes_nobody_elses_task_for_cromwells() -> None:
    with FAMILIES["tesazure"]() as fake, gateway_to(fake) as gateway:
        gateway.post({**plain(fake), "tags": {"ms-submitter-name": "cromwell"}})
        gateway.turn()
        [copy] = fake.tasks.values()
        assert not any(name.startswith("ms-submitter") for name in copy.document["tags"])


def test_ga4gh_tes_takes_cromwells_task_for_what_it_is() -> None:
    document = for_ga4gh_tes()
    with FAMILIES["ga4gh-tes"]() as fake, gateway_to(fake) as gateway:
        task_id = gateway.post(document)
        gateway.turn()
        [copy] = fake.tasks.values()
        assert (len(copy.id), copy.id[8]) == (41, "_")
        assert [each["url"] for each in copy.document["outputs"]] == [each["url"] for each in document["outputs"]]
        fake.start(copy.id)
        sweeps(gateway)
        assert gateway.state(task_id) == "RUNNING"
        fake.finish(copy.id)
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"
        assert gateway.task(task_id)["outputs"] == document["outputs"]
