"""Funnel, by version (DIALECTS.md, rows "Funnel")."""

from dataclasses import dataclass, replace

from protes.tes.dialects.base import CAREFUL, Dialect, DialectLimits, Listing
from protes.tes.dialects.sight import LEGACY_INFO_PATH, Sight, has_id, is_legacy, text_of, version_of
from protes.tes.errors import DownstreamError, ServerFault
from protes.tes.read import Page

_INPUTS = frozenset({"file", "s3", "gs", "swift", "ftp", "sftp", "http", "https"})
_OUTPUTS = _INPUTS - {"http", "https"}
_FIRST_GOOD = (0, 11, 8)
"""From here on errors have their own statuses and lists keep their tokens."""
_FIRST_UNKNOWN = (1, 0, 0)
"""Nothing is known of these yet; TES's own version in place of Funnel's would be one of them, too."""


@dataclass(frozen=True)
class _Funnel(Dialect):
    """Funnel.

    Attributes:
        answers_500_to_bad_tasks: a task that it refuses is answered with 500.
        loses_tokens: a list may lack its token; the last id of a full page is one.
    """

    answers_500_to_bad_tasks: bool = False
    loses_tokens: bool = False

    def is_forbidden(self, error: DownstreamError) -> bool:
        """Somebody else's task is answered with 500 (DIALECTS.md 1.8)."""
        return isinstance(error, ServerFault) and error.status == 500 and "permission denied" in error.detail.lower()

    def lacks_call(self, error: DownstreamError) -> bool:
        """A method that a path does not have is answered with 500 (DIALECTS.md 1.2)."""
        return isinstance(error, ServerFault) and error.status == 500 and "method not allowed" in error.detail.lower()

    def created_nothing(self, error: DownstreamError) -> bool:
        """What old versions find wrong with a task they find before they store it (DIALECTS.md 2.3 rule 2)."""
        refused = isinstance(error, ServerFault) and error.status == 500
        return self.answers_500_to_bad_tasks and refused and _detail(error).startswith("invalid task message")

    def next_token(self, page: Page, page_size: int | None) -> str | None:
        """Ids sort by time and tokens are ids, so a lost token can be made."""
        token = super().next_token(page, page_size)
        if token is None and self.loses_tokens and page_size is not None and len(page.entries) >= page_size:
            return page.entries[-1][0]
        return token


def _detail(error: DownstreamError) -> str:
    return error.detail.lower().lstrip() if isinstance(error, ServerFault) else ""


FUNNEL = _Funnel(
    name="funnel",
    searchable="tag",
    # BASIC closes the connection while a task has no log yet (badger, elastic, datastore), MINIMAL on postgres.
    search_view="MINIMAL",
    other_view_on_loss=True,
    read_your_writes=True,
    late_commit_seconds=5.0,
    # An error may go back to QUEUED or INITIALIZING.
    final_error=False,
    # CANCELED is stored before the backend is told, and stays when the backend fails.
    cancel_stops_work=False,
    listing=Listing(floor_seconds=1.0, newest_first=True),
    poll_floor_seconds=1.0,
    # Some backends answer any backend_parameters with 400, strict or not.
    takes_fields=frozenset({"streamable", "path_prefix"}),
    strip_tags=("_WORKER_SA",),
    # It reads ftp and sftp with what the URL says.
    needs_url_credentials=True,
    # A container that a cancellation kills leaves 0.
    killed_exit_code_is_zero=True,
    limits=DialectLimits(
        # An input needs exactly one of url and content, neither of them empty. After an ignored error the next executor
        # runs, and the task ends with EXECUTOR_ERROR all the same. The arguments for Docker are put together as one
        # text, which is cut at its white space.
        unsupported=frozenset({"blanks", "empty_content", "ignore_error"}),
        input_schemes=_INPUTS,
        output_schemes=_OUTPUTS,
    ),
)
"""0.11.8 and newer."""

FUNNEL_0_11 = replace(
    FUNNEL,
    name="funnel-0.11",
    answers_500_to_bad_tasks=True,
    # 0.11.0 drops them in MINIMAL and BASIC; later ones keep them, where one page more is asked for than there is.
    loses_tokens=True,
)
"""0.11.0 to 0.11.7, and what does not say its version: the builds that people make themselves say "unknown"."""

FUNNEL_0_10 = replace(
    FUNNEL,
    name="funnel-0.10",
    answers_500_to_bad_tasks=True,
    # How it filters by tags is not known, so its newest tasks are looked through; only BASIC shows their tags.
    searchable="scan",
    search_view="BASIC",
    other_view_on_loss=False,
    # It knows TES 0.4 and refuses what it does not know.
    takes_fields=frozenset(),
    # Zeros are left out of its JSON.
    omitted_exit_code_is_zero=True,
    service_info_path=LEGACY_INFO_PATH,
    limits=DialectLimits(unsupported=CAREFUL | {"blanks"}, input_schemes=_INPUTS, output_schemes=_OUTPUTS),
)
"""0.10.1 and older, which speak camelCase."""


def is_funnel(seen: Sight) -> bool:
    """Recognise Funnel of 0.11 and newer."""
    return has_id("org.ga4gh.funnel")(seen)


def is_new_funnel(seen: Sight) -> bool:
    """Recognise Funnel of 0.11.8 and newer: it says its own version where TES's should stand (DIALECTS.md 1.1)."""
    if not is_funnel(seen):
        return False
    version = version_of(text_of(seen, "type", "version"))
    if version is None:
        return False
    numbers, more = version
    # A candidate for 0.11.8 may lack what 0.11.8 has.
    return _FIRST_GOOD <= numbers < _FIRST_UNKNOWN and not (numbers == _FIRST_GOOD and more.startswith("-rc"))


def is_old_funnel(seen: Sight) -> bool:
    """Recognise Funnel of 0.10 and older; its name can be changed, its counts are nobody else's."""
    counts = {"taskStateCounts", "task_state_counts"} & seen.info.keys()
    return is_legacy(seen) and seen.path == LEGACY_INFO_PATH and bool(counts or seen.info.get("name") == "Funnel")
