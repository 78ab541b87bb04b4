"""How a command shows the gateway who sends it (docs/authentication.md).

What is given last on this list is used first: the variable PROTES_TOKEN; PROTES_USER with PROTES_PASSWORD; `--user`,
whose password is asked for; `--token-file`; `--token`, which other users of the machine can see.
"""

import sys
from argparse import ArgumentParser, Namespace
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from getpass import getpass
from pathlib import Path

import requests
from requests.auth import AuthBase

from protes.cli.output import CliError, Exit

TOKEN, USER, PASSWORD = "PROTES_TOKEN", "PROTES_USER", "PROTES_PASSWORD"


class Credentials(AuthBase):
    """What a command shows: found when it is first needed, then kept. It also keeps `~/.netrc` out of requests."""

    def __init__(self, args: Namespace, environ: Mapping[str, str]) -> None:
        """Find them in these arguments and variables."""
        self._args = args
        self._environ = environ
        self._found: tuple[str | None] | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put them into a request, unless it has others already."""
        if "Authorization" not in request.headers and (authorization := self.authorization()) is not None:
            request.headers["Authorization"] = authorization
        return request

    def authorization(self) -> str | None:
        """Return the value of the header, None where nothing was given.

        Raises:
            CliError: what was given cannot be used; the text does not show it.
        """
        if self._found is None:
            self._found = (self._find(),)
        return self._found[0]

    def _find(self) -> str | None:
        given = vars(self._args)
        if given.get("credential_token") is not None:
            return _bearer(given["credential_token"], "--token")
        if given.get("credential_file") is not None:
            return _bearer(_read(given["credential_file"]), f"--token-file {given['credential_file']}")
        if given.get("credential_user") is not None:
            return _basic(given["credential_user"], self._password(given["credential_user"]))
        if self._environ.get(USER):
            return _basic(self._environ[USER], self._password(self._environ[USER]))
        token = self._environ.get(TOKEN, "").strip()
        return _bearer(token, TOKEN) if token else None

    def _password(self, user: str) -> str:
        password = self._environ.get(PASSWORD)
        if password is not None:
            return password
        if not sys.stdin.isatty():
            raise CliError(f"there is nobody to ask for the password of {user}: set {PASSWORD}", Exit.USAGE)
        return getpass(f"password of {user}: ")


_NONE = Credentials(Namespace(), {})
_current: ContextVar[Credentials] = ContextVar("credentials", default=_NONE)


def add_options(command: ArgumentParser) -> None:
    """Add the options of commands that talk to a gateway."""
    text = f"file with an access token, - for standard input (else the variable {TOKEN})"
    command.add_argument("--token-file", dest="credential_file", metavar="FILE", help=text)
    text = f"user name; the password is asked for, or in {PASSWORD} (else the variable {USER})"
    command.add_argument("--user", dest="credential_user", metavar="NAME", help=text)
    text = f"an access token, which other users of this machine can see here: better a file, or {TOKEN}"
    command.add_argument("--token", dest="credential_token", metavar="TOKEN", help=text)


@contextmanager
def shown(args: Namespace, environ: Mapping[str, str]) -> Iterator[None]:
    """Show what these arguments and variables say, in all that is sent to a gateway meanwhile."""
    token = _current.set(Credentials(args, environ))
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Credentials:
    """Return what is shown now."""
    return _current.get()


def hint(status: int) -> str:
    """Return what to do about a refusal, "" where credentials would not help."""
    if status == requests.codes.unauthorized:
        if current().authorization() is None:
            return f"; say who you are: --token-file, --user, or the variable {TOKEN}"
        return "; the gateway does not take what was shown to it"
    return ""


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", Exit.USAGE) from None
    except ValueError:
        raise CliError(f"{file} is no text", Exit.USAGE) from None


def _bearer(token: str, where: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CliError(f"{where}: this is no token: one word is wanted", Exit.USAGE)
    return f"Bearer {token}"


def _basic(user: str, password: str) -> str:
    if ":" in user:
        raise CliError("a user name has no colon", Exit.USAGE)
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
