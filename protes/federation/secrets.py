"""Make what a transport needs of the credentials a setting names."""

from collections.abc import Mapping

from protes.config.instances import Credentials as CredentialSettings
from protes.config.loading import ConfigError, read_secret
from protes.tes.credentials import BasicCredentials, BearerToken, Credentials, NoCredentials


def credentials_of(settings: CredentialSettings, environ: Mapping[str, str], where: str) -> Credentials:
    """Read the credentials that settings name.

    Args:
        settings: what is said of them.
        environ: the environment that secrets are named in.
        where: the setting, for errors.

    Raises:
        ConfigError: the secret cannot be read or cannot be sent; the text does not show it.
    """
    secret = read_secret(settings, environ, where)
    try:
        if settings.type == "basic" and secret is not None:
            return BasicCredentials(settings.username or "", secret)
        if settings.type == "bearer" and secret is not None:
            return BearerToken(secret)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    return NoCredentials()
