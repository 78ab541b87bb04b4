"""Settings of who gets in (docs/authentication.md).

The words of issuers are those of FOCA's `security.auth`, where both have the same.
"""

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from protes.config.base import Name, Seconds, Section

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the holder of a private key can make (RFC 7518, section 3; RFC 8037)."""

Claim = Annotated[str, Field(min_length=1, max_length=256)]
Word = Annotated[str, Field(min_length=1, max_length=1024)]
Mode = Literal["none", "basic", "oidc", "basic+oidc"]


def is_loopback(host: str) -> bool:
    """Tell whether an address to bind to is seen by this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class RoleRule(Section):
    """Whom an issuer's tokens give a role: whoever has one of the values named here."""

    subjects: tuple[Word, ...] = Field((), description="Values of the subject claim.")
    groups: tuple[Word, ...] = Field((), description="Values of the groups claim.")
    roles: tuple[Word, ...] = Field((), description="Values of the roles claim.")


class RolesSettings(Section):
    """Who of an issuer's users has which role."""

    operator: RoleRule | None = Field(None, description="Who may do everything; nobody by default.")
    reader: RoleRule | None = Field(None, description="Who may read everything and change nothing; nobody by default.")
    user: RoleRule | None = Field(
        None, description="Who may use the gateway at all: others are answered 403. Everybody by default."
    )


class ClaimsSettings(Section):
    """Where a token says what of its user: the name of a claim, or names with dots between for a claim in a claim."""

    subject: Claim = Field("sub", description="Who it is; must not change and be nobody else's at this issuer.")
    tenant: Claim | None = Field(None, description="Their tenant, such as `organization` or `tid`.")
    groups: Claim | None = Field(None, description="Their groups, such as `groups` or `eduperson_entitlement`.")
    roles: Claim | None = Field(None, description="Their roles at the issuer, such as `realm_access.roles`.")


class IssuerSettings(Section):
    """An OpenID Connect issuer whose access tokens are taken."""

    name: Name = Field(description="Name of the issuer here; subjects, groups and tenants begin with it and a colon.")
    issuer: str = Field(description="Its URL, exactly as in the claim `iss`; keys are found from there (discovery).")
    jwks_url: str | None = Field(None, description="Where its keys are, in place of discovery.")
    audience: tuple[Word, ...] = Field((), description="Tokens are for one of these (claim `aud`).")
    clients: tuple[Word, ...] = Field(
        (), description="Clients that may have obtained a token (`client_id`, else `azp`); any where it is empty."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "ES256", "EdDSA"), min_length=1, description="Signatures that are accepted."
    )
    token_types: tuple[Word, ...] = Field(
        ("at+jwt",),
        min_length=1,
        description="Types of tokens that are accepted (`typ` in their heads); add `JWT` for issuers older than RFC "
        "9068, such as Keycloak as it is installed.",
    )
    scopes: tuple[Word, ...] = Field((), description="Scopes that a token must have, all of them.")
    claims: ClaimsSettings = ClaimsSettings()
    roles: RolesSettings = RolesSettings()
    ca_file: str | None = Field(None, description="CA bundle that the issuer's certificate is checked with.")
    allow_http: bool = Field(
        False, description="Fetch its keys over plain http, where whoever is in between may put others in their place."
    )

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be an http(s) URL without user, query and fragment")
        return url

    @model_validator(mode="after")
    def _is_safe(self) -> "IssuerSettings":
        if not self.audience and not self.clients:
            text = "without audience and clients, tokens that were made for any other service would be taken: give one"
            raise ValueError(text)
        for url in (self.issuer, self.jwks_url):
            if url is not None and not self.may_ask(url):
                raise ValueError("keys are fetched over https, or from loopback; allow_http lets them come over http")
        for name in ("groups", "roles"):
            rules = (self.roles.operator, self.roles.reader, self.roles.user)
            if getattr(self.claims, name) is None and any(getattr(rule, name) for rule in rules if rule is not None):
                raise ValueError(f"roles are given by {name}, but claims.{name} does not say where a token has them")
        return self

    def may_ask(self, url: str) -> bool:
        """Tell whether keys may be fetched from a URL."""
        parts = urlsplit(url)
        return parts.scheme == "https" or (
            parts.scheme == "http" and (self.allow_http or is_loopback(parts.hostname or ""))
        )


class AuthSettings(Section):
    """Who gets in."""

    mode: Mode = Field(
        "none",
        description="`none`: everybody, as nobody in particular; `basic`: users of a file; `oidc`: bearer tokens of "
        "`issuers`; `basic+oidc`: both.",
    )
    allow_anonymous: bool = Field(
        False, description="Needed for mode `none` on an address that other machines reach: they all get in."
    )
    realm: str = Field("protes", pattern=r"^[A-Za-z0-9 ._-]{1,64}$", description="Name of the realm in challenges.")
    open_service_info: bool = Field(True, description="Tell service-info to everybody; engines ask before they log in.")
    users_file: str | None = Field(
        None, description="`basic`: a file with lines `name:hash[:tenant[:groups[:roles]]]` (`protes hash-password`)."
    )
    issuers: tuple[IssuerSettings, ...] = Field((), description="`oidc`: whose tokens are taken.")
    leeway_seconds: float = Field(60.0, ge=0, le=300, description="How far an issuer's clock may be from ours.")
    max_token_bytes: int = Field(
        16_000, ge=256, le=65536, description="Longest token; the server takes header fields of 16384 bytes."
    )
    refresh_seconds: Seconds = Field(
        300.0, ge=1, description="A key that its issuer takes back is refused after so long, if the issuer answers."
    )
    refetch_seconds: Seconds = Field(
        30.0, description="Keys are fetched so often at most, per issuer and process, whatever tokens name."
    )
    fetch_seconds: Seconds = Field(5.0, le=60, description="How long fetching keys may take.")
    keep_keys_seconds: Seconds = Field(
        86400.0, description="Known keys work for so long while their issuer does not answer."
    )

    @property
    def takes_basic(self) -> bool:
        """Whether users of a file get in."""
        return self.mode in ("basic", "basic+oidc")

    @property
    def takes_tokens(self) -> bool:
        """Whether bearer tokens of issuers are taken."""
        return self.mode in ("oidc", "basic+oidc")

    @model_validator(mode="after")
    def _mode_has_what_it_needs(self) -> "AuthSettings":
        if self.takes_basic != (self.users_file is not None):
            text = "needs users_file" if self.takes_basic else "takes no users_file"
            raise ValueError(f"mode {self.mode} {text}")
        if self.takes_tokens != bool(self.issuers):
            text = "needs issuers" if self.takes_tokens else "takes no issuers"
            raise ValueError(f"mode {self.mode} {text}")
        for what in ("name", "issuer"):
            values = [getattr(each, what) for each in self.issuers]
            if len(set(values)) < len(values):
                raise ValueError(f"two issuers have the same {what}")
        if self.keep_keys_seconds < self.refresh_seconds:
            raise ValueError("keep_keys_seconds must not be shorter than refresh_seconds")
        return self

    def check_bound(self, host: str) -> None:
        """Refuse to let the world in unless it is said.

        Args:
            host: the address to bind to.

        Raises:
            ValueError: other machines reach it, nobody has to say who they are, and `allow_anonymous` is not set.
        """
        if self.mode == "none" and not self.allow_anonymous and not is_loopback(host):
            raise ValueError(
                "server.host is an address that other machines reach, and auth.mode is none: choose a mode "
                "(docs/authentication.md), or let everybody in with auth.allow_anonymous: true"
            )
