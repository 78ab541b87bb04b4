"""Settings of what operators look at: metrics, traces and logs (docs/metrics.md, docs/observing.md)."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from protes.config.base import Section

LEAST_TOKEN = 16
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]


class MetricsSettings(Section):
    """Figures for Prometheus at `/metrics`."""

    enabled: bool = Field(True, description="Count and measure, and serve `/metrics`.")
    token: SecretStr | None = Field(
        None,
        min_length=LEAST_TOKEN,
        description="Bearer token that every reader needs. Without it only this machine may read: requests that come "
        "from a loopback address, through no proxy.",
    )
    token_file: str | None = Field(None, description="File with that token, in place of `token`.")
    public: bool = Field(False, description="Let everybody read who reaches the port, without a token.")
    most_instances: int = Field(
        500, ge=1, le=10_000, description="Instances with series of their own; those beyond it count as `other`."
    )
    directory: str | None = Field(
        None,
        description="Folder in which worker processes (`server.workers` above 1) share their figures; a folder for "
        "temporary files where it is not set.",
    )
    worker_host: str = Field("127.0.0.1", description="Address at which `protes worker` serves `/metrics`.")
    worker_port: int | None = Field(
        None, ge=0, le=65535, description="Port at which it does, 0 takes any free one; not without it."
    )

    @model_validator(mode="after")
    def _readers_are_known(self) -> "MetricsSettings":
        if self.token is not None and self.token_file is not None:
            raise ValueError("give at most one of token and token_file")
        if self.public and (self.token is not None or self.token_file is not None):
            raise ValueError("give at most one of public and a token")
        return self


class TracingSettings(Section):
    """OpenTelemetry traces, from POST to the final state; needs the extra `protes[trace]`."""

    enabled: bool = Field(False, description="Record traces and send them to `endpoint`.")
    endpoint: str = Field(
        "http://127.0.0.1:4318/v1/traces", description="Where traces are sent: OTLP over HTTP, protobuf."
    )
    sample_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of new traces that are recorded; that of a client is where it says so."
    )
    accept: bool = Field(
        True, description="Go on with the trace that a client names (W3C `traceparent`); else all traces begin here."
    )
    send: bool = Field(False, description="Send `traceparent` on with POST /tasks to instances.")
    headers: dict[HeaderName, SecretStr] = Field(
        {}, description="Headers for `endpoint`, such as `Authorization`; secrets, shown nowhere."
    )
    headers_file: str | None = Field(None, description="File with such headers, `Name: value` in each line.")
    service_name: str = Field("protes", min_length=1, description="`service.name` of the traces.")

    @field_validator("endpoint")
    @classmethod
    def _is_web_address(cls, endpoint: str) -> str:
        try:
            parts = urlsplit(endpoint)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "@" in endpoint:
            raise ValueError("must be an address that begins with http:// or https://, without user and password")
        return endpoint

    @model_validator(mode="after")
    def _headers_come_from_one_place(self) -> "TracingSettings":
        if self.headers and self.headers_file is not None:
            raise ValueError("give at most one of headers and headers_file")
        return self


class LoggingSettings(Section):
    """How log lines are written; what is logged, and where to, says FOCA's section `log`."""

    format: Literal["text", "json"] = Field(
        "text", description="`json` writes an object per record, with the ids of task, instance, request and trace."
    )
    access: bool = Field(False, description="Write a line for each request that was answered.")
