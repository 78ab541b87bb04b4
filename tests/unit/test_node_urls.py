"""URLs of inputs and outputs."""

import pytest

from protes.node import urls


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a b%20c", "/a b%20c"),
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("FILE:///a#b?c", "/a#b?c"),
    ],
)
def test_files(url: str, path: str) -> None:
    assert urls.fault_of(url) is None
    assert urls.scheme_of(url) == "file"
    assert urls.file_path(url) == path


@pytest.mark.parametrize(
    "url",
    ["", "a/b", "file://host/a", "file:/a", "s3://b/k", "http://", "http:///x", "http://[", "ftp://h/x", "/a\0b"],
)
def test_what_is_no_place_is_refused(url: str) -> None:
    assert urls.fault_of(url)


@pytest.mark.parametrize("url", ["http://h/x", "HTTPS://h:1/x?y"])
def test_web(url: str) -> None:
    assert urls.fault_of(url) is None


@pytest.mark.parametrize(
    ("folder", "below"),
    [
        ("/out/", "/out/a/b c"),
        ("file:///out", "file:///out/a/b%20c"),
        ("https://h/out?key=1", "https://h/out/a/b%20c?key=1"),
    ],
)
def test_below(folder: str, below: str) -> None:
    assert urls.below(folder, "a/b c") == below
