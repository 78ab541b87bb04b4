"""Azure Key Vault by Azure's own client, against a server over real TLS that answers as a vault does.

Only who the gateway is, which Azure's identity library finds out, is put in its place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protes.secrets import SecretMissing, Secrets
from tests.support.certificates import Authority, secure_server

pytest.importorskip("azure.keyvault.secrets", reason="the extra `azure` is not installed")
from azure.core.credentials import AccessToken, AccessTokenInfo

from protes.secrets.key_vault import KeyVaults

CANARY = "canary-of-a-vault"


class Identity:
    """A credential as Azure's identity library has them."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("token-of-the-gateway", int(time.time()) + 3600)

    def get_token_info(self, *scopes: str, **_: Any) -> AccessTokenInfo:
        return AccessTokenInfo("token-of-the-gateway", int(time.time()) + 3600)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module", name="authority")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca"))


def respond(request: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    if request.headers.get("Authorization") != "Bearer token-of-the-gateway":
        challenge = 'Bearer authorization="https://login.example.org/tenant", resource="https://vault.azure.net"'
        return 401, {"WWW-Authenticate": challenge}, {}
    name = request.path.removeprefix("/secrets/").strip("/")
    values = {"there": CANARY, "there/v1": f"{CANARY}-v1", "empty": " "}
    if name in values:
        return 200, {}, {"value": values[name], "id": f"https://127.0.0.1/secrets/{name.partition('/')[0]}/v1"}
    status = 403 if name == "denied" else 404
    return status, {}, {"error": {"code": "Whatever", "message": f"{CANARY}"}}


@pytest.fixture(scope="module", name="vault")
def _vault(authority: Authority) -> Iterator[str]:
    with secure_server(authority.issue("127.0.0.1"), respond) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(name="secrets")
def _secrets(authority: Authority) -> Secrets:
    return Secrets({}, lambda: vaults(authority))


def vaults(authority: Authority) -> KeyVaults:
    ca_file = str(authority.ca_file)
    return KeyVaults(Identity(), verify_challenge_resource=False, connection_verify=ca_file, retry_total=0)


def test_a_secret_comes_from_the_vault(secrets: Secrets, vault: str) -> None:
    assert secrets.read(f"azure-key-vault:{vault}/there").get_secret_value() == CANARY
    assert secrets.read(f"azure-key-vault:{vault}/there/v1").get_secret_value() == f"{CANARY}-v1"


@pytest.mark.parametrize(
    ("name", "text"), [("none", "no such secret"), ("denied", "answered 403|not let in"), ("empty", "is empty")]
)
def test_what_the_vault_does_not_give_is_told_by_name(secrets: Secrets, vault: str, name: str, text: str) -> None:
    with pytest.raises(SecretMissing, match=text) as missing:
        secrets.read(f"azure-key-vault:{vault}/{name}")
    assert name in str(missing.value)
    assert CANARY not in str(missing.value)


def test_a_vault_that_is_not_there_or_not_trusted_is_told(authority: Authority, vault: str) -> None:
    with pytest.raises(SecretMissing, match="cannot be asked"):
        vaults(authority).read("127.0.0.1:1/there")
    stranger = KeyVaults(Identity(), verify_challenge_resource=False, retry_total=0)
    with pytest.raises(SecretMissing, match="cannot be asked"):
        stranger.read(f"{vault}/there")


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["azure.keyvault.secrets"] = None
from protes.secrets import SecretMissing, Secrets
assert not [each for each in sys.modules if each.startswith("azure.") and sys.modules[each]]
try:
    Secrets({}).read("azure-key-vault:v/n")
except SecretMissing as missing:
    print(missing)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "install protes[azure]" in ended.stdout


def test_a_vault_is_named_or_its_host_is(authority: Authority) -> None:
    made = vaults(authority)
    assert made._client("mine").vault_url == "https://mine.vault.azure.net"
    assert made._client("mine.vault.azure.cn").vault_url == "https://mine.vault.azure.cn"
    assert json.dumps(list(made._clients)) == '["mine", "mine.vault.azure.cn"]'
