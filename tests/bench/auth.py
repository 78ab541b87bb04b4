"""What it costs to know who calls: `python -m tests.bench.auth`.

A gateway in this process, on the embedded store; the same GET of a task goes straight into its WSGI app, behind each
mode in turns, so that whatever else the machine does falls on all alike; times are the processor's. Keys and passwords
are known by then (warm).
Then what a token costs that nobody has shown before, by the algorithm of its signature, and a password.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import thread_time
from typing import Any

from protes.app import Gateway, create_gateway
from protes.auth.basic import Passwords
from protes.auth.bearers import Bearers
from protes.auth.gatekeeper import Gatekeeper
from protes.auth.key_ring import KeyRings
from protes.auth.passwords import hash_password, read_users
from protes.clock import Clock, SystemClock
from protes.config.auth import AuthSettings
from protes.config.loading import load
from protes.config.settings import Settings
from protes.store.factory import create_stores
from tests.support.auth import basic, bearer, issuer_settings, oidc
from tests.support.issuer import Issuer

ROUNDS, CALLS = 300, 10
ALGORITHMS = ("RS256", "ES256", "EdDSA")
BODY = b'{"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}'
_TASKS = "/ga4gh/tes/v1/tasks"


def call(gateway: Gateway, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Send a request straight into the app, and return the body of its answer."""
    statuses: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    answer = b"".join(gateway.wsgi(environ, lambda status, headers, *rest: statuses.append(status)))
    assert statuses[0].startswith("200"), (statuses, answer)
    return answer


class Turns:
    """A gatekeeper that acts as one of several: so that all are in front of the same app, with the same tasks."""

    def __init__(self, keepers: dict[str, Gatekeeper]) -> None:
        self._keepers = keepers
        self.mode = "none"
        self.took: dict[str, list[float]] = {mode: [] for mode in keepers}

    def admit(self, environ: dict[str, Any], path: str) -> None:
        """Admit as the one whose turn it is, and note how long it took, in microseconds."""
        began = thread_time()
        self._keepers[self.mode].admit(environ, path)
        self.took[self.mode].append((thread_time() - began) * 1e6)


@contextmanager
def gateway(folder: Path, turns: Turns) -> Iterator[Gateway]:
    """A gateway on the embedded store in a new folder, with these in front of it."""
    made = create_gateway(load([], {}, {"store": {"url": str(folder)}}), stores=create_stores(str(folder)))
    try:
        parts = replace(made._current.now, gatekeeper=turns)  # type: ignore[arg-type]
        made._current.replace(parts)
        yield made
    finally:
        made.close()


def timed(function: Callable[[], object], calls: int) -> float:
    """Return the microseconds of this thread's processor time that one of so many calls takes."""
    began = thread_time()
    for _ in range(calls):
        function()
    return (thread_time() - began) / calls * 1e6


def warm(folder: Path, users: Path, issuer: Issuer, clock: Clock) -> dict[str, tuple[float, float]]:
    """Return the microseconds of a GET by mode, and those of the decision within it.

    Medians of many rounds, in each of which all take their turn.
    """
    modes: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "none": ({}, {}),
        "basic": ({"mode": "basic", "users_file": str(users)}, basic("ann", "swordfish")),
        "oidc": (oidc(issuer_settings(issuer)), bearer(issuer.token("ann", exp=4_000_000_000))),
    }
    made = {mode: Settings.model_validate({"auth": auth}) for mode, (auth, _) in modes.items()}
    turns = Turns({mode: Gatekeeper(each, KeyRings(clock), clock) for mode, each in made.items()})
    with gateway(folder / "store", turns) as served:

        def read(mode: str) -> Callable[[], object]:
            headers = modes[mode][1]
            path = f"{_TASKS}/{json.loads(call(served, 'POST', _TASKS, headers, BODY))['id']}"
            return lambda: call(served, "GET", path, headers)

        reads = {}
        for turns.mode in modes:
            reads[turns.mode] = read(turns.mode)
        rounds = []
        for number in range(ROUNDS):
            found = {}
            for turns.mode in sorted(modes, reverse=number % 2 == 1):
                reads[turns.mode]()
                found[turns.mode] = timed(reads[turns.mode], CALLS)
            rounds.append(found)
    medians = {mode: statistics.median(each[mode] for each in rounds) for mode in modes}
    return {mode: (whole, statistics.median(turns.took[mode])) for mode, whole in medians.items()}


def deciding(users: Path, issuer: Issuer, clock: Clock) -> dict[str, float]:
    """Return the microseconds of the decision alone, for credentials that were shown before."""
    bearers = Bearers(AuthSettings.model_validate(oidc(issuer_settings(issuer))), KeyRings(clock), clock)
    passwords = Passwords(read_users(users))
    token = issuer.token("ann", exp=4_000_000_000)
    credential = basic("ann", "swordfish")["Authorization"].partition(" ")[2]
    calls: dict[str, Callable[[], object]] = {
        "basic": lambda: passwords.caller_of(credential),
        "oidc": lambda: bearers.caller_of(token),
    }
    for each in calls.values():
        each()
    return {mode: statistics.median(timed(each, 1000) for _ in range(20)) for mode, each in calls.items()}


def cold(issuer: Issuer, clock: Clock) -> dict[str, float]:
    """Return the microseconds of a token's first showing, by algorithm."""
    bearers = Bearers(AuthSettings.model_validate(oidc(issuer_settings(issuer))), KeyRings(clock), clock)
    found = {}
    for algorithm in ALGORITHMS:
        tokens = [issuer.token(f"user-{number}", kid=algorithm, exp=4_000_000_000) for number in range(300)]
        bearers.caller_of(tokens.pop())
        found[algorithm] = statistics.median(timed(lambda each=each: bearers.caller_of(each), 1) for each in tokens)  # type: ignore[misc]
    return found


def password(users: Path) -> float:
    """Return the milliseconds of a password's first showing."""

    def first() -> object:
        return Passwords(read_users(users)).caller_of(basic("ann", "swordfish")["Authorization"].partition(" ")[2])

    return statistics.median(timed(first, 1) for _ in range(5)) / 1000


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, and print a table."""
    del arguments
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as name, Issuer(clock) as issuer:
        users = Path(name) / "users"
        users.write_text(f"ann:{hash_password('swordfish')}\n")
        for algorithm in ALGORITHMS:
            issuer.add_key(algorithm, kid=algorithm)
        issuer.add_key("RS256", kid="last")
        found, alone = warm(Path(name), users, issuer, clock), deciding(users, issuer, clock)
        base, _ = found["none"]
        print(f"GET of a task, {ROUNDS} rounds of {CALLS} calls each, median")
        for mode, (whole, within) in found.items():
            more = f"x {whole / base:.3f}" if mode != "none" else " " * 7
            over_and_over = f", {alone[mode]:.1f} us over and over" if mode in alone else ""
            print(f"  {mode:6} {whole:8.1f} us  {more}  of which who calls {within:6.1f} us{over_and_over}")
        for algorithm, microseconds in cold(issuer, clock).items():
            print(f"a token's first showing, {algorithm:6} {microseconds:8.1f} us")
        print(f"a password's first showing      {password(users):8.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
