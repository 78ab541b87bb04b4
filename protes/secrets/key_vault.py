"""Secrets in Azure Key Vault: `azure-key-vault:VAULT/NAME`, with the extra `protes[azure]`.

The gateway shows itself as `azure.identity.DefaultAzureCredential` finds it: managed identity, workload identity, or
the variables `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`. Nothing of Azure is imported before a
secret is wanted from there.
"""

from typing import Any

from pydantic import SecretStr

from protes.secrets.source import SecretMissing

_HOST = "{}.vault.azure.net"
_SECONDS = 15
_RETRIES = 2
_MISSING = "azure-key-vault: needs azure-identity and azure-keyvault-secrets: install protes[azure]"


class KeyVaults:
    """All vaults, a client each. Not safe under threads: `Secrets` reads one secret after the other."""

    def __init__(self, credential: Any = None, **options: Any) -> None:
        """Ask nothing yet.

        Args:
            credential: an `azure.core.credentials.TokenCredential`; by default the one that Azure's library finds.
            options: further arguments of `azure.keyvault.secrets.SecretClient`, for vaults with a CA of their own.

        Raises:
            SecretMissing: the extra is not installed.
        """
        try:
            import azure.identity
            import azure.keyvault.secrets as library
        except ImportError:
            raise SecretMissing(_MISSING) from None
        self._library = library
        self._credential = credential or azure.identity.DefaultAzureCredential()
        self._options = {"retry_total": _RETRIES, "connection_timeout": _SECONDS, "read_timeout": _SECONDS, **options}
        self._clients: dict[str, Any] = {}

    def read(self, name: str) -> SecretStr:
        """Return the secret of `VAULT/NAME`, or `VAULT/NAME/VERSION`; VAULT is a name, or a host where it has a dot.

        Raises:
            SecretMissing: the vault does not answer, or not with this secret.
        """
        import azure.core.exceptions as errors

        vault, _, rest = name.partition("/")
        secret, _, version = rest.partition("/")
        where = f"azure-key-vault:{name}"
        try:
            value = self._client(vault).get_secret(secret, version or None).value
        except errors.ClientAuthenticationError:
            raise SecretMissing(f"{where}: the gateway is not let in") from None
        except errors.ResourceNotFoundError:
            raise SecretMissing(f"{where}: there is no such secret") from None
        except (errors.AzureError, ValueError) as problem:
            status = getattr(problem, "status_code", None)
            why = f"the vault answered {status}" if status else f"the vault cannot be asked ({type(problem).__name__})"
            raise SecretMissing(f"{where}: {why}") from None
        if not value or not value.strip():
            raise SecretMissing(f"{where} is empty")
        return SecretStr(value.strip())

    def _client(self, vault: str) -> Any:
        if vault not in self._clients:
            host = vault if "." in vault or ":" in vault else _HOST.format(vault)
            self._clients[vault] = self._library.SecretClient(f"https://{host}", self._credential, **self._options)
        return self._clients[vault]
