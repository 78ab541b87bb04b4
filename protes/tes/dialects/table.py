"""All dialects, and how a server is recognised by its service-info.

To add one:

1. `DIALECTS.md` says what its server does; write a file beside this one with a `Dialect` that states where it departs
   from the defaults of `base.py`, each with the reason where it is not plain. Where data cannot say it, derive a
   dataclass from `Dialect` and override one of its small functions.
2. Add a row to `_ROWS`: the dialect, and what its service-info looks like (`sight.py` has the usual questions). Rows
   are tried from the top; configuration may pin any of them.
3. The tests that go over `DIALECTS` hold for it from then on.
"""

from collections.abc import Mapping
from typing import Any

from protes.tes.dialects import funnel, ga4gh_tes, mock_tes, protes_2023, tesazure, tesk
from protes.tes.dialects.base import Dialect
from protes.tes.dialects.node import NODE
from protes.tes.dialects.protes import PROTES
from protes.tes.dialects.sight import GATEWAY_HEADER, Fingerprint, Headers, Sight, gateway_id, has_id
from protes.tes.dialects.tesp import TESP, TESP_SHELL
from protes.tes.dialects.unknown import UNKNOWN

__all__ = ["DIALECTS", "GATEWAY_HEADER", "dialect_named", "fingerprint", "gateway_id"]


def _is_gateway(seen: Sight) -> bool:
    return gateway_id(seen.headers) is not None


def _nothing(_: Sight) -> bool:
    """For dialects that an operator pins."""
    return False


def _anything(_: Sight) -> bool:
    return True


_ROWS: tuple[tuple[Dialect, Fingerprint], ...] = (
    (PROTES, _is_gateway),
    (NODE, has_id("org.ga4gh.protes.node")),
    (funnel.FUNNEL, funnel.is_new_funnel),
    (funnel.FUNNEL_0_11, funnel.is_funnel),
    (TESP, has_id("fi.muni.cz.tesp")),
    (TESP_SHELL, _nothing),
    (ga4gh_tes.GA4GH_TES, ga4gh_tes.is_ga4gh_tes),
    (tesk.TESK, tesk.is_tesk),
    (tesazure.TESAZURE, tesazure.is_tesazure),
    (funnel.FUNNEL_0_10, funnel.is_old_funnel),
    (protes_2023.PROTES_2023, protes_2023.is_protes_2023),
    (mock_tes.MOCK_TES, mock_tes.is_mock_tes),
    (UNKNOWN, _anything),
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect, _ in _ROWS}
"""By name."""


def fingerprint(service_info: Mapping[str, Any], headers: Headers, path: str = "") -> Dialect:
    """Recognise a server, never by `type.version` alone (DIALECTS.md 2.1 rule 4).

    Args:
        service_info: its service-info, or {} where it has none.
        headers: those of that answer.
        path: below the base path, where that answer was; "" where there was none.
    """
    seen = Sight(service_info, headers, path)
    return next(dialect for dialect, fits in _ROWS if fits(seen))


def dialect_named(name: str) -> Dialect:
    """Return a dialect by its name.

    Raises:
        ValueError: there is none of that name; the text says which there are.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise ValueError(f"unknown dialect {name!r}; known are {', '.join(sorted(DIALECTS))}") from None
