"""The one place where errors of `requests`, `urllib3` and the socket become `RegistryError`s."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests
import urllib3

from service_registry_client.addresses import Refused
from service_registry_client.deadline import Deadline
from service_registry_client.errors import AddressRefused, RegistryError, RegistryTimeout, RegistryUnreachable
from service_registry_client.urls import shown

_PRINTED_CHARACTERS = 200
# More than any error of the layers beneath is wrapped in.
_LAYERS = 10


@contextlib.contextmanager
def failures_mapped(url: str, deadline: Deadline) -> Iterator[None]:
    """The one place where the errors of the layers beneath become ours."""
    try:
        yield
    except RegistryError:
        raise
    except Refused:
        raise AddressRefused(shown(url)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise as_registry_error(error, url, expired=deadline.expired) from error
    # A body without a length looks complete when its connection has been shut down.
    if deadline.expired:
        raise RegistryTimeout(shown(url), "no complete answer within the time for a call")


def as_registry_error(error: Exception, url: str, *, expired: bool) -> RegistryError:
    """The `RegistryError` for an error of `requests`, `urllib3` or the socket."""
    if expired:
        return RegistryTimeout(shown(url), "no complete answer within the time for a call")
    if isinstance(error, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
        return RegistryTimeout(shown(url), "no connection in time")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return RegistryTimeout(shown(url), "no answer in time")
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return RegistryUnreachable(shown(url), f"TLS failed: {_innermost(error)}", retryable=False)
    return RegistryUnreachable(shown(url), _innermost(error))


def _innermost(error: BaseException) -> str:
    """The cause in the system's words; the layers above it repeat the URL, addresses of objects and each other."""
    for _ in range(_LAYERS):
        beneath = (getattr(error, "reason", None), error.__cause__, *error.args)
        error = next((each for each in beneath if isinstance(each, BaseException)), error)
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def printable(text: str) -> str:
    """Text from elsewhere, fit for one line of a log."""
    return "".join(character if character.isprintable() else " " for character in text[:_PRINTED_CHARACTERS])
