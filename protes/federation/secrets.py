"""Make what a transport needs of the credentials a setting names."""

from collections.abc import Mapping

from pydantic import SecretStr

from protes.clock import Clock
from protes.config.instances import Credentials as CredentialSettings
from protes.config.loading import ConfigError, read_secret
from protes.tes.credentials import BasicCredentials, BearerToken, Credentials, NoCredentials
from protes.tes.oauth2 import ClientCredentials, TokenGrant


def credentials_of(settings: CredentialSettings, environ: Mapping[str, str], where: str, clock: Clock) -> Credentials:
    """Read the credentials that settings name; no token is fetched yet.

    Args:
        settings: what is said of them.
        environ: the environment that secrets are named in.
        where: the setting, for errors.
        clock: measures how long tokens live.

    Raises:
        ConfigError: the secret cannot be read or cannot be sent; the text does not show it.
    """
    secret = read_secret(settings, environ, where)
    try:
        if settings.type == "basic" and secret is not None:
            return BasicCredentials(settings.username or "", secret)
        if settings.type == "bearer" and secret is not None:
            return BearerToken(secret)
        if settings.type == "oauth2" and secret is not None:
            return ClientCredentials(_grant(settings, secret), clock)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    return NoCredentials()


def _grant(settings: CredentialSettings, secret: SecretStr) -> TokenGrant:
    wished = {"resource": settings.resource, "scope": settings.scope, "audience": settings.audience}
    return TokenGrant(
        settings.token_endpoint(),
        settings.client_id or "",
        secret,
        {name: value for name, value in wished.items() if value is not None},
        settings.client_authentication,
        settings.token_ca_file or True,
    )
