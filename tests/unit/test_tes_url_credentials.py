"""`user:password@` and signatures: where they are sent, and where they are not shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.tes.build import build_request
from protes.tes.dialects.table import DIALECTS
from protes.tes.read import read_task
from protes.tes.urls import without_credentials

NEED_THEM = {"funnel", "funnel-0.11", "funnel-0.10", "node", "protes", "tesp", "tesp-sh"}
SECRET = "ftp://ann:p%40ss@data.example.org/in"
DOCUMENT: dict[str, Any] = {
    "inputs": [{"url": SECRET, "path": "/in", "type": "FILE"}, {"content": SECRET, "path": "/note", "type": "FILE"}],
    "outputs": [{"url": "https://ann:secret@data.example.org/out", "path": "/out", "type": "FILE"}],
    "executors": [{"image": "a", "command": ["fetch", SECRET], "env": {"FROM": SECRET}}],
}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SECRET, "ftp://data.example.org/in"),
        ("http://ann@h", "http://h"),
        ("https://a:b@c@h:8080/x@y?z=@#@", "https://h:8080/x@y?z=@#@"),
        ("https://h/x@y", "https://h/x@y"),
        ("https://h?u=a@b", "https://h?u=a@b"),
        ("/plain/a@b", "/plain/a@b"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("drs://h/1", "drs://h/1"),
        ("", ""),
        ("ftp://u:p/w@h/x", "ftp://h/x"),
        ("ftp://u:p?w@h/x", "ftp://h/x"),
        ("https://u:p#/w@h:8080/x", "https://h:8080/x"),
        ("https://h:8080/x@y", "https://h:8080/x@y"),
        ("https://[2001:db8::1]/x@y", "https://[2001:db8::1]/x@y"),
        ("https://[::1]:80?x@y", "https://[::1]:80?x@y"),
        ("file:///a:b/c@d", "file:///a:b/c@d"),
    ],
)
def test_only_who_is_taken_out_of_a_url(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


RAW = st.text(st.sampled_from("ab1:/?#%.-"), max_size=8)


@given(RAW, st.sampled_from(("h", "h:8080", "[::1]:80", "data.example.org")), st.sampled_from(("", "/x", "/x?y=z#s")))
def test_no_password_survives_however_it_is_written(password: str, host: str, path: str) -> None:
    assert without_credentials(f"ftp://ann:secret{password}@{host}{path}") == f"ftp://{host}{path}"


@given(st.sampled_from(("h", "h:8080", "[::1]:80", "data.example.org")), st.text(st.sampled_from("ab1:@/?#%.-")))
def test_a_url_without_credentials_stays_as_it_is(host: str, rest: str) -> None:
    for end in "/?#":
        assert without_credentials(f"https://{host}{end}{rest}") == f"https://{host}{end}{rest}"


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("said", [None, True, False])
def test_a_server_is_told_them_where_it_needs_them_or_its_operator_says_so(name: str, said: bool | None) -> None:
    request = build_request(DOCUMENT, DIALECTS[name], marker="m-1", gateways=("g",), url_credentials=said)
    kept = said if said is not None else name in NEED_THEM
    assert (request["inputs"][0]["url"] == SECRET) is kept
    assert ("ann:secret@" in request["outputs"][0]["url"]) is kept
    assert request["inputs"][1]["content"] == SECRET
    assert SECRET in request["executors"][0]["env"].values()
    assert DOCUMENT["inputs"][0]["url"] == SECRET


def test_what_a_server_tells_is_shown_without_secrets() -> None:
    signed = "https://a.blob.core.windows.net/c/x?se=2030-01-01&sig=c2VjcmV0"
    log = {
        "metadata": {"blob": signed, "nested": {"url": signed}, "vm_size": "D2"},
        "outputs": [{"url": signed, "path": "/x"}, {"url": "ftp://ann:pw@h/y", "path": "/y"}],
        "system_logs": [f"copied {signed}", "Authorization: Bearer abcdefghijkl"],
        "logs": [{"exit_code": 0, "stdout": signed}],
    }
    shown = read_task({"id": "x", "state": "COMPLETE", "logs": [log]}).log
    assert shown is not None
    [executor] = shown.pop("logs")
    assert executor["stdout"] == signed  # what a task writes is its own
    assert "c2VjcmV0" not in repr(shown)
    assert "ann:pw" not in repr(shown)
    assert "abcdefghijkl" not in repr(shown)
    assert shown["metadata"]["vm_size"] == "D2"
    assert shown["outputs"][0]["url"].startswith("https://a.blob.core.windows.net/c/x?se=2030-01-01&")
