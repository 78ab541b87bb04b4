"""Checks of the broker: it takes our connection, and has our queues."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from protes.cli.doctor.finding import Finding, Reporter
from protes.clock import Clock
from protes.config.loading import ConfigError, broker_url
from protes.config.runner import RunnerSettings
from protes.runner.broker import Broker, BrokerUnusable
from protes.tes.redaction import redact

_JOBS = ("dispatch", "relay")
_TODO = "see that it runs, and that address, user, password and virtual host in runner.broker_url are right"


def check_broker(settings: RunnerSettings, clock: Clock) -> Iterator[Finding]:
    """Connect to the broker, and look how long the queues are."""
    if settings.kind != "celery":
        yield Reporter("broker").skip("none is used: jobs run in the processes that serve")
        return
    try:
        url = broker_url(settings)
        broker = Broker(url, clock, settings.queue_limit, prefix=settings.queue_prefix, ca_file=settings.broker_ca_file)
    except (ConfigError, BrokerUnusable) as error:
        yield Reporter("broker").fail(str(error), "mend runner.broker_url, or install the driver: protes[redis]")
        return
    report = Reporter("broker", _place(url))
    try:
        with broker.sender(_JOBS) as sender:
            waiting = {job: sender.waiting(job) for job in _JOBS}
    except Exception as error:  # noqa: BLE001 (drivers raise whatever they like where a broker is away)
        yield report.fail(f"it cannot be used: {_without_secrets(error, url)}", _TODO)
        return
    yield report.ok("it takes our connection, and our queues are there")
    text = ", ".join(f"{count} in {settings.queue_prefix}.{job}" for job, count in waiting.items())
    if max(waiting.values()) > settings.queue_limit / 2:
        yield report.warn(f"jobs wait: {text}", "start more workers (protes worker)")
    else:
        yield report.ok(f"jobs wait: {text}")


def _place(url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value())
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _without_secrets(error: Exception, url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value())
    secrets = [each for each in (parts.password, unquote(parts.password or "")) if each]
    line = " ".join(str(error).split()) or type(error).__name__
    return redact(line, url.get_secret_value(), *secrets)
