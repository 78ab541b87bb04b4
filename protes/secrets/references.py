"""References to secrets: `env:NAME`, `file:PATH`, `azure-key-vault:VAULT/NAME`."""

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VAULT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/[A-Za-z0-9-]{1,127}(/[A-Za-z0-9]{1,64})?")

ENVIRONMENT, FILE, KEY_VAULT = "env", "file", "azure-key-vault"
SCHEMES = (ENVIRONMENT, FILE, KEY_VAULT)
_FORMS = "env:NAME, file:PATH or azure-key-vault:VAULT/NAME"


def is_reference(text: str) -> bool:
    """Tell whether a text is meant as a reference, by what it begins with."""
    return text.partition(":")[0] in SCHEMES and ":" in text


def parse(text: str) -> tuple[str, str]:
    """Return the scheme of a reference and the name in it.

    Raises:
        ValueError: it is none; the text does not repeat it, for it may be the secret itself.
    """
    scheme, _, name = text.partition(":")
    usable = {
        ENVIRONMENT: _NAME.fullmatch(name) is not None,
        FILE: bool(name) and name.isprintable(),
        KEY_VAULT: _VAULT.fullmatch(name) is not None,
    }
    if not usable.get(scheme, False):
        raise ValueError(f"say where the secret is, not what it is: {_FORMS}")
    return scheme, name


def _checked(text: str) -> str:
    parse(text)
    return text


Reference = Annotated[str, AfterValidator(_checked)]
"""A setting that says where a secret is, and is shown as it stands."""
