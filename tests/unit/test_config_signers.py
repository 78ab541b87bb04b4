"""A mapping that names a signer which is not there is found at the start, not at the first task."""

from typing import Any

import pytest

from protes.config.loading import ConfigError, load

SIGNER = {"name": "store", "account": "example", "key_env": "KEY"}


def step(name: str, use: str = "rewrite_paths") -> dict[str, Any]:
    mapping = {"prefix": "/tes-wd/shared", "url": "https://example.blob.core.windows.net/c/shared", "sas": name}
    return {"use": use, "options": {"mappings": [{"prefix": "/x", "url": "https://h/x"}, mapping]}}


def loaded(**settings: Any) -> None:
    load([], {}, {"sources": {"signers": [SIGNER]}, **settings})


def test_signers_that_are_there() -> None:
    loaded(chain=[step("store"), step("store", "middleware.rewrite_paths:create")])


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"chain": [{"use": "feasible"}, step("other")]}, r"chain\[1\]"),
        ({"chain": [step("other", "middleware.rewrite_paths:create")]}, r"chain\[0\]"),
        ({"chain": [{"use": "random", "alternatives": [step("other")]}]}, r"chain\[0\]"),
        ({"profiles": {"mine": {"chain": [step("other")]}}}, r"profiles\.mine\.chain\[0\]"),
    ],
)
def test_a_signer_that_is_not_is_named_with_its_place(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError, match=where + r".options.mappings\[1\]\.sas: .* no signer of the name other"):
        loaded(**settings)


def test_what_is_no_list_of_mappings_is_the_steps_own_affair() -> None:
    for mappings in (None, "x", [{"sas": 3}, "x"]):
        loaded(chain=[{"use": "rewrite_paths", "options": {"mappings": mappings}}])
