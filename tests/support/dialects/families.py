"""All families by the name of their dialect."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.dialects.base import DialectFake
from tests.support.dialects.elixir import MockTes, Protes2023
from tests.support.dialects.funnel import Funnel, Funnel010, Funnel011
from tests.support.dialects.ga4gh_tes import Ga4ghTes
from tests.support.dialects.ours import Node, Protes, Unknown
from tests.support.dialects.tesazure import Tesazure
from tests.support.dialects.tesk import Tesk
from tests.support.dialects.tesp import Tesp, TespShell

_FAMILIES: tuple[type[DialectFake], ...] = (
    Funnel,
    Funnel011,
    Funnel010,
    Tesk,
    Tesp,
    TespShell,
    Ga4ghTes,
    Tesazure,
    MockTes,
    Protes2023,
    Protes,
    Node,
    Unknown,
)

FAMILIES: Mapping[str, type[DialectFake]] = {family.NAME: family for family in _FAMILIES}
