"""Settings of what executes jobs: threads of the gateway's own processes, or workers behind a broker."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from protes.config.base import Seconds, Section

_SCHEMES = ("amqp", "amqps", "redis", "rediss")


def check_broker_url(url: SecretStr) -> SecretStr:
    """Return the URL of a broker.

    Raises:
        ValueError: it is none; the text does not show it.
    """
    try:
        parts = urlsplit(url.get_secret_value().strip())
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("the broker's URL begins with amqp://, amqps://, redis:// or rediss:// and names a host")
    return SecretStr(url.get_secret_value().strip())


class RunnerSettings(Section):
    """What executes the gateway's own jobs (docs/scaling.md)."""

    kind: Literal["threads", "celery"] = Field(
        "threads", description="`threads` of the processes that serve, or `celery`: workers behind a broker."
    )
    execute: bool = Field(
        True, description="`false`: this process serves only and leaves all jobs to workers; needs `celery`."
    )
    threads: int = Field(
        16,
        ge=1,
        le=256,
        description="Threads for dispatch and relay per process; up to four times as many while jobs hang.",
    )
    queue_limit: int = Field(
        20000, ge=1, description="Jobs of a kind waiting at most; the sweep brings back what did not fit."
    )
    tick_seconds: Seconds = Field(0.25, description="How often due work is looked for.")
    grace_seconds: Seconds = Field(
        25.0, description="How long a worker that is told to stop lets its jobs end; the rest goes to other workers."
    )
    broker_url: SecretStr | None = Field(
        None, description="`celery`: the broker with user and password, `amqps://` (RabbitMQ) or `rediss://` (Redis)."
    )
    broker_url_file: str | None = Field(None, description="File that holds this URL, in place of `broker_url`.")
    broker_ca_file: str | None = Field(
        None, description="CA bundle that the broker's certificate is checked with; the system's by default."
    )
    queue_prefix: str = Field(
        "protes",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="What the names of the broker's queues begin with; gateways that share a broker have one each.",
    )

    @field_validator("broker_url")
    @classmethod
    def _is_a_broker(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else check_broker_url(url)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "RunnerSettings":
        given = (self.broker_url is not None) + (self.broker_url_file is not None)
        if self.kind == "celery" and given != 1:
            raise ValueError("kind celery needs a broker: give exactly one of broker_url and broker_url_file")
        if self.kind == "threads" and not self.execute:
            raise ValueError("without workers nobody executes jobs: execute false needs kind celery and a broker")
        return self
