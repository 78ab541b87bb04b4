"""What spares tests the reading of the API's documents changes nothing in what gateways read."""

import copy
from pathlib import Path

import pytest
import yaml
from connexion.exceptions import InvalidSpecification
from connexion.spec import Specification
from foca.config.config_parser import ConfigParser

import openapi

DOCUMENT = Path(openapi.__file__).parent / "tes.yaml"


def test_each_reader_has_a_document_of_its_own() -> None:
    whole = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    first = ConfigParser.parse_yaml(DOCUMENT)
    assert first == whole
    first["paths"].clear()
    assert ConfigParser.parse_yaml(DOCUMENT) == whole


def test_other_files_are_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    for text, value in (("n: 1", {"n": 1}), ("n: 2", {"n": 2}), ("- 1", [1]), ("", None)):
        file.write_text(text, encoding="utf-8")
        assert ConfigParser.parse_yaml(file) == value
    with pytest.raises(OSError, match="could not be read"):
        ConfigParser.parse_yaml(tmp_path / "none.yaml")


def test_a_document_that_is_none_is_refused_each_time() -> None:
    good = ConfigParser.parse_yaml(DOCUMENT)
    Specification.from_dict(copy.deepcopy(good))
    for _ in range(2):
        bad = {**copy.deepcopy(good), "paths": {"/tasks": {"get": {"responses": 7}}}}
        with pytest.raises(InvalidSpecification):
            Specification.from_dict(bad)
