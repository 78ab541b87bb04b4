"""Microsoft's ga4gh-tes, "TES on Azure", 4 to 6 (DIALECTS.md, rows "ga4gh-tes")."""

from dataclasses import dataclass
from typing import Any

from protes.tes.dialects.base import CAREFUL, Dialect, DialectLimits, Listing
from protes.tes.dialects.sight import Sight, text_of

PARAMETERS = ("vm_size", "workflow_execution_identity", "internal_path_prefix")
"""The backend_parameters that it knows."""

_RIGHT_NAMES = {name.replace("_", ""): name for name in PARAMETERS}


@dataclass(frozen=True)
class _Ga4ghTes(Dialect):
    def adapt(self, document: dict[str, Any]) -> dict[str, Any]:
        """Say whether the machine may be taken away, since yes is the default there, and spell parameters rightly."""
        resources = {"preemptible": False, **document.get("resources", {})}
        if "backend_parameters" in resources:
            resources["backend_parameters"] = _spelled(resources["backend_parameters"])
        return {**document, "resources": resources}


def _spelled(parameters: dict[str, str]) -> dict[str, str]:
    """The server compares in lower case, and refuses two spellings of one key: the right one wins."""
    others = {_right_name(key): value for key, value in parameters.items()}
    return others | {key: value for key, value in parameters.items() if key in others}


def _right_name(key: str) -> str:
    lower = key.lower()
    return _RIGHT_NAMES.get(lower.replace("_", ""), lower)


GA4GH_TES = _Ga4ghTes(
    name="ga4gh-tes",
    # Before 5.4.0 it knows no tags as filters and lists all tasks; BASIC shows whether it has heeded them.
    searchable="tag",
    search_view="BASIC",
    read_your_writes=True,
    # It tries again for minutes what its database refused, long after the proxy before it has closed the connection.
    late_commit_seconds=600.0,
    # States go backwards, three times at most where a machine was lost; no error is said to be for good.
    final_error=False,
    # CANCELED is stored at once; its scheduler ends the work at its next pass, 5 s apart.
    cancel_stops_work=False,
    # 6.0 answers CANCELING with 400, since it does not know it.
    listing=Listing(states=("QUEUED", "INITIALIZING", "RUNNING"), floor_seconds=5.0),
    poll_floor_seconds=5.0,
    # Streamable inputs it does not fetch at all; without the flag, which is only a hint, it does.
    takes_fields=frozenset({"backend_parameters", "backend_parameters_strict"}),
    # None of its tags controls anything.
    strip_tags=(),
    limits=DialectLimits(
        # Up to 6.0 only the first one runs; a version that runs all cannot be told apart.
        max_executors=1,
        unsupported=CAREFUL | {"volumes"},
        # It reads s3 and gs by their public URLs, where nothing can be written.
        input_schemes=frozenset({"http", "https", "s3", "gs"}),
        output_schemes=frozenset({"https"}),
        backend_parameters=frozenset(PARAMETERS),
        # The specification's own example, and what the server makes of it.
        parameter_aliases=(("VmSize", "vm_size"), ("vmsize", "vm_size")),
        # Any /account/container/blob too, which no path says of itself; operators can declare `file`.
        own_paths=frozenset({"/cromwell-executions"}),
    ),
)


def is_ga4gh_tes(seen: Sight) -> bool:
    """Recognise it by its name and a second sign, since the name could be anybody's."""
    named = text_of(seen, "name") == "GA4GH Task Execution Service"
    parameters = seen.info.get("tesResources_backend_parameters")
    described = "azure" in (text_of(seen, "description") + text_of(seen, "doc")).lower()
    return named and (described or (isinstance(parameters, list) and "vm_size" in parameters))
