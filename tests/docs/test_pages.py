"""Pages that are made from the code are up to date, and say all there is."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import openapi
from protes.api.preference_values import READERS
from protes.tes.build import ATTEMPT_TAG, GATEWAY_TAG
from tests.docs.generate import DOCS, PAGES
from tests.docs.pages import errors, http_api, tags

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: python -m tests.docs.generate"


def test_every_tag_has_a_meaning() -> None:
    assert set(READERS) - set(tags.MEANINGS) == set()


def test_tags_of_copies_are_those_of_the_code() -> None:
    assert set(tags.OWN) == {ATTEMPT_TAG, GATEWAY_TAG}


def _constants() -> set[str]:
    found: set[str] = set()
    for path in sorted((ROOT / "protes").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_metadata_that_is_described_exists() -> None:
    assert set(tags.METADATA) - _constants() == set()


def test_every_status_has_a_meaning() -> None:
    assert set(errors.sentences()) - set(errors.MEANINGS) == set()
    assert set(errors.sentences()[404])


def test_every_status_of_the_documents_is_explained() -> None:
    said = {
        int(status)
        for _, file in http_api.DOCUMENTS
        for _, _, operation in http_api.operations(openapi.document(file))
        for status in operation["responses"]
        if status.isdigit() and int(status) >= 400
    }
    page = PAGES["errors.md"]()
    assert [status for status in sorted(said) if f"### {status}\n" not in page] == []


def test_every_document_is_in_the_page() -> None:
    files = {each.name for each in (ROOT / "openapi").glob("*.yaml")}
    assert {file for _, file in http_api.DOCUMENTS} == files


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^\s+- .*: ([a-z-]+\.md)$", text, re.MULTILINE)
    assert sorted(named) == sorted(set(named)), "a page is in the navigation once"
    assert set(named) == {each.name for each in DOCS.glob("*.md")}
    assert yaml.safe_load(text)["theme"]["font"] is False
