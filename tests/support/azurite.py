"""A real Azurite, Azure's own emulator of its blob service, with an account of the test's.

It is looked for where `PROTES_AZURITE` says, and in `build/peers` (`npm install --prefix build/peers azurite`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import requests

ROOT = Path(__file__).parents[2]
ACCOUNT = "protestest"
KEY = base64.b64encode(hashlib.sha512(b"the key of the test's account").digest()).decode()
CONTAINER = "runs"

_LISTENING = re.compile(r"listens on (http://[0-9.]+:[0-9]+)")
_SECONDS = 20.0


def executable(environ: Mapping[str, str]) -> Path | None:
    """Return the program, or None where there is none."""
    named = environ.get("PROTES_AZURITE")
    path = Path(named) if named else ROOT / "build" / "peers" / "node_modules" / ".bin" / "azurite-blob"
    return path if path.is_file() else None


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """Run it on a free port; yield the URL of the account, in which there is an empty container."""
    command = [str(program), "--blobPort", "0", "--disableTelemetry", "--silent"]
    environ = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with subprocess.Popen(
        [*command, "--location", str(folder)],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            url = f"{_url_of(process)}/{ACCOUNT}"
            answer = requests.put(f"{url}/{CONTAINER}?restype=container&{_account_sas()}", timeout=_SECONDS)
            answer.raise_for_status()
            yield url
        finally:
            process.terminate()


def _url_of(process: subprocess.Popen[str]) -> str:
    """Read where it listens; it says so once it does."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if match := _LISTENING.search(line):
            return match.group(1)
    raise RuntimeError(f"Azurite has ended: {said}")


def _account_sas() -> str:
    """What may create a container, which no service SAS can; put together without the code under test."""
    until = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"sp": "cw", "ss": "b", "srt": "sco", "st": "", "se": until, "sip": "", "spr": "https,http"}
    lines = [ACCOUNT, *fields.values(), "2020-12-06", "", ""]
    digest = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    shown = {name: value for name, value in fields.items() if value}
    return urlencode({**shown, "sv": "2020-12-06", "sig": base64.b64encode(digest).decode()})
