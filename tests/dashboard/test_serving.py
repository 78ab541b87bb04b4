"""The dashboard's files over HTTP, without a browser."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib import resources

import pytest
from werkzeug.test import Client, TestResponse

from protes.api.ingress import ENVIRON_KEY, Environ, Ingress, StartResponse
from protes.dashboard.assets import BASE, Assets, build, packaged
from protes.dashboard.serving import POLICY, Dashboard
from tests.api.conftest import Api, serving

SMALL = {
    "index.html": b"<p>{version}</p><!-- preloads -->",
    "js/a.js": b"a" * 100,
    "vendor/b.mjs": b"b",
    "early.js": b"c",
}
BUDGET_BYTES = 66_000
"""Of scripts and styles on the wire, all of them; a phone on a slow line has them in a second or two."""


def handed_on(_: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("418 I'm a Teapot", [])
    return [b"the app behind"]


def client(assets: Assets | None = None) -> Client:
    return Client(Dashboard(handed_on, assets or build(SMALL)))


def asset_path(name: str, assets: Assets) -> str:
    return f"{BASE}/{assets.version}/{name}"


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_the_page_is_asked_for_anew_each_time(path: str) -> None:
    answer = client().get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<p>{build(SMALL).version}</p>" in answer.text


def test_files_have_addresses_by_their_content_and_are_kept_for_good() -> None:
    assets = build(SMALL)
    answer = client().get(asset_path("js/a.js", assets))
    assert (answer.status_code, answer.data) == (200, b"a" * 100)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert build({**SMALL, "js/a.js": b"other"}).version != assets.version
    assert build({**SMALL, "js/c.js": b""}).version != assets.version


def test_the_page_names_all_modules_so_that_they_come_at_once() -> None:
    named = re.findall(r'modulepreload" href="([^"]+)"', build(SMALL).page.body.decode())
    assert named == [f"dashboard/{build(SMALL).version}/{name}" for name in ("js/a.js", "vendor/b.mjs")]


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/js/a.js",
        "/dashboard/0000000000000000/js/a.js",
        "/dashboard/{version}",
        "/dashboard/{version}/",
        "/dashboard/{version}/index.html",
        "/dashboard/{version}/../serving.py",
        "/dashboard/{version}/js/../../../app.py",
        "/dashboard/{version}/%2e%2e/app.py",
        "/dashboard/{version}//etc/passwd",
        "/dashboard/../../../etc/passwd",
    ],
)
def test_nothing_but_what_was_read_is_served(path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client().open(path.format(version=build(SMALL).version), method=method)
        assert answer.status_code in (404, 418)  # 418: the path, made plain, is not the dashboard's
        assert b"root:" not in answer.data
        assert b"import" not in answer.data


def test_a_file_that_is_not_there_is_a_problem() -> None:
    answer = client().get("/dashboard/nothing.js")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert "its page is at /" in answer.get_json(force=True)["detail"]


@pytest.mark.parametrize(
    "path", ["/tasks", "/dashboards", "/ga4gh/tes/v1/tasks", "/dashboardx/y", "/protes/v1/instances"]
)
def test_everything_else_is_handed_on(path: str) -> None:
    assert client().get(path).status_code == 418


def test_behind_a_gateway_root_with_a_weight_nothing_is_served() -> None:
    assert client().get("/", environ_overrides={ENVIRON_KEY: Ingress(prefix="/w/0.3")}).status_code == 418
    assert client().get("/", environ_overrides={ENVIRON_KEY: Ingress()}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_only_read(method: str) -> None:
    answer = client().open("/", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_is_get_without_a_body() -> None:
    seen, head = client().get("/"), client().head("/")
    assert (head.status_code, head.data) == (200, b"")
    assert dict(head.headers) == dict(seen.headers)


@pytest.mark.parametrize("known", ["{etag}", '"other", {etag}', "{strong}", "*"])
def test_what_the_browser_has_is_not_sent_again(known: str) -> None:
    etag = client().get("/").headers["ETag"]
    header = known.format(etag=etag, strong=etag.removeprefix("W/"))
    answer = client().get("/", headers={"If-None-Match": header})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == etag
    assert client().get("/", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("GZIP", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_a_file_is_compressed_for_those_who_take_it(accepted: str, compressed: bool) -> None:
    assets = build(SMALL)
    answer = client(assets).get(asset_path("js/a.js", assets), headers={"Accept-Encoding": accepted})
    assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
    assert (gzip.decompress(answer.data) if compressed else answer.data) == b"a" * 100
    assert answer.headers["Vary"] == "Accept-Encoding"
    small = client(assets).get(asset_path("vendor/b.mjs", assets), headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in small.headers


def safe(answer: TestResponse) -> bool:
    expected = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
    return all(answer.headers[name] == value for name, value in expected.items())


def test_every_answer_has_the_policy() -> None:
    assets = build(SMALL)
    for path in ("/", asset_path("js/a.js", assets), "/dashboard/none"):
        assert safe(client(assets).get(path))
    assert safe(client(assets).post("/"))
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert "data:" not in POLICY


def test_the_gateway_serves_it_at_its_root_and_nowhere_else() -> None:
    with serving(profiles={"night": {"weight": "0.1"}}) as api:
        assert api.get("/").text == packaged().page.body.decode()
        assert api.get("/dashboard/").status_code == api.get("//dashboard").status_code == 200
        assert api.get("/w/0.3/").status_code == api.get("/profiles/night/").status_code == 404
        assert all(api.get(path).status_code == 200 for path in packaged().files)
        _hosts_are_guarded(api)


def _hosts_are_guarded(api: Api) -> None:
    assert api.get("/", headers={"Host": "evil.example.org"}).status_code == 403


def test_all_of_it_is_small() -> None:
    sent = [each.compressed or each.body for name, each in packaged().files.items() if name.endswith(("js", "css"))]
    assert sum(len(each) for each in sent) <= BUDGET_BYTES


def test_files_name_each_other_relatively_and_no_host() -> None:
    for name, each in packaged().files.items():
        text = each.body.decode()
        if "/vendor/" in name:
            continue
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        if name.endswith(".js"):
            imports = re.findall(r"""(?:from|import)\s+"([^"]+)";""", text)
            assert all(each.startswith(("./", "../")) for each in imports), name
            assert len(text.splitlines()) <= 300, f"{name}: which second job crept in?"


@pytest.mark.parametrize(
    "way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySet", "document.write", "eval("]
)
def test_no_text_is_ever_made_markup(way: str) -> None:
    assert [
        name for name, each in packaged().files.items() if way.encode() in each.body and "/vendor/" not in name
    ] == []


def test_the_library_is_as_it_says() -> None:
    folder = resources.files("protes.dashboard") / "static" / "vendor"
    told = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "VENDORED").read_text(encoding="utf-8"), re.MULTILINE))
    found = {
        hashlib.sha256(each.read_bytes()).hexdigest(): each.name
        for each in folder.iterdir()
        if each.name.endswith(".mjs")
    }
    assert found == told
    assert {each.name for each in folder.iterdir() if each.name.endswith("LICENSE")} == {
        "preact.LICENSE",
        "htm.LICENSE",
    }
