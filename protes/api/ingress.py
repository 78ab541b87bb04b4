"""The layer in front of connexion: makes of what clients send what the specification's operations take.

It refuses foreign hosts and origins, collapses slashes, peels `/w/<weight>` and `/profiles/<name>`, caps bodies, parses
JSON, and drops nulls and server-set fields, which engines send and connexion would refuse (ENGINES.md section 8, rules
1 and 9). What it learned is handed on in the WSGI environment as `Ingress`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from middleware.preference import parse_weight
from protes.api.guard import Guard
from protes.api.problems import MEDIA_TYPE, FieldError, Problem, body_of, invalid, log_refusal, title_of
from protes.api.validation import path_of

ENVIRON_KEY = "protes.ingress"
COMPATIBILITY_BASE = "/v1"
TES_BASES = ("/ga4gh/tes/v1", COMPATIBILITY_BASE)
CANCEL_TASKS = "/protes/v1/tasks:cancel"
BATCHES = ("/protes/v1/tasks:create", CANCEL_TASKS)
SERVER_SET = ("id", "state", "logs", "creation_time")
_SLASHES = re.compile(r"/{2,}")
_ROOT = re.compile(r"^/(w|profiles)/([^/]*)(/.*)?$")
_JSON_TYPE = re.compile(r"^application/(?:[\w.+-]+\+)?json$", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LENGTH = re.compile(r"[0-9]{1,15}")
_PAGE_END = "/ui/"
_DEEPEST = 32
_DISCARDED = 64 * 1024 * 1024
_LEFT = 64 * 1024
_CHUNK = 64 * 1024

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Admit = Callable[[Environ, str], None]


@dataclass(frozen=True, slots=True)
class Ingress:
    """What the ingress layer learned of a request.

    Attributes:
        prefix: the gateway root the client uses, such as `/w/0.3`; "" for the plain one.
        weight: the weight in the prefix as written, or None.
        profile: the name of the profile in the prefix, or None.
        base: the TES base path of the request, or "" where it is none.
        body: the parsed JSON body, without nulls, of a request that brings tasks or names them; None for others.
    """

    prefix: str = ""
    weight: str | None = None
    profile: str | None = None
    base: str = ""
    body: Any = None

    @property
    def compatible(self) -> bool:
        """Whether the request came over the compatibility dialect `/v1`."""
        return self.base == COMPATIBILITY_BASE


class IngressLayer:
    """WSGI middleware around the connexion app."""

    def __init__(
        self,
        app: WsgiApp,
        guard: Guard,
        max_body_bytes: int,
        gateway_id: str,
        profiles: Collection[str] = (),
        admit: Admit | None = None,
    ) -> None:
        """Wrap an app.

        Args:
            app: what is handed the requests that are let in.
            guard: which hosts and origins are.
            max_body_bytes: longer bodies are answered 413.
            gateway_id: this gateway's.
            profiles: roots of other profiles are answered 404.
            admit: notes who calls, from the request without its body and the path that it is routed to; raises Problem
                where they are not let in.
        """
        self._app = app
        self._guard = guard
        self._max_body_bytes = max_body_bytes
        self._gateway_id = gateway_id
        self._profiles = profiles
        self._admit = admit

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            self._let_in(environ)
        except Problem as problem:
            log_refusal(problem, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
            # Named here too: a gateway that was told its own address must recognise itself even where it refuses it.
            return _refuse(problem, self._named(start_response))

        return self._app(environ, self._named(start_response))

    def _named(self, start_response: StartResponse) -> StartResponse:
        """Have every answer say which gateway it is of."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            headers.append(("X-Protes-Gateway", self._gateway_id))
            return start_response(status, headers, *rest)

        return start

    def _let_in(self, environ: Environ) -> None:
        refusal = self._guard.refusal(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"))
        if refusal is not None:
            raise Problem(403, refusal)
        given = tidy(environ.get("PATH_INFO", "/"))
        try:
            root, path = peel(given, self._profiles)
        except Problem:
            self._identify(environ, given)  # which roots there are is not for everybody
            raise
        self._identify(environ, path)
        environ["PATH_INFO"] = path
        base = next((each for each in TES_BASES if path == each or path.startswith(each + "/")), "")
        body = None
        if environ["REQUEST_METHOD"] in ("POST", "PUT", "PATCH"):
            raw = read_body(environ, self._max_body_bytes)
            if environ["REQUEST_METHOD"] == "POST" and takes_task(path, base):
                body = parse_task(raw, environ.get("CONTENT_TYPE", ""))
                raw = write_task(body)
            elif environ["REQUEST_METHOD"] == "POST" and path in BATCHES:
                # A filter that is null must not be a filter less: it could find, and cancel, everything.
                body = parse_json(raw, environ.get("CONTENT_TYPE", ""), keep_nulls=path == CANCEL_TASKS)
                raw = b"{}"  # each part is checked by itself, with a result of its own
            environ["wsgi.input"] = BytesIO(raw)
            environ["CONTENT_LENGTH"] = str(len(raw))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ[ENVIRON_KEY] = replace(root, base=base, body=body)

    def _identify(self, environ: Environ, path: str) -> None:
        """Find out who calls, before anything is done for them."""
        if self._admit is None:
            return
        try:
            self._admit(environ, path)
        except Problem as refusal:
            if not _leave(environ):
                refusal.headers["Connection"] = "close"
            raise


def tidy(path: str) -> str:
    """Collapse runs of slashes and drop the last one, so that `//v1/tasks/` needs no redirect, which would lose a POST.

    Swagger UI's page keeps its last slash: its parts are found relative to it.
    """
    collapsed = _SLASHES.sub("/", path)
    return collapsed if collapsed.endswith(_PAGE_END) else collapsed.rstrip("/") or "/"


def peel(path: str, profiles: Collection[str] = ()) -> tuple[Ingress, str]:
    """Split a path into the gateway root, with what stands in it, and the rest.

    A root has a weight, a profile, or both, in either order.

    Raises:
        Problem: 404, the weight is none, or there is no such profile.
    """
    found: dict[str, str] = {}
    prefix = ""
    while (match := _ROOT.match(path)) is not None and match.group(1) not in found:
        kind, value, rest = match.group(1), match.group(2), match.group(3)
        _check_root(kind, value, profiles)
        found[kind] = value
        prefix += f"/{kind}/{value}"
        path = rest or "/"
    return Ingress(prefix=prefix, weight=found.get("w"), profile=found.get("profiles")), path


def _check_root(kind: str, value: str, profiles: Collection[str]) -> None:
    if kind == "w":
        try:
            parse_weight(value)
        except ValueError as error:
            raise Problem(404, f"there is no gateway root /w/{value[:40]}: {error}") from None
    elif value not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise Problem(404, f"there is no gateway root /profiles/{value[:40]}: known profiles are {known}")


def takes_task(path: str, base: str) -> bool:
    """Tell whether a POST to this path carries a task document."""
    return (base != "" and path == f"{base}/tasks") or path == "/protes/v1/offers"


def read_body(environ: Environ, limit: int) -> bytes:
    """Read a request body of at most `limit` bytes, of a declared length or chunked.

    Raises:
        Problem: 400 where the length is none, 413 where the body is larger.
    """
    too_large = Problem(413, f"the body is larger than {limit} bytes (server.max_body_bytes)")
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared:
        if not _LENGTH.fullmatch(declared):
            raise invalid([FieldError("header Content-Length", "must be a number of bytes")])
        if int(declared) > limit:
            if int(declared) <= _DISCARDED:
                _discard(environ["wsgi.input"], int(declared))
            raise too_large
        raw: bytes = environ["wsgi.input"].read(int(declared))
        if len(raw) < int(declared):
            raise Problem(400, "the body ended before its declared length")
        return raw
    if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    chunked: bytes = environ["wsgi.input"].read(limit + 1)
    if len(chunked) > limit:
        _discard(environ["wsgi.input"], _DISCARDED)
        raise too_large
    return chunked


def _leave(environ: Environ) -> bool:
    """Be done with the body of a request that is refused unread; False where the connection can carry no other."""
    declared = environ.get("CONTENT_LENGTH") or "0"
    if "HTTP_TRANSFER_ENCODING" in environ or not _LENGTH.fullmatch(declared) or int(declared) > _LEFT:
        return False
    _discard(environ["wsgi.input"], int(declared))
    return True


def _discard(source: Any, left: int) -> None:
    """Read `left` bytes of a body: a client that is still sending when the connection closes never sees the answer."""
    while left > 0 and (read := len(source.read(min(left, _CHUNK)))):
        left -= read


def parse_task(raw: bytes, content_type: str) -> dict[str, Any]:
    """Parse a task document, without nulls and server-set fields.

    Raises:
        Problem: 415 where it is not declared as JSON, 400 where it is not a JSON object.
    """
    document = parse_json(raw, content_type)
    if not isinstance(document, dict):
        raise Problem(400, "the body must be a JSON object, a tesTask")
    return without_server_set(document)


def without_server_set(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task without the fields that are the server's to set."""
    return {name: value for name, value in document.items() if name not in SERVER_SET}


def parse_json(raw: bytes, content_type: str, *, keep_nulls: bool = False) -> Any:
    """Parse a body, without nulls in objects, or with them.

    Raises:
        Problem: 415 where it is not declared as JSON, 400 where it is none.
    """
    media_type = content_type.partition(";")[0].strip()
    if not _JSON_TYPE.match(media_type):
        raise Problem(415, "header Content-Type: must be application/json")
    try:
        document = json.loads(raw, parse_constant=_refuse_constant)
        without = drop_nulls(document)
    except RecursionError:
        raise Problem(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    return document if keep_nulls else without


def write_task(document: Mapping[str, Any]) -> bytes:
    """Write a parsed task again.

    Raises:
        Problem: 400, a string is no text: JSON can write half of a character, which cannot be stored or sent on.
    """
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        where = path_of(next(_halves(document, ()), ()))
        raise invalid([FieldError(where, "must be Unicode text, without lone surrogates")]) from None


def _halves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Find strings with lone surrogates; a key is found as the object that it is in."""
    if isinstance(value, str) and _SURROGATE.search(value):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _halves(key, path or ("body",))
            yield from _halves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _halves(item, (*path, index))


def drop_nulls(value: Any, depth: int = 0) -> Any:
    """Return `value` without object members that are null, at any depth; a null in an array is left to be refused.

    Raises:
        RecursionError: it is nested deeper than any task.
    """
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        return {key: drop_nulls(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [drop_nulls(item, depth + 1) for item in value]
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _refuse(problem: Problem, start_response: StartResponse) -> Iterable[bytes]:
    body = body_of(problem)
    headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *problem.headers.items()]
    if problem.status == 413:
        # There may be more of the body than was read, so the connection cannot carry another request.
        headers.append(("Connection", "close"))
    start_response(f"{problem.status} {title_of(problem.status)}", headers)
    return [body]
