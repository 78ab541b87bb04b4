"""Settings of credentials: how the gateway shows itself to an instance (docs/credentials.md)."""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from protes.config.base import Section
from protes.secrets.references import Reference

_AZURE_LOGIN = "https://login.microsoftonline.com"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a name)
_OF_OAUTH2 = (
    "token_url",
    "allow_http_token_url",
    "tenant",
    "client_id",
    "client_authentication",
    "resource",
    "scope",
    "audience",
    "token_ca_file",
)
"""Settings that say something of OAuth2 only."""
_OF_EXCHANGE = ("subject_token_type", "requested_token_type")
"""Settings that say something of token exchange only."""
OF_CALLERS = ("pass_through", "token_exchange")
"""Types whose tokens are the callers' own, or made of them."""
_WITHOUT_SECRET = ("none", "pass_through")
_PORTS = {"http": 80, "https": 443}


class Credentials(Section):
    """How the gateway shows itself to an instance; secrets come from the environment or a file, never inline."""

    type: Literal["none", "basic", "bearer", "oauth2", "pass_through", "token_exchange"] = Field(
        "none",
        description="Kind of credential; `oauth2` stands for OAuth2 client credentials, `pass_through` for the token "
        "that each task's caller brings, `token_exchange` for one that is got for it (RFC 8693).",
    )
    username: str | None = Field(None, description="User name for `basic`.")
    secret: Reference | None = Field(
        None,
        description="Where the password, the token or the client's secret is: `env:NAME`, `file:PATH` or "
        "`azure-key-vault:VAULT/NAME`.",
    )
    secret_env: str | None = Field(
        None, description="Environment variable that holds the password, the token or the client's secret."
    )
    secret_file: str | None = Field(None, description="File that holds the password, the token or the client's secret.")
    token_url: str | None = Field(
        None, description="`oauth2`, `token_exchange`: the token endpoint, https unless it is on loopback."
    )
    allow_http_token_url: bool = Field(False, description="`oauth2`: send the secret over plain http all the same.")
    tenant: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$",
        description="`oauth2`: the Azure tenant, in the place of token_url: v1.0 with `resource`, v2.0 with `scope`.",
    )
    client_id: str | None = Field(None, min_length=1, description="`oauth2`: the id of the gateway as a client.")
    client_authentication: Literal["post", "basic"] = Field(
        "post", description="`oauth2`: send id and secret in the form, or as HTTP Basic."
    )
    resource: str | None = Field(None, min_length=1, description="`oauth2`: whom the token is for (Azure v1.0).")
    scope: str | None = Field(None, min_length=1, description="`oauth2`: what the token is for, words with spaces.")
    audience: str | None = Field(None, min_length=1, description="`oauth2`: whom the token is for (Auth0, Keycloak).")
    token_ca_file: str | None = Field(
        None, description="`oauth2`: CA bundle that the token server's certificate is checked with."
    )
    subject_token_type: str | None = Field(
        None, min_length=1, description=f"`token_exchange`: what callers' tokens are; `{ACCESS_TOKEN}` by default."
    )
    requested_token_type: str | None = Field(
        None, min_length=1, description="`token_exchange`: what is asked for; the token endpoint decides by default."
    )
    hosts: tuple[str, ...] = Field(
        (), description="Hosts they may be sent to, with port where it matters; `pass_through` needs them named."
    )
    allow_http: bool = Field(
        False,
        description="`pass_through`, `token_exchange`: send callers' tokens, or those got for them, over plain http "
        "all the same.",
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Credentials":
        if self.type in _WITHOUT_SECRET:
            self._check_without_secret()
        elif [self.secret, self.secret_env, self.secret_file].count(None) != 2:
            raise ValueError("give exactly one of secret, secret_env and secret_file")
        if self.allow_http and self.type not in OF_CALLERS:
            raise ValueError("allow_http is for type pass_through only, and for token_exchange")
        if self.type == "basic" and not self.username:
            raise ValueError("basic needs a username")
        if self.type in ("oauth2", "token_exchange"):
            self._check_oauth2()
        else:
            self._refuse_settings(_OF_OAUTH2, "oauth2")
        if self.type != "token_exchange":
            self._refuse_settings(_OF_EXCHANGE, "token_exchange")
        return self

    def check_address(self, url: str) -> None:
        """Check that these credentials may be sent to an instance.

        Raises:
            ValueError: its host is not one of `hosts`, or a caller's token would go over plain http.
        """
        if self.hosts and not is_one_of(self.hosts, url):
            raise ValueError("the host of the instance is not one of credentials.hosts")
        if self.type in OF_CALLERS:
            parts = urlsplit(url)
            if parts.scheme != "https" and not (self.allow_http or is_loopback(parts.hostname or "")):
                raise ValueError(
                    "callers' tokens go over https only; credentials.allow_http lets them go over plain http"
                )

    def token_endpoint(self) -> str:
        """Return where tokens are asked for; "" for types that ask for none."""
        if self.tenant is None:
            return self.token_url or ""
        version = "" if self.resource is not None else "v2.0/"
        return f"{_AZURE_LOGIN}/{self.tenant}/oauth2/{version}token"

    def _check_without_secret(self) -> None:
        if self.type == "pass_through":
            if any(each is not None for each in (self.secret, self.secret_env, self.secret_file, self.username)):
                raise ValueError("pass_through sends what the caller brings: it has no user name and no secret")
            if not self.hosts:
                raise ValueError("pass_through needs hosts: those that callers' tokens may be sent to")

    def _refuse_settings(self, names: tuple[str, ...], kind: str) -> None:
        fields = type(self).model_fields
        for name in names:
            if getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is for type {kind} only")

    def _check_oauth2(self) -> None:
        if self.client_id is None:
            raise ValueError(f"{self.type} needs a client_id")
        if self.type == "token_exchange" and (self.token_url is None or self.tenant is not None):
            # Azure does something of its own in its place ("on behalf of").
            raise ValueError("token_exchange needs a token_url, and knows no tenant")
        if (self.token_url is None) == (self.tenant is None):
            raise ValueError("oauth2 needs exactly one of token_url and tenant")
        if self.tenant is not None and ((self.resource is None) == (self.scope is None) or self.audience is not None):
            raise ValueError("with a tenant goes exactly one of resource (v1.0) and scope (v2.0), and no audience")
        if self.token_url is not None:
            _check_token_url(self.token_url, allow_http=self.allow_http_token_url)


def _check_token_url(url: str, *, allow_http: bool) -> None:
    """Refuse a token endpoint that a secret should not be sent to; no text repeats it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise ValueError("token_url starts with https:// and names a host")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("token_url has neither credentials nor a fragment")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError("token_url starts with https://; allow_http_token_url lets the secret go over plain http")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_one_of(hosts: tuple[str, ...], url: str) -> bool:
    """Tell whether the host of a URL, or its host and port, is one of those named."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
    shown = f"[{host}]" if ":" in host else host
    wanted = {host, shown, f"{shown}:{port}"}
    return any(each.strip().lower() in wanted for each in hosts)
