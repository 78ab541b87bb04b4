"""Paths of tasks as text: clean, within, wildcards, rewriting."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.node.paths import PathMap, ancestors, clean, fixed_folder, folder_of, is_pattern, within

NAMES = st.text(alphabet="ab.-_ é", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@pytest.mark.parametrize(
    ("path", "cleaned"), [("/", "/"), ("//", "/"), ("/a//b/./c/", "/a/b/c"), ("//a", "/a"), ("/vol/A/", "/vol/A")]
)
def test_clean(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned
    assert clean(cleaned) == cleaned


@given(PATHS)
def test_a_path_is_within_what_is_above_it_and_itself_alone(path: str) -> None:
    above = list(ancestors(path))
    assert above[0] == folder_of(path)
    assert above[-1] == "/"
    assert all(within(path, {each}) for each in (path, *above))
    assert not within(path, {f"{path}x", f"{path}/x"})
    assert not any(within(each, {path}) for each in above)


@pytest.mark.parametrize(
    ("path", "prefix", "pattern"),
    [("/a/*", None, True), ("/a/b?", None, True), ("/a/[b]", None, False), ("/a/[b]", "/a", True), ("/a", "/a", False)],
)
def test_is_pattern(path: str, prefix: str | None, pattern: bool) -> None:
    assert is_pattern(path, prefix) is pattern


@pytest.mark.parametrize(("pattern", "folder"), [("/a/b/*.txt", "/a/b"), ("/*/x", "/"), ("/a/b?/c/*", "/a")])
def test_the_folder_in_front_of_wildcards(pattern: str, folder: str) -> None:
    assert fixed_folder(pattern) == folder


MAP = PathMap({"/data", "/data/in", "/x.y"}, "/root")


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/data/in", "/root/data/in"),
        ("/data/in/deep", "/root/data/in/deep"),
        ("/data/in.gz", "/root/data/in.gz"),
        ("/database", "/database"),
        ("/data-1", "/data-1"),
        ("/x.y", "/root/x.y"),
        ("/xzy", "/xzy"),
        ("/other/data", "/other/data"),
        ("$HOME/data ../data ~/data", "$HOME/data ../data ~/data"),
        ("--in=/data/in --out='/data/out'", "--in=/root/data/in --out='/root/data/out'"),
        ("/data:/data/in:/bin", "/root/data:/root/data/in:/bin"),
        ("cat </data/in>/data/out;ls /data", "cat </root/data/in>/root/data/out;ls /root/data"),
        ("file:///data/in", "file:///data/in"),
        ("/dataé", "/dataé"),
        ("", ""),
    ],
)
def test_text_is_rewritten_at_the_borders_of_paths(text: str, rewritten: str) -> None:
    assert MAP.text(text) == rewritten


@given(st.sets(PATHS, min_size=1, max_size=4), st.data())
def test_each_declared_path_is_rewritten_wherever_it_stands_alone(paths: set[str], data: st.DataObject) -> None:
    found = PathMap(paths, "/private root")
    chosen = data.draw(st.lists(st.sampled_from(sorted(paths)), min_size=1, max_size=4))
    text = "|".join(chosen)
    assert found.text(text) == "|".join(f"/private root{path}" for path in chosen)
    assert all(found.path(path) == f"/private root{path}" for path in chosen)


@given(st.sets(PATHS, max_size=3), st.text(alphabet="ab/ =:", max_size=20))
def test_rewriting_adds_the_root_and_nothing_else(paths: set[str], text: str) -> None:
    assert re.sub("<ROOT>", "", PathMap(paths, "<ROOT>").text(text)) == text


def test_the_root_and_other_paths() -> None:
    assert MAP.path("/") == "/root"
    assert MAP.path("/usr/bin") == "/usr/bin"
    assert PathMap((), "/root").text("/data") == "/data"
