"""Settings of what leaves the gateway: which URLs of others are followed, and how connections are secured."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from protes.config.base import Section

_HOST = r"^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


def _is_network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


HostPattern = Annotated[str, Field(pattern=_HOST + r"(:[0-9]{1,5})?$")]
"""A host in ASCII, `*.` in front for all hosts below it (and not itself), with `:port` where it matters."""
Network = Annotated[str, AfterValidator(_is_network)]
"""Addresses in CIDR notation, such as `10.1.0.0/16` or `fd00::/8`; one address is a network too."""


class TlsSettings(Section):
    """How the certificate of one server is checked, and which one the gateway shows; always checked."""

    ca_file: str | None = Field(
        None, description="CA bundle that the server's certificate is checked with, in place of `outbound.ca_file`."
    )
    client_cert_file: str | None = Field(None, description="Certificate that the gateway shows the server, PEM.")
    client_key_file: str | None = Field(None, description="Its key, where that is in another file.")

    @model_validator(mode="after")
    def _has_a_certificate_to_its_key(self) -> "TlsSettings":
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file goes with client_cert_file")
        return self


class OutboundSettings(Section):
    """What leaves the gateway (docs/outbound.md)."""

    schemes: tuple[Literal["https", "http"], ...] = Field(
        ("https", "http"), min_length=1, description="Schemes of URLs that others than the operator name."
    )
    allow_hosts: tuple[HostPattern, ...] | None = Field(
        None,
        description="Only these hosts are asked where a task or a client names the URL, such as `*.example.org` or "
        "`data.example.org:8443`; null: any.",
    )
    deny_hosts: tuple[HostPattern, ...] = Field(
        (), description="Hosts that are not asked where others than the operator name the URL; wins over allow_hosts."
    )
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] | None = Field(
        None, description="Only these ports are asked there; null: any."
    )
    allow_networks: tuple[Network, ...] = Field(
        (), description="Addresses that are not public (CIDR) and may be connected to all the same."
    )
    deny_networks: tuple[Network, ...] = Field(
        (), description="Addresses that are public (CIDR) and may not be connected to; wins over allow_networks."
    )
    redirects: Literal["same_server", "checked"] = Field(
        "same_server",
        description="Redirects of such URLs: followed on the same server only, or to any that passes the same checks.",
    )
    tls_minimum_version: Literal["1.2", "1.3"] = Field(
        "1.2", description="Oldest TLS of all connections that the gateway makes by HTTP."
    )
    ca_file: str | None = Field(
        None, description="CA bundle that all servers are checked with which have none of their own; certifi's if null."
    )
