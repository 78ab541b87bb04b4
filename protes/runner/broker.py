"""The message broker as Celery has it, RabbitMQ or Redis: its queues, its messages, connections to it.

Each job has a queue of its own, so that a backlog of one keeps no other waiting. A message is a Celery task (message
protocol 2, JSON) named `<prefix>.<job>` with the key as its only argument.

FOCA's factory of Celery apps is not used: it wants a Flask app, which a worker has not; it builds the broker's URL from
host and port, without credentials, or takes it from one environment variable of the whole process; and it logs it.
"""
# mypy: disable-error-code="no-untyped-call"

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from celery import Celery
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer, Producer
from pydantic import SecretStr

from protes.clock import Clock

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 10.0
_HEARTBEAT_SECONDS = 10.0
_VISIBILITY_SECONDS = 180
"""After this Redis gives a message to another worker: a job has 60 s, and a worker that stops some grace."""
_LOOK_SECONDS = 1.0
"""How often a sender asks how long a queue is; so it finds out that its connection is dead, too."""
_PERSISTENT = 2
_TLS = ("amqps", "rediss")


class Delivery(Protocol):
    """A message that was received; one of these ends it, called by the thread that received it."""

    def ack(self) -> None:
        """Have it removed."""

    def reject(self) -> None:
        """Have it removed as useless."""

    def requeue(self) -> None:
        """Have it delivered to somebody else."""


OnDelivery = Callable[[str, str | None, Delivery], None]
"""Is called with the job, the key, None where the message has none, and the delivery."""


class BrokerUnusable(Exception):
    """The broker's URL cannot be used here; the text does not show it."""


class Broker:
    """Where messages go to and come from; makes connections, holds none."""

    def __init__(
        self, url: SecretStr, clock: Clock, limit: int, *, prefix: str = "protes", ca_file: str | None = None
    ) -> None:
        """Describe a broker; nothing is connected yet.

        Args:
            url: with user and password: `amqp[s]://` or `redis[s]://`.
            clock: measures how often queues are looked at.
            limit: messages that wait in one queue, about.
            prefix: what queues' names begin with; gateways that share a broker have one each.
            ca_file: CA bundle that the broker's certificate is checked with, the system's by default.

        Raises:
            BrokerUnusable: no driver for such a URL is installed.
        """
        self._url = url
        self._clock = clock
        self._limit = limit
        self._prefix = prefix
        self._ca_file = ca_file
        self._app = Celery(prefix, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            result_backend=None,
            worker_send_task_events=False,
            task_send_sent_event=False,
        )
        try:
            self._connection(_HEARTBEAT_SECONDS).transport_cls  # noqa: B018 (imports the driver)
        except (ImportError, KeyError, ValueError):
            raise BrokerUnusable("no driver is installed for a broker with such a URL") from None

    @contextmanager
    def sender(self, jobs: Sequence[str]) -> Iterator["Sender"]:
        """Connect, declare the queues of these jobs, and yield what sends to them.

        Raises:
            Exception: whatever a driver raises where the broker is away.
        """
        with self._connected(heartbeat=0) as connection:
            yield Sender(self._app, connection, {job: self._queue(job) for job in jobs}, self._limit, self._clock)

    @contextmanager
    def receiver(self, jobs: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> Iterator["Receiver"]:
        """Connect, and yield what receives messages of these jobs, at most `prefetch` at once of each.

        Args:
            jobs: whose messages.
            prefetch: messages that may be unacknowledged, of each job.
            on_delivery: takes them.

        Raises:
            Exception: whatever a driver raises where the broker is away.
        """
        with self._connected(_HEARTBEAT_SECONDS) as connection:
            receiver = Receiver(connection, self._clock)
            for job in jobs:
                receiver.consume(job, self._queue(job), prefetch, on_delivery)
            yield receiver

    @contextmanager
    def _connected(self, heartbeat: float) -> Iterator[Connection]:
        connection = self._connection(heartbeat)
        try:
            # `connect` would try for ever.
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            yield connection
        finally:
            # Of a broker that is gone nobody can take leave.
            with suppress(Exception):
                connection.release()

    def _connection(self, heartbeat: float) -> Connection:
        url = self._url.get_secret_value()
        connection: Connection = self._app.connection_for_write(
            url,
            heartbeat=heartbeat,
            connect_timeout=_CONNECT_SECONDS,
            ssl=_tls(url, self._ca_file),
            transport_options=_options(url),
        )
        return connection

    def _queue(self, job: str) -> Queue:
        # Of RabbitMQ's kinds of queues it is the virtual host's default: that is the operator's choice.
        return Queue(f"{self._prefix}.{job}", durable=True)


class Sender:
    """Sends messages over one connection; used by one thread."""

    def __init__(
        self, app: Celery, connection: Connection, queues: Mapping[str, Queue], limit: int, clock: Clock
    ) -> None:
        """Declare the queues, by job."""
        self._app = app
        self._clock = clock
        self._limit = limit
        self._producer = Producer(connection)
        self._queues = {job: queue.bind(self._producer.channel) for job, queue in queues.items()}
        self._room: dict[str, int] = {}
        self._looked_at: dict[str, float] = {}
        for job in self._queues:
            self._look(job)

    def has_room(self, job: str) -> bool:
        """Tell whether the job's queue is shorter than its limit; asks the broker once a second at most."""
        if self._clock.monotonic() - self._looked_at[job] >= _LOOK_SECONDS:
            self._look(job)
        return self._room[job] > 0

    def send(self, job: str, key: str) -> None:
        """Send one message, which survives the broker's restart; whether it has arrived is not waited for."""
        queue = self._queues[job]
        self._app.send_task(
            queue.name,
            args=(key,),
            queue=queue,
            declare=(),
            producer=self._producer,
            delivery_mode=_PERSISTENT,
            retry=False,
            ignore_result=True,
        )
        self._room[job] -= 1

    def waiting(self, job: str) -> int:
        """Ask the broker how many messages wait in the job's queue; make it where it is not there (again)."""
        return int(self._queues[job].queue_declare().message_count)

    def _look(self, job: str) -> None:
        self._room[job] = self._limit - self.waiting(job)
        self._looked_at[job] = self._clock.monotonic()


class Receiver:
    """Receives messages over one connection, a channel for each job; used by one thread."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        """Receive nothing yet."""
        self._connection = connection
        self._clock = clock
        self._consumers: list[Consumer] = []
        self._beat_at = clock.monotonic()

    def consume(self, job: str, queue: Queue, prefetch: int, on_delivery: OnDelivery) -> None:
        """Receive from one queue too."""
        channel = self._connection.channel()

        def receive(message: Message) -> None:
            on_delivery(job, _key(message), message)

        def refuse(message: Message, _: Exception) -> None:
            # Else the driver would give up the connection, and get the same message first on the next one, for ever.
            on_delivery(job, None, message)

        queue.bind(channel).queue_declare()
        consumer = Consumer(
            channel,
            [queue],
            auto_declare=False,
            on_message=receive,
            on_decode_error=refuse,
            accept=["json"],
            prefetch_count=prefetch,
        )
        consumer.consume()
        self._consumers.append(consumer)

    def wait(self, seconds: float) -> None:
        """Receive what comes within this time, one message at most."""
        if self._clock.monotonic() - self._beat_at >= _HEARTBEAT_SECONDS / 2:
            self._beat_at = self._clock.monotonic()
            self._connection.heartbeat_check()
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=seconds)

    def cancel(self) -> None:
        """Receive no more; what was received can still be acknowledged."""
        for consumer in self._consumers:
            consumer.cancel()
        self._consumers = []


def _key(message: Message) -> str | None:
    """Return the key in a message; None where it is none of ours."""
    try:
        arguments = message.payload[0]
    except Exception:  # noqa: BLE001 (whatever somebody has put into the queue, and a decoder says of it)
        return None
    if isinstance(arguments, list) and len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    return None


def _options(url: str) -> dict[str, Any]:
    """Return what bounds how long a driver waits, by the broker's kind."""
    scheme = urlsplit(url).scheme
    if scheme.startswith("amqp"):
        return {
            "read_timeout": _ANSWER_SECONDS,
            "write_timeout": _ANSWER_SECONDS,
            "client_properties": {"connection_name": "protes"},
        }
    if scheme.startswith("redis"):
        return {
            "visibility_timeout": _VISIBILITY_SECONDS,
            "socket_timeout": _ANSWER_SECONDS,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_keepalive": True,
        }
    return {"polling_interval": 0.002}  # in the memory of this process, for tests


def _tls(url: str, ca_file: str | None) -> dict[str, Any] | bool:
    parts = urlsplit(url)
    if parts.scheme not in _TLS:
        return False
    if parts.scheme == "amqps":
        # Without a name to compare with, any certificate of any trusted authority would do.
        return {"server_hostname": parts.hostname, "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": ca_file}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": ca_file}
