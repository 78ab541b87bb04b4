"""Make what a transport needs of the credentials a setting names."""

from collections.abc import Mapping

from protes.config.instances import InstanceSettings
from protes.config.loading import ConfigError, read_secret
from protes.tes.credentials import BasicCredentials, BearerToken, Credentials, NoCredentials


def credentials_of(instance: InstanceSettings, environ: Mapping[str, str]) -> Credentials:
    """Read the credentials of an instance.

    Raises:
        ConfigError: the secret cannot be read or cannot be sent; the text does not show it.
    """
    where = f"custom.instances: {instance.id}: credentials"
    secret = read_secret(instance.credentials, environ, where)
    try:
        if instance.credentials.type == "basic" and secret is not None:
            return BasicCredentials(instance.credentials.username or "", secret)
        if instance.credentials.type == "bearer" and secret is not None:
            return BearerToken(secret)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    return NoCredentials()
