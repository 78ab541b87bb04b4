"""Make what a transport needs of the credentials a setting names."""

from collections.abc import Mapping

from pydantic import SecretStr

from protes.clock import Clock
from protes.config.credentials import ACCESS_TOKEN
from protes.config.credentials import Credentials as CredentialSettings
from protes.config.loading import ConfigError, read_secret
from protes.config.outbound import OutboundSettings, TlsSettings
from protes.federation.exchange_asking import ExchangeGrant
from protes.outbound.tls import tls_of
from protes.secrets import Secrets
from protes.tes.credentials import BasicCredentials, BearerToken, Credentials, NoCredentials
from protes.tes.oauth2 import ClientCredentials, TokenGrant


def credentials_of(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    where: str,
    clock: Clock,
    outbound: OutboundSettings | None = None,
    secrets: Secrets | None = None,
) -> Credentials:
    """Read the credentials that settings name; no token is fetched yet.

    Args:
        settings: what is said of them.
        environ: the environment that secrets are named in.
        where: the setting, for errors.
        clock: measures how long tokens live.
        outbound: how token servers are checked; as by default.
        secrets: reads what settings refer to.

    Raises:
        ConfigError: the secret cannot be read or cannot be sent; the text does not show it.
    """
    secret = read_secret(settings, environ, where, secrets)
    try:
        if settings.type == "basic" and secret is not None:
            return BasicCredentials(settings.username or "", secret)
        if settings.type == "bearer" and secret is not None:
            return BearerToken(secret)
        if settings.type == "oauth2" and secret is not None:
            return ClientCredentials(_grant(settings, secret, outbound or OutboundSettings()), clock)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    return NoCredentials()


def exchange_of(
    settings: CredentialSettings, secret: SecretStr | None, where: str, outbound: OutboundSettings
) -> ExchangeGrant:
    """Make how callers' tokens are exchanged.

    Raises:
        ConfigError: the client's secret is empty, or a CA bundle cannot be used.
    """
    try:
        grant = _grant(settings, secret or SecretStr(""), outbound)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    return ExchangeGrant(grant, settings.subject_token_type or ACCESS_TOKEN, settings.requested_token_type)


def _grant(settings: CredentialSettings, secret: SecretStr, outbound: OutboundSettings) -> TokenGrant:
    wished = {"resource": settings.resource, "scope": settings.scope, "audience": settings.audience}
    return TokenGrant(
        settings.token_endpoint(),
        settings.client_id or "",
        secret,
        {name: value for name, value in wished.items() if value is not None},
        settings.client_authentication,
        tls_of(outbound, TlsSettings(ca_file=settings.token_ca_file)).check(),
    )
