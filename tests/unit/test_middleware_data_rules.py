"""`data_rules`: where data may be processed."""

from typing import Any

import pytest

from middleware import DataObject, DataRule, InputView, Reason, Replica
from tests.support.middleware_context import asking
from tests.support.middleware_samples import candidate, chain, order, task

GERMAN = candidate("german", zone="de")
CLOUD = candidate("cloud", zone="AWS:eu-central-1")
NOWHERE = candidate("nowhere")
ALL = [GERMAN, CLOUD, NOWHERE]

PATIENTS = DataRule(prefix="s3://patients/", zones=frozenset({"DE"}))
CLOUDY = DataRule(prefix="s3://patients/open/", zones=frozenset({"aws"}), instances=frozenset({"nowhere"}))
DRS = "drs://data.example/1"


def allowed(
    *urls: str, rules: tuple[DataRule, ...] = (PATIENTS, CLOUDY), kind: str = "FILE", **context: Any
) -> list[str]:
    of = task(inputs=tuple(InputView(path=f"/i{n}", url=url, type=kind) for n, url in enumerate(urls)))
    return order(chain("data_rules").distribute(asking(ALL, of=of, data_rules=rules, **context)))


def known(*urls: str) -> dict[str, DataObject]:
    return {DRS: DataObject(replicas=tuple(Replica(url=url) for url in urls))}


EVERYWHERE = ["cloud", "german", "nowhere"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://other/x", EVERYWHERE),
        ("s3://patients/x", ["german"]),
        ("S3://Patients/x", ["german"]),
        ("s3://patients/OPEN/x", ["german"]),
        ("s3://patients/open/x", ["cloud", "nowhere"]),
        ("s3://patients2/x", EVERYWHERE),
        ("s3://other/../patients/x", EVERYWHERE),
        ("s3://patients//x", ["german"]),
    ],
)
def test_the_longest_prefix_wins(url: str, expected: list[str]) -> None:
    assert allowed(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://h.example/secret/x",
        "https://H.example:443/secret/x",
        "https://h.example/open/../secret/x",
        "https://h.example//secret/x",
        "https://h.example/%73ecret/x",
        "https://me@h.example/secret/x",
    ],
)
def test_no_other_spelling_gets_around_a_rule(url: str) -> None:
    rules = (DataRule(prefix="HTTPS://h.example/secret/", zones=frozenset({"DE"})),)
    assert allowed(url, rules=rules) == ["german"]


@pytest.mark.parametrize("url", ["/data/secret/x", "file:///data/secret/x", "file://localhost/data/secret/x"])
@pytest.mark.parametrize("prefix", ["/data/secret/", "file:///data/secret/"])
def test_a_bare_path_is_a_file_url(url: str, prefix: str) -> None:
    assert allowed(url, rules=(DataRule(prefix=prefix, zones=frozenset({"DE"})),)) == ["german"]


def test_all_inputs_count() -> None:
    assert allowed("s3://patients/x", "s3://patients/open/x") == []


def test_content_and_a_task_without_rules_are_free() -> None:
    of = task(inputs=(InputView(path="/i", url="s3://patients/x", content="mine"),))
    assert order(chain("data_rules").distribute(asking(ALL, of=of, data_rules=(PATIENTS,)))) == EVERYWHERE
    assert allowed("s3://patients/x", rules=()) == EVERYWHERE


def test_a_directory_falls_under_the_rules_for_what_lies_within() -> None:
    assert allowed("s3://patients", kind="DIRECTORY", rules=(PATIENTS,)) == ["german"]
    assert allowed("s3://patients/", kind="DIRECTORY") == []


def test_a_replica_brings_an_input_under_a_rule() -> None:
    assert allowed(DRS, data=known("https://mirror/x", "s3://patients/open/x")) == ["cloud", "nowhere"]


def test_the_reason_names_input_prefix_and_places() -> None:
    of = task(
        inputs=tuple(InputView(path=f"/{n}", url=url) for n, url in enumerate(["s3://a", *["s3://patients/k"] * 3]))
    )
    rejected = chain("data_rules").distribute(asking(ALL, of=of, data_rules=(PATIENTS,))).rejected
    assert rejected["cloud"] == Reason(
        code="data_rules",
        text="is in zone AWS:eu-central-1, but inputs[1] and 2 more (s3://patients/) may be processed in DE only",
        permanent=True,
    )
    assert rejected["nowhere"].text.startswith("declares no zone, but inputs[1]")
    assert "s3://patients/k" not in rejected["cloud"].text


@pytest.mark.parametrize(
    ("prefix", "data", "permanent"),
    [
        (DRS, {}, False),
        (DRS, known("https://mirror/x"), True),
        ("https://mirror/", known("https://mirror/x"), False),
    ],
)
def test_only_what_the_document_says_is_permanent(prefix: str, data: dict[str, DataObject], permanent: bool) -> None:
    of = task(inputs=(InputView(path="/i", url=DRS),))
    rule = DataRule(prefix=prefix, zones=frozenset({"DE"}))
    reason = chain("data_rules").distribute(asking([CLOUD], of=of, data=data, data_rules=(rule,))).rejected["cloud"]
    assert reason.permanent is permanent


def test_what_is_not_resolved_goes_anywhere_unless_told_to_wait() -> None:
    assert allowed(DRS) == EVERYWHERE
    of = task(inputs=(InputView(path="/i", url=DRS),))
    waiting = chain("data_rules", unresolved="wait")
    reason = waiting.distribute(asking([GERMAN], of=of, data_rules=(PATIENTS,))).rejected["german"]
    assert (reason.code, reason.permanent) == ("data_rules", False)
    assert reason.text.startswith("inputs[0] is not resolved yet")
    for context in ({"data_rules": ()}, {"data_rules": (PATIENTS,), "data": known("https://mirror/x")}):
        assert order(waiting.distribute(asking([GERMAN], of=of, **context))) == ["german"]
