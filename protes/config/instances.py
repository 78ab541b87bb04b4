"""Settings of instances and of the registries that list them."""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from protes.config.base import Latitude, Longitude, Money, Name, Rate, Seconds, Section
from protes.tes.dialects.table import dialect_named

_AZURE_LOGIN = "https://login.microsoftonline.com"
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
_WITHOUT_SECRET = ("none", "pass_through")
_PORTS = {"http": 80, "https": 443}


class Credentials(Section):
    """How the gateway shows itself to an instance; secrets come from the environment or a file, never inline."""

    type: Literal["none", "basic", "bearer", "oauth2", "pass_through"] = Field(
        "none",
        description="Kind of credential; `oauth2` stands for OAuth2 client credentials, `pass_through` for the token "
        "that each task's caller brings.",
    )
    username: str | None = Field(None, description="User name for `basic`.")
    secret_env: str | None = Field(
        None, description="Environment variable that holds the password, the token or the client's secret."
    )
    secret_file: str | None = Field(None, description="File that holds the password, the token or the client's secret.")
    token_url: str | None = Field(None, description="`oauth2`: the token endpoint, https unless it is on loopback.")
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
    hosts: tuple[str, ...] = Field(
        (), description="Hosts they may be sent to, with port where it matters; `pass_through` needs them named."
    )
    allow_http: bool = Field(False, description="`pass_through`: send callers' tokens over plain http all the same.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Credentials":
        if self.type in _WITHOUT_SECRET:
            self._check_without_secret()
        elif (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("give exactly one of secret_env and secret_file")
        if self.allow_http and self.type != "pass_through":
            raise ValueError("allow_http is for type pass_through only")
        if self.type == "basic" and not self.username:
            raise ValueError("basic needs a username")
        if self.type == "oauth2":
            self._check_oauth2()
        else:
            self._refuse_settings_of_oauth2()
        return self

    def check_address(self, url: str) -> None:
        """Check that these credentials may be sent to an instance.

        Raises:
            ValueError: its host is not one of `hosts`, or a caller's token would go over plain http.
        """
        if self.hosts and not is_one_of(self.hosts, url):
            raise ValueError("the host of the instance is not one of credentials.hosts")
        if self.type == "pass_through":
            parts = urlsplit(url)
            if parts.scheme != "https" and not (self.allow_http or is_loopback(parts.hostname or "")):
                raise ValueError(
                    "callers' tokens go over https only; credentials.allow_http lets them go over plain http"
                )

    def token_endpoint(self) -> str:
        """Return where tokens are asked for; "" for another type than `oauth2`."""
        if self.tenant is None:
            return self.token_url or ""
        version = "" if self.resource is not None else "v2.0/"
        return f"{_AZURE_LOGIN}/{self.tenant}/oauth2/{version}token"

    def _check_without_secret(self) -> None:
        if self.type == "pass_through":
            if self.secret_env is not None or self.secret_file is not None or self.username is not None:
                raise ValueError("pass_through sends what the caller brings: it has no user name and no secret")
            if not self.hosts:
                raise ValueError("pass_through needs hosts: those that callers' tokens may be sent to")

    def _refuse_settings_of_oauth2(self) -> None:
        fields = type(self).model_fields
        for name in _OF_OAUTH2:
            if getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is for type oauth2 only")

    def _check_oauth2(self) -> None:
        if self.client_id is None:
            raise ValueError("oauth2 needs a client_id")
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


class Prices(Section):
    """What an instance costs; absent prices are unknown, not zero (ESTIMATES.md, "Missing figures")."""

    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")
    cpu_core_hour: Money | None = Field(None, description="Per core and hour.")
    ram_gb_hour: Money | None = Field(None, description="Per GB of memory and hour.")
    disk_gb_hour: Money | None = Field(None, description="Per GB of disk and hour.")
    gpu_hour: Money | None = Field(None, description="Per GPU and hour.")
    per_task: Money | None = Field(None, description="Per task.")
    ingress_gb: Money | None = Field(None, description="Per GB that comes in.")
    billing_quantum_seconds: float | None = Field(None, ge=0, description="Step in which run time is charged.")
    billing_minimum_seconds: float | None = Field(None, ge=0, description="Run time charged at least.")
    preemptible_factor: Money | None = Field(
        None, le=1, description="Multiplies the prices of cores, memory and GPUs for preemptible tasks."
    )
    vm_hour_usd: Money | None = Field(None, description="Shown to Cromwell as `vm_price_per_hour_usd`.")


class Limits(Section):
    """What an instance can take; what is not said excludes nothing."""

    max_cpu_cores: float | None = Field(None, gt=0, description="Cores of one task at most.")
    max_ram_gb: float | None = Field(None, gt=0, description="Memory of one task at most, GB.")
    max_disk_gb: float | None = Field(None, gt=0, description="Disk of one task at most, GB.")
    input_schemes: tuple[str, ...] | None = Field(None, description="URL schemes of inputs it takes.")
    output_schemes: tuple[str, ...] | None = Field(None, description="URL schemes of outputs it takes.")
    backend_parameters: tuple[str, ...] | None = Field(None, description="backend_parameters it knows.")
    zones: tuple[str, ...] | None = Field(None, description="Values of `resources.zones` it serves.")
    token_kinds: tuple[str, ...] | None = Field(
        None, description="Kinds of callers' tokens it takes, such as `basic`, `bearer` or `passport`."
    )
    max_in_flight: int | None = Field(None, ge=1, description="Unfinished tasks at once.")
    max_runtime_seconds: Seconds | None = Field(
        None, description="Run time after which it gives a task up, in the place of what is known of its kind."
    )


class Declared(Section):
    """What can be said of an instance: in the configuration, in the extension field `protes` of a registry's entry, or
    in that of the instance's own service-info; the first of these to say something wins, field by field.
    """

    limits: Limits = Field(Limits(), description="What it can take.")
    prices: Prices | None = Field(None, description="What it costs.")
    speed: float | None = Field(None, gt=0, le=1000, description="Speed against the reference, 1.0.")
    queue_seconds: float | None = Field(None, ge=0, description="Usual wait before a task starts.")
    zone: str | None = Field(None, description="Where it is: `cloud:region` or a country code.")
    coordinates: tuple[Latitude, Longitude] | None = Field(None, description="Latitude and longitude, degrees.")
    staging: Literal["parallel", "sequential"] | None = Field(
        None, description="How it brings inputs in: all at once (so it is taken to be), or one after another."
    )
    bills_staging: bool | None = Field(None, description="Whether cores and memory are charged during transfers.")
    ingress_bytes_per_second: Rate | None = Field(None, description="What it can take in altogether.")
    rework: float | None = Field(
        None, ge=0, le=100, description="Expected share of a preemptible run that is done again."
    )


class InstanceSettings(Declared):
    """What is said of one instance; also merged over a registry's entry of the same URL, field by field."""

    id: Name = Field(description="Name of the instance in this federation.")
    url: str = Field(description="Base URL, with or without `/ga4gh/tes/v1`.")
    dialect: str | None = Field(None, description="Pin a dialect instead of recognising it.")
    credentials: Credentials = Field(Credentials(), description="How the gateway shows itself to it.")
    task_info: bool | None = Field(
        None, description="Ask it for estimates (TEStribute's `tasks/task-info`); by default tried once a day."
    )
    url_credentials: bool | None = Field(
        None, description="Send it `user:password@` in URLs of inputs and outputs; by default where its kind needs it."
    )
    drain: bool = Field(False, description="Take no new tasks there; what runs there is relayed.")
    verify_tls: bool | str = Field(True, description="Check its certificate; a path names a CA bundle.")

    @model_validator(mode="after")
    def _may_be_shown_them(self) -> "InstanceSettings":
        self.credentials.check_address(self.url)
        return self

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, dialect: str | None) -> str | None:
        if dialect is not None:
            dialect_named(dialect)
        return dialect


class RegistrySettings(Section):
    """A GA4GH Service Registry whose TES instances join the federation."""

    url: str = Field(description="Base URL of the registry, such as `https://host/ga4gh/registry/v1`.")
    token_env: str | None = Field(None, description="Environment variable with a bearer token for the registry.")
    group: str | None = Field("org.ga4gh", description="Only services of this `type.group`; null takes any.")
    artifact: str = Field("tes", description="Only services of this `type.artifact`.")
    version: str | None = Field(None, description="API version spoken; a greater known major is left out.")
    verified: bool = Field(False, description="Take only services that its `/verifications` confirms.")
    nested: bool = Field(False, description="Ask the registries that it lists too, two levels deep at most.")
    allow_private: bool | None = Field(
        None,
        description="Take instances at private addresses; by default where the registry itself is at one.",
    )
    refresh_seconds: Seconds = Field(300.0, description="How often it is asked again.")
    max_stale_seconds: Seconds = Field(86400.0, description="How long its last good answer is used when it is down.")
