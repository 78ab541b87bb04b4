"""Errors of offers, for the API to put into problem details."""

from collections.abc import Sequence


class InvalidRequest(Exception):
    """A document is not right; `errors` holds the path of each field at fault and what would be right."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        """Name the fields."""
        super().__init__("; ".join(f"{field}: {detail}" for field, detail in errors))
        self.errors = tuple(errors)


class Unknown(Exception):
    """There is no such offer set or session of this caller's."""


class Expired(Exception):
    """It cannot be had any more."""


class IllegalTransition(Exception):
    """The session is in a phase from which it cannot go where the caller wants it; the text says why."""
