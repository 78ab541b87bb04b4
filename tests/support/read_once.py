"""The API's documents, which each gateway reads and checks at its start, read and checked once by a process of tests.

A thousand tests make a gateway in their own process. The documents are the same each time, and are most of that work.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from connexion.spec import Specification
from foca.config.config_parser import ConfigParser

import openapi

_DOCUMENTS = Path(openapi.__file__).parent


@contextmanager
def documents_read_once() -> Iterator[None]:
    """Have the documents of the package `openapi` read once, and each of them checked once."""
    parse, check = ConfigParser.parse_yaml, Specification._validate_spec.__func__
    parsed: dict[Path, Any] = {}
    checked: set[str] = set()

    def parse_once(conf: Path) -> Any:
        if Path(conf).parent != _DOCUMENTS:
            return parse(conf)
        if conf not in parsed:
            parsed[conf] = parse(conf)
        return copy.deepcopy(parsed[conf])

    def check_once(kind: type[Specification], document: dict[str, Any]) -> None:
        text = json.dumps(document, sort_keys=True, default=repr)
        if text not in checked:
            check(kind, document)
            checked.add(text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ConfigParser, "parse_yaml", staticmethod(parse_once))
        patched.setattr(Specification, "_validate_spec", classmethod(check_once))
        yield
