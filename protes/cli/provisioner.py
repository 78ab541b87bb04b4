"""A client of the provisioner of the Azure Batch TES ("tesazure").

That server makes its own resource group, storage account and Batch account, with a service principal that it is sent
(DIALECTS.md 3.4). Nothing there asks who calls, the request holds a secret and the answer holds keys. Therefore:

- What may be printed is masked, also where the server repeats a secret.
- A redirect is never followed, and no credentials or headers of ours are added.
- The request that creates is sent once. It goes to the documented path as well only after a 404 or 405.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import requests

from protes.cli.output import CliError, Exit
from protes.clock import Clock
from protes.outbound.tls import Tls
from protes.outbound.wire import CURRENT, DeadlineAdapter, Exchange
from protes.tes.error_mapping import LIBRARY_ERRORS, from_exception
from protes.tes.errors import NOT_CREATED, BadAnswer, DownstreamError
from protes.tes.redaction import redact
from protes.tes.urls import segment

_CREATE = ("/provision", "/provision/initialize")
"""Where to create: the path of the server's code, then the one of its documentation."""
_QUERY = ("/provision/{}", "/provision/query/{}")
_CONNECT_SECONDS, GET_SECONDS, _POST_SECONDS = 10.0, 30.0, 180.0
"""The POST is answered after the server has asked Azure about names, places and credentials."""
_MOST_BYTES = 256 * 1024
_MOST_CHARACTERS, _MOST_FIELDS, _MOST_DEPTH = 1000, 20, 5

_NO_SUCH_PATH = frozenset({404, 405})
_SENT_ELSEWHERE = frozenset({301, 307, 308})
"""Redirects that say that the request was not handled; after a 302 or 303 it may have been."""
_PASSING = frozenset({408, 425, 429, *range(500, 600)})
SHOWN = ("error_message", "storage_account_name", "batch_account_name", "batch_account_url")
"""What may be printed of a status, beside the status itself."""
_MASK = "***"


@dataclass(frozen=True)
class _Reply:
    """An answer: its status, and its body as far as it is JSON (`readable`)."""

    status: int
    document: Any
    readable: bool


class NoStatus(CliError):
    """No status this time; asking again may bring one."""


class Provisioner:
    """The provisioner of one server.

    Args:
        base: URL of the server, without the `/v1` of its TES.
        secrets: what no text may hold, wherever it comes from.
        timeout_seconds: how long one request may take at most, if that is less than usual.
        clock: measures.
    """

    def __init__(self, base: str, secrets: tuple[str, ...], timeout_seconds: float, clock: Clock) -> None:
        self._base = base
        self._secrets = secrets
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def create(self, request: Mapping[str, Any]) -> str:
        """Ask for resources and return the id of the provisioning.

        Raises:
            CliError: refused; or not reached, and nothing was sent; or nobody knows what came of it, and the text says
                so. Only where certainly nothing was sent is its code UNREACHABLE.
        """
        where = request.get("resource_group") or "tesazure-batch-<number>"
        for path in _CREATE:
            try:
                reply = self._ask("POST", path, request)
            except DownstreamError as error:
                if error.ambiguous:
                    raise CliError(self._unknown(error.text, where)) from None
                raise CliError(f"{self._base}: {error.text}; nothing was sent", Exit.UNREACHABLE) from None
            if reply.status not in _NO_SUCH_PATH:
                return self._created(reply, where)
        raise CliError(self._no_provisioner(_CREATE))

    def status(self, provision_id: str) -> dict[str, Any]:
        """Return what the server says of a provisioning, keys and all; empty before its worker has begun.

        Raises:
            CliError: there is no such provisioning, or no usable answer.
        """
        try:
            paths = [each.format(segment(provision_id)) for each in _QUERY]
        except ValueError:
            raise CliError("ID: not usable as an id", Exit.USAGE) from None
        for path in paths:
            reply = self._query(path)
            if reply.status not in _NO_SUCH_PATH:
                return self._status_of(reply)
            if isinstance(reply.document, dict) and reply.document.keys() & {"error", "errors"}:
                # The provisioner speaks, not the web server in front of it.
                raise CliError(f"{self._clean(provision_id)}: the server knows no such provisioning")
        raise CliError(self._no_provisioner([each.format("ID") for each in _QUERY]))

    def shown(self, provision_id: str, document: Mapping[str, Any]) -> dict[str, str | None]:
        """Return what may be printed of a status: all that is not known to be harmless is masked."""
        hidden = [value for name, value in document.items() if name not in SHOWN and name != "status"]
        secrets = [value for value in hidden if isinstance(value, str) and not in_key_vault(value)]
        shown = {"id": self._clean(provision_id), "status": self._clean(document.get("status") or "") or None}
        for name, value in [*document.items()][:_MOST_FIELDS]:
            if value and name not in ("id", "status"):
                shown[self._clean(name, *secrets)] = self._clean(value, *secrets) if name in SHOWN else _MASK
        return shown

    def _ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> _Reply:
        """Send one request, once.

        Raises:
            DownstreamError: no complete answer; `ambiguous` where the server may have acted.
        """
        post = method == "POST"
        seconds = min(_POST_SECONDS if post else GET_SECONDS, self._timeout_seconds)
        data = json.dumps(document).encode("ascii") if document is not None else None
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "protes"}
        headers |= {"Content-Type": "application/json"} if post else {}
        exchange = Exchange(self._clock, self._clock.monotonic() + seconds, seconds, -1.0)
        token = CURRENT.set(exchange)
        # An adapter and no session: no redirects, cookies or ~/.netrc, and nothing of the environment.
        adapter = DeadlineAdapter(1, Tls().context())
        try:
            request = requests.Request(method, self._base + path, headers=headers, data=data).prepare()
            timeout = (min(_CONNECT_SECONDS, seconds), seconds)
            with adapter.send(request, stream=True, timeout=timeout, verify=True) as response:
                return _reply(response.status_code, _body(response, post))
        except LIBRARY_ERRORS as error:
            raise from_exception(error, sent=exchange.sent, post=post, instance=self._base) from None
        finally:
            exchange.close()
            CURRENT.reset(token)
            adapter.close()

    def _created(self, reply: _Reply, where: str) -> str:
        provision_id = reply.document.get("id") if isinstance(reply.document, dict) else None
        if 200 <= reply.status < 300 and isinstance(provision_id, str) and re.fullmatch(r"[\w-]{1,128}", provision_id):
            return self._clean(provision_id)
        if reply.status in NOT_CREATED:
            raise CliError(f"the server refuses with {reply.status}; nothing was created{self._detail(reply)}")
        if reply.status in _SENT_ELSEWHERE:
            text = "a redirect, which is not followed: the secret goes nowhere else; nothing was created"
            raise CliError(f"{self._base} answers {reply.status}, {text}")
        if 200 <= reply.status < 300:
            raise CliError(self._unknown(f"answered {reply.status} without a usable id", where))
        also = ", as this server also does where Azure refuses the credentials" if reply.status == 500 else ""
        raise CliError(self._unknown(f"answered {reply.status}{also}", where) + self._detail(reply))

    def _query(self, path: str) -> _Reply:
        try:
            return self._ask("GET", path)
        except BadAnswer as error:
            raise CliError(str(error)) from None
        except DownstreamError as error:
            raise NoStatus(str(error), Exit.UNREACHABLE) from None

    def _status_of(self, reply: _Reply) -> dict[str, Any]:
        if reply.status in _PASSING:
            raise NoStatus(f"{self._base} answers {reply.status}{self._detail(reply)}")
        if not 200 <= reply.status < 300:
            also = ", a redirect, which is not followed" if 300 <= reply.status < 400 else ""
            raise CliError(f"{self._base} answers {reply.status}{also}{self._detail(reply)}")
        if not reply.readable or (reply.document and not isinstance(reply.document, dict)):
            raise CliError(f"{self._base} answers {reply.status} with something that is no status")
        return reply.document or {}

    def _unknown(self, text: str, where: str) -> str:
        return (
            f"{self._base}: {text}. Whether it has begun to provision is unknown, and the request was not repeated. "
            f"Look in the subscription for resource group {self._clean(where)} before you ask again: it may be there, "
            "or appear within minutes, and a second request may make a second set of resources"
        )

    def _no_provisioner(self, paths: Sequence[str]) -> str:
        tried = " and ".join(paths)
        return f"{self._base} has no provisioner at {tried}; is it a tesazure server, and --url without its /v1?"

    def _detail(self, reply: _Reply) -> str:
        """What a refusal says, one line for each field."""
        lines = []
        if isinstance(reply.document, dict):
            for part in ("errors", "error", "message"):
                lines += [f"\n  {line}" for line in self._lines(reply.document.get(part), "", _MOST_DEPTH)]
        more = [f"\n  and {len(lines) - _MOST_FIELDS} more"] if len(lines) > _MOST_FIELDS else []
        return (":" if lines else "") + "".join(lines[:_MOST_FIELDS] + more)

    def _lines(self, value: Any, name: str, depth: int) -> Iterator[str]:
        if isinstance(value, dict) and depth:
            for key, inner in value.items():
                yield from self._lines(inner, f"{name}.{self._clean(key)}" if name else self._clean(key), depth - 1)
        elif isinstance(value, list) and depth:
            for inner in value:
                yield from self._lines(inner, name, depth - 1)
        elif value:
            text = self._clean(value) if isinstance(value, str | int | float) else "…"
            yield f"{name}: {text}" if name else text

    def _clean(self, value: object, *secrets: str) -> str:
        """One printable line without secrets, as they are or as URLs and JSON write them."""
        written = {
            form
            for secret in (*self._secrets, *secrets)
            for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
        }
        text = redact(str(value), *sorted(written, key=len, reverse=True))
        line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
        return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…"


def in_key_vault(value: object) -> bool:
    """Tell whether a value is the row of asterisks that stands for one in the server's Key Vault."""
    return isinstance(value, str) and set(value) == {"*"}


def _body(response: requests.Response, post: bool) -> bytes:
    """The body, up to a cap; of a failure none where it cannot be read: the status has said what matters."""
    body = bytearray()
    try:
        for chunk in response.iter_content(8192):
            body += chunk
            if len(body) > _MOST_BYTES:
                text = f"answered {response.status_code} with more than {_MOST_BYTES} bytes"
                raise BadAnswer(text, ambiguous=post, too_big=True)
    except (*LIBRARY_ERRORS, BadAnswer):
        if 200 <= response.status_code < 300:
            raise
        return b""
    return bytes(body)


def _reply(status: int, body: bytes) -> _Reply:
    try:
        return _Reply(status, json.loads(body) if body.strip() else None, True)
    except (ValueError, RecursionError):
        return _Reply(status, None, False)
