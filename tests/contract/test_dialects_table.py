"""The page of servers says what the gateway does: each cell is measured against the fake of its family."""

from pathlib import Path

import pytest

from protes.tes.dialects.document import cells
from tests.support.dialects.cells import MEASURES, measured

PAGE = (Path(__file__).parents[2] / "docs" / "instances.md").read_text(encoding="utf-8")
CELLS = cells()


def test_every_column_is_measured() -> None:
    assert {title for _, title in CELLS} == set(MEASURES)


@pytest.mark.parametrize(("family", "title"), CELLS, ids=lambda text: text.replace(" ", "-"))
def test_a_cell_is_true(family: str, title: str) -> None:
    assert measured(family, title) == CELLS[family, title]
