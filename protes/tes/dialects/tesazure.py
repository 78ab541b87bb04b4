"""Microsoft's older Flask server for Azure Batch (DIALECTS.md, rows "tesazure")."""

import math
from dataclasses import dataclass
from typing import Any

from protes.tes.dialects.base import CAREFUL, Dialect, DialectLimits
from protes.tes.dialects.sight import LEGACY_INFO_PATH, Sight, text_of
from protes.tes.errors import DownstreamError, ServerFault
from protes.tes.timeouts import Timeouts

_GONE = "could not locate it"


@dataclass(frozen=True)
class _Tesazure(Dialect):
    def adapt(self, document: dict[str, Any]) -> dict[str, Any]:
        """`resources` is required and has integers (fractions are cut off there) and one zone, a string."""
        resources = dict(document.get("resources", {}))
        for name in ("ram_gb", "disk_gb"):
            if name in resources:
                resources[name] = math.ceil(resources[name])
        if "zones" in resources:
            resources["zones"] = resources["zones"][0]
        return {**document, "resources": resources}

    def is_missing(self, error: DownstreamError) -> bool:
        """A task whose job is gone, a day after its end for instance, is answered with 500."""
        return _is_gone(error) or super().is_missing(error)

    def is_cancelled(self, error: DownstreamError) -> bool:
        """So is one that was cancelled, once its job is deleted (DIALECTS.md 2.6 rule 3)."""
        return _is_gone(error)


def _is_gone(error: DownstreamError) -> bool:
    return isinstance(error, ServerFault) and error.status == 500 and _GONE in error.detail.lower()


TESAZURE = _Tesazure(
    name="tesazure",
    # Its list knows neither filters nor pages and shows all in full.
    searchable="scan",
    search_page_size=None,
    # The job is created before its row: a copy may run that no list shows.
    read_your_writes=False,
    late_commit_seconds=None,
    final_error=False,
    # It shows CANCELED while the job is being deleted.
    cancel_stops_work=False,
    # A cancellation deletes the job, whose logs are then lost.
    look_before_cancel=True,
    # A state in the list is that of the last GET of the task itself.
    listing=None,
    # Each GET costs several calls of Azure's.
    poll_floor_seconds=30.0,
    # 401 and 403 are for a header that is missing or of another scheme.
    bad_token_is_fault=True,
    service_info_path=LEGACY_INFO_PATH,
    takes_fields=frozenset(),
    strip_tags=("ms-submitter-*", "ms-backend-batch-pool-id"),
    # It lists all jobs, uploads content and creates the job while the request waits.
    timeouts=Timeouts(read_seconds=180.0, get_seconds=180.0, post_seconds=180.0),
    limits=DialectLimits(
        # stdout stays: its file is misplaced, but the log has it, and Cromwell's scripts, the tasks that this server
        # is for, name it and write it themselves.
        unsupported=CAREFUL | {"fractional_ram", "stdin", "volumes", "workdir"},
        input_schemes=frozenset({"http", "https", "s3", "gs", "ftp", "ftps", "sftp"}),
        output_schemes=frozenset({"http", "https", "s3", "gs", "ftp", "ftps", "sftp"}),
        # Nothing else of its nodes is mounted into containers.
        path_root="/tes-wd",
        own_paths=frozenset({"/tes-wd/shared", "/tes-wd/shared-global"}),
        own_paths_rule="tesazure",
    ),
)


def is_tesazure(seen: Sight) -> bool:
    """Recognise it."""
    return text_of(seen, "name") == "TES API Server for Azure Compute"
