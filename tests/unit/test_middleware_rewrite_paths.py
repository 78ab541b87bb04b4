"""Rewrite `rewrite_paths`, and what `feasible` makes of it."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from middleware import (
    Candidate,
    ChainError,
    InputView,
    Limits,
    MiddlewareConfigError,
    OutputView,
    Permission,
    StepSpec,
    TaskView,
    build_chain,
)
from middleware.path_mapping import is_below, joined, path_of
from protes.config.settings import Settings
from protes.planning.convert import task_view
from tests.support.cromwell_tasks import for_tesazure
from tests.support.middleware_context import asking
from tests.support.middleware_samples import candidate, order, task

ACCOUNT = "https://account.blob.core.windows.net"
SHARED = {"prefix": "/tes-wd/shared", "url": f"{ACCOUNT}/runs/shared", "sas": "runs"}
DEEPER = {"prefix": "/tes-wd/shared/ref/", "url": "https://refs.example/open/"}
AZURE = Limits(
    input_schemes=frozenset({"https"}),
    output_schemes=frozenset({"https"}),
    own_paths=frozenset({"/tes-wd/shared"}),
    own_paths_rule="tesazure",
)
HTTPS = Limits(input_schemes=frozenset({"https"}), output_schemes=frozenset({"https"}))


class FakeSigner:
    """Writes what it is asked for behind the URL; signs for one account only."""

    def signed(
        self, url: str, permissions: frozenset[Permission], seconds: float | None = None, *, below: bool = False
    ) -> str | None:
        if not url.startswith(ACCOUNT):
            return None
        return f"{url}?{'-'.join(sorted(permissions))}{'-below' if below else ''}"


def steps(**options: Any) -> list[StepSpec]:
    return [StepSpec("feasible"), StepSpec("rewrite_paths", {"mappings": [SHARED, DEEPER], **options})]


def rewritten(of: TaskView, one: Candidate | None = None, *, signed: bool = True, **options: Any) -> TaskView:
    one = one or candidate("one")
    context = asking([one], signers={"runs": FakeSigner()} if signed else {}).context
    return build_chain(steps(**options)).rewrite(of, one, context).task


def reading(*urls: str, **fields: Any) -> TaskView:
    return task(inputs=tuple(InputView(path=f"/in/{n}", url=url, **fields) for n, url in enumerate(urls)))


def input_url(url: str, one: Candidate | None = None, **options: Any) -> str | None:
    return rewritten(reading(url), one, **options).inputs[0].url


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("/tes-wd/shared/a/b", f"{ACCOUNT}/runs/shared/a/b?read"),
        ("file:///tes-wd/shared/a%20b", f"{ACCOUNT}/runs/shared/a%20b?read"),
        ("FILE://localhost/tes-wd/shared/a", f"{ACCOUNT}/runs/shared/a?read"),
        ("/tes-wd/shared/a b#c?d%e/ü", f"{ACCOUNT}/runs/shared/a%20b%23c%3Fd%25e/%C3%BC?read"),
        ("/tes-wd/shared//a///b", f"{ACCOUNT}/runs/shared/a/b?read"),
        ("/tes-wd/shared/a%2F..%2Fb", f"{ACCOUNT}/runs/shared/a%252F..%252Fb?read"),
        ("/tes-wd/shared/..a", f"{ACCOUNT}/runs/shared/..a?read"),
        ("/tes-wd/shared/ref/hg38.fa", "https://refs.example/open/hg38.fa"),
        ("/tes-wd/shared/reference", f"{ACCOUNT}/runs/shared/reference?read"),
        ("/tes-wd/shared-global/a", "/tes-wd/shared-global/a"),
        ("/tes-wd", "/tes-wd"),
        ("/data/tes-wd/shared/a", "/data/tes-wd/shared/a"),
        ("s3://b/tes-wd/shared/a", "s3://b/tes-wd/shared/a"),
        ("file://other/tes-wd/shared/a", "file://other/tes-wd/shared/a"),
    ],
)
def test_what_lies_below_a_prefix_becomes_a_url_and_nothing_else(url: str, becomes: str) -> None:
    assert input_url(url) == becomes


def test_only_urls_change_and_each_is_signed_for_what_it_is_for() -> None:
    place = "/tes-wd/shared/x"
    asked = task(
        inputs=(
            InputView(path=place, url=place),
            InputView(path=place, url=place, type="DIRECTORY"),
            InputView(path=place, content=place),
        ),
        outputs=(
            OutputView(path=place, url=place),
            OutputView(path=place, url=f"{place}/", type="DIRECTORY"),
            OutputView(path="/o/*.txt", url=place, path_prefix="/o"),
        ),
    )
    after = rewritten(asked)
    url = f"{ACCOUNT}/runs/shared/x"
    assert [each.url for each in after.inputs] == [f"{url}?read", f"{url}?list-read-below", None]
    writing = [f"{url}?create-write", f"{url}/?create-write-below", f"{url}?create-write-below"]
    assert [each.url for each in after.outputs] == writing
    paths = [*(each.path for each in after.inputs), *(each.path for each in after.outputs)]
    assert paths == [place] * 5 + ["/o/*.txt"]
    assert after.inputs[2] == asked.inputs[2]


@pytest.mark.parametrize(
    "url",
    [
        "/tes-wd/shared/../../etc",
        "/tes-wd/shared/a/..",
        "/tes-wd/shared/./a",
        "/tes-wd/shared/..\\x",
        "/tes-wd/shared/a\nb",
        "file:///tes-wd/shared/%2e%2e/x",
    ],
)
def test_a_path_does_not_leave_its_prefix(url: str) -> None:
    with pytest.raises(ChainError, match=r"inputs\[0\].url is no clean path below /tes-wd/shared"):
        input_url(url)
    chain = build_chain(steps())
    result = chain.distribute(asking([candidate("one")], of=reading(url)))
    reason = result.rejected["one"]
    assert reason.text == "gets no URL for inputs[0].url, no clean path below /tes-wd/shared"
    assert reason.permanent


@given(st.text(max_size=30))
def test_no_path_leads_out(rest: str) -> None:
    url = joined("https://h/c/root", "/p", f"/p/{rest}")
    if url is not None:
        parts = urlsplit(url)
        assert (parts.netloc, parts.query, parts.fragment) == ("h", "", "")
        names = [unquote(each) for each in parts.path.split("/")[3:]]
        assert [each for each in names if each] == [each for each in rest.split("/") if each]
        assert not {".", ".."} & set(names)


@given(st.text(alphabet="/.a%", max_size=12))
def test_a_file_url_means_the_path_it_names(text: str) -> None:
    path = path_of(f"file:///{text}")
    assert path is not None
    assert path.startswith("/")
    assert is_below(f"{path}/x", path)
    assert not is_below(f"{path}x", path)


# Whom it is done for


def test_an_instance_that_maps_the_paths_itself_gets_them_as_they_are() -> None:
    cromwells, another = task_view("t", for_tesazure()), reading("/tes-wd/shared/a")
    one = candidate("one", limits=AZURE)
    assert rewritten(cromwells, one) == cromwells
    assert rewritten(another, one).inputs[0].url == f"{ACCOUNT}/runs/shared/a?read"
    for_all = candidate("one", limits=Limits(own_paths=frozenset({"/tes-wd"})))
    assert rewritten(another, for_all) == another


@pytest.mark.parametrize(
    ("options", "done"),
    [
        ({"instances": ["one"]}, True),
        ({"instances": ["two"]}, False),
        ({"not_instances": ["https://ONE.example"]}, False),
        ({"instances": ["one"], "not_instances": ["one"]}, False),
    ],
)
def test_the_operator_says_whom_it_is_done_for(options: dict[str, Any], done: bool) -> None:
    assert (input_url("/tes-wd/shared/a", **options) != "/tes-wd/shared/a") is done


def test_an_instance_that_takes_paths_alone_gets_paths() -> None:
    mounted = candidate("one", limits=Limits(input_schemes=frozenset({"file"})))
    assert input_url("/tes-wd/shared/a", mounted) == "/tes-wd/shared/a"
    both = candidate("one", limits=Limits(input_schemes=frozenset({"file", "https"})))
    assert input_url("/tes-wd/shared/a", both) == f"{ACCOUNT}/runs/shared/a?read"


@pytest.mark.parametrize(
    ("of", "limits", "options", "text"),
    [
        (
            reading("/tes-wd/shared/a"),
            Limits(input_schemes=frozenset({"s3"})),
            {},
            r"takes neither paths nor https URLs \(inputs",
        ),
        (
            reading("/tes-wd/shared/a"),
            Limits(),
            {"signed": False},
            "no signer has the name that the mapping of /tes-wd/s",
        ),
        (
            reading("/x/a"),
            Limits(),
            {"mappings": [{"prefix": "/x", "url": "https://elsewhere/c", "sas": "runs"}]},
            r"the signer of /x does not sign for inputs\[0\].url",
        ),
    ],
)
def test_without_a_url_nothing_is_sent(of: TaskView, limits: Limits, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ChainError, match=text) as caught:
        rewritten(of, candidate("one", limits=limits), **options)
    assert "elsewhere" not in str(caught.value)


# What `feasible` makes of it


def kept(of: TaskView, chain_steps: list[StepSpec], **limits: Limits) -> list[str]:
    result = build_chain(chain_steps).distribute(
        asking([candidate(name, limits=each) for name, each in limits.items()], of=of)
    )
    return order(result)


CROMWELLS = task_view("t", for_tesazure())
OTHERS = {"unknown": Limits(), "https": HTTPS, "azure": AZURE, "s3": Limits(input_schemes=frozenset({"s3"}))}


def test_without_a_mapping_cromwells_tasks_stay_with_the_server_they_are_for() -> None:
    assert kept(CROMWELLS, [StepSpec("feasible")], **OTHERS) == ["azure"]
    result = build_chain([StepSpec("feasible")]).distribute(asking([candidate("unknown")], of=CROMWELLS))
    assert result.impossible
    assert result.rejected["unknown"].text == "maps no paths below /tes-wd to storage (inputs[0].url)"
    mounted = Limits(input_schemes=frozenset({"file"}), output_schemes=frozenset({"file"}))
    assert kept(CROMWELLS, [StepSpec("feasible")], mounted=mounted) == ["mounted"]


def test_with_a_mapping_they_go_where_its_urls_are_taken() -> None:
    assert kept(CROMWELLS, steps(), **OTHERS) == ["azure", "https", "unknown"]
    assert kept(CROMWELLS, steps(not_instances=["unknown"]), **OTHERS) == ["azure", "https"]


def test_a_mapping_mends_its_own_paths_and_no_others() -> None:
    assert kept(reading("/tes-wd/shared/a"), steps(), https=HTTPS) == ["https"]
    assert kept(reading("/tes-wd/shared/a", "/data/b"), steps(), https=HTTPS) == []
    assert kept(reading("/data/b"), steps(), https=HTTPS, unknown=Limits()) == ["unknown"]


def test_one_complaint_for_many_paths() -> None:
    of = reading(*(f"/data/{n}" for n in range(5)))
    result = build_chain(steps()).distribute(asking([candidate("https", limits=HTTPS)], of=of))
    assert result.rejected["https"].text == "takes no file URLs for inputs (inputs[0].url), declares https"


def test_of_alternatives_only_what_each_can_mend_counts() -> None:
    both = StepSpec("rewrite_paths", {"mappings": [SHARED]}, alternatives=(StepSpec("drs"),))
    assert build_chain([both]).provides.paths == ()


def test_it_agrees_with_the_rewrite_for_every_instance() -> None:
    chain = build_chain(steps())
    schemes = [None, frozenset({"https"}), frozenset({"file"}), frozenset({"s3"})]
    for n, taken in enumerate(schemes):
        one = candidate(f"one{n}", limits=Limits(input_schemes=taken, output_schemes=taken))
        context = asking([one], signers={"runs": FakeSigner()}).context
        if order(chain.distribute(asking([one], of=CROMWELLS))):
            urls = [each.url for each in chain.rewrite(CROMWELLS, one, context).task.outputs]
            assert all(url.startswith("/") is (taken == frozenset({"file"})) for url in urls)
        else:
            with pytest.raises(ChainError):
                chain.rewrite(CROMWELLS, one, context)


# Options


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"mappings": []}, "mappings"),
        ({"mappings": "x"}, "mappings"),
        ({"mappings": [SHARED, {**SHARED, "prefix": "/tes-wd/shared/"}]}, r"mappings\[1\].prefix"),
        ({"mappings": [{**SHARED, "more": 1}]}, r"mappings\[0\]"),
        ({"mappings": [{"prefix": "/a"}]}, r"mappings\[0\].url"),
        ({"mappings": [{**SHARED, "prefix": "/"}]}, r"mappings\[0\].prefix"),
        ({"mappings": [{**SHARED, "prefix": "tes-wd"}]}, r"mappings\[0\].prefix"),
        ({"mappings": [{**SHARED, "prefix": "/a/../b"}]}, r"mappings\[0\].prefix"),
        ({"mappings": [{**SHARED, "prefix": "/a//b"}]}, r"mappings\[0\].prefix"),
        ({"mappings": [{**SHARED, "url": "https://h/c?sig=hunter2"}]}, r"mappings\[0\].url"),
        ({"mappings": [{**SHARED, "url": "https://user:hunter2@h/c"}]}, r"mappings\[0\].url"),
        ({"mappings": [{**SHARED, "url": "/somewhere"}]}, r"mappings\[0\].url"),
        ({"mappings": [{**SHARED, "url": "https://[h"}]}, r"mappings\[0\].url"),
        ({"mappings": [{**SHARED, "sas": 5}]}, r"mappings\[0\].sas"),
        ({"instances": "one"}, "instances"),
        ({"not_instances": [1]}, "not_instances"),
    ],
)
def test_wrong_options_are_refused_and_not_repeated(options: dict[str, Any], name: str) -> None:
    with pytest.raises(MiddlewareConfigError, match=rf"option {name} must be") as caught:
        build_chain(steps(**options))
    assert "hunter2" not in str(caught.value)


def test_the_settings_of_the_docs_are_such() -> None:
    page = (Path(__file__).parents[2] / "docs" / "azure.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```yaml\n# azure\.yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    assert [each.container for each in settings.sources.signers] == ["cromwell", "tes-internal"]
    [path] = build_chain(settings.chain).provides.paths
    assert (path.prefix, path.scheme) == ("/tes-wd/shared", "https")
