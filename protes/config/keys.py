"""Keys that secrets are encrypted with at rest: how settings and files have them."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

_KEY_BYTES = 32


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _checked(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    return tuple(normal_key(each) for each in keys)


SecretKeys = Annotated[tuple[SecretStr, ...], BeforeValidator(_one_or_more), AfterValidator(_checked)]
"""A key or a list of them, the newest first."""


def normal_key(key: SecretStr) -> SecretStr:
    """Return a key in URL-safe base64, whichever alphabet it came in.

    Raises:
        ValueError: it is not 32 bytes in base64; the text does not show it.
    """
    text = key.get_secret_value().strip().replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise ValueError("a key is 32 random bytes in base64, such as `openssl rand -base64 32` prints")
    return SecretStr(base64.urlsafe_b64encode(raw).decode("ascii"))


def read_keys(file: Path) -> Sequence[SecretStr]:
    """Read a file of keys, one a line, the newest first; empty lines and lines that begin with `#` are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no key, or there is none; the text names the line and does not show it.
    """
    keys: list[SecretStr] = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(normal_key(SecretStr(line)))
        except ValueError as problem:
            raise ValueError(f"line {number}: {problem}") from None
    if not keys:
        raise ValueError("there is no key in it")
    return keys
