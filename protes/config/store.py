"""Settings of where everything is kept; a URL may hold a password, which is shown nowhere."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_serializer, field_validator, model_validator

from protes.config.base import Section

_MONGODB = ("mongodb://", "mongodb+srv://")
_HIDDEN = "**********"


def is_mongodb(url: str) -> bool:
    """Tell whether a store's URL is one of MongoDB."""
    return url.startswith(_MONGODB)


def redacted(url: str) -> str:
    """Return the URL without user, password and options; all of them may be, or hold, secrets."""
    if "://" not in url:
        return url
    scheme, _, rest = url.partition("://")
    # Up to the last `@`: a password may have one that should have been escaped.
    user, at, place = rest.rpartition("@")
    place, mark, _ = place.partition("?")
    return f"{scheme}://{_HIDDEN + at if user else ''}{place}{mark + _HIDDEN if mark else ''}"


def check_store_url(url: str) -> str:
    """Return what a store is named by.

    Raises:
        ValueError: it is a URL of something else; the text does not show it.
    """
    if "://" in url and not is_mongodb(url):
        raise ValueError("a store is a folder, memory:, or a URL that begins with mongodb:// or mongodb+srv://")
    return url


class StoreSettings(Section):
    """Where everything is kept (docs/stores.md)."""

    url: str = Field(
        "data",
        description="A folder for the embedded SQLite store, `mongodb://` or `mongodb+srv://` with the database as "
        "path, or `memory:` (lost at exit). Shown without user, password and options.",
    )
    url_file: str | None = Field(
        None, description="File that holds the URL, which may have a password, in place of `url`."
    )

    keep_finished_seconds: float | None = Field(
        2_592_000.0,
        ge=172_800.0,
        description="Tasks are removed so long after their end, with all that was kept for them; null keeps them for "
        "ever. At least two days: a repeat with an `Idempotency-Key`, which lasts for one, must find its task.",
    )

    @field_validator("url")
    @classmethod
    def _is_a_store(cls, url: str) -> str:
        return check_store_url(url)

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> "StoreSettings":
        if self.url_file is not None and "url" in self.model_fields_set:
            raise ValueError("give at most one of url and url_file")
        return self

    @field_serializer("url", when_used="json")
    def _shown(self, url: str) -> str:
        return redacted(url)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Hide in `repr` and `str` what is secret."""
        for name, value in super().__repr_args__():
            yield name, redacted(value) if name == "url" else value
