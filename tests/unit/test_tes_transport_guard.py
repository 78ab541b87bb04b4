"""Transports to instances that clients name: where their connections go, and where they do not."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protes.outbound.addresses import (
    AddressGuard,
    AllowAddress,
    NotAllowed,
    is_public,
)
from protes.outbound.rules import Rules
from protes.outbound.tls import Tls
from protes.tes.errors import TimedOut, Unreachable
from protes.tes.probe import probe
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import ScriptedServer, answer_json, redirect, refused_url
from tests.support.waiting import at_once

QUICK = Timeouts(connect_seconds=0.5, read_seconds=0.4, get_seconds=0.6, post_seconds=0.6)
PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
PUBLIC = "93.184.216.34"
NAME = "tes.example.org"
REFUSAL = "its address is not a public one"


class Names:
    """A resolver whose answers are scripted; the last one repeats."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.on("*", "/*", answer_json({"n": 1}))
        yield running


def guarded(
    server: ScriptedServer,
    names: Names,
    allow: AllowAddress = is_public,
    host: str = NAME,
    timeouts: Timeouts = PATIENT,
) -> Transport:
    return Transport(f"http://{host}:{server.port}", timeouts=timeouts, allow_address=allow, resolver=names)


def loopback_only(address: str) -> bool:
    return address == "127.0.0.1"


# Where connections go


def test_the_connection_goes_to_the_address_that_was_checked_and_says_the_name(server: ScriptedServer) -> None:
    names = Names(["127.0.0.1"])
    with guarded(server, names, loopback_only) as transport:
        assert transport.get("/tasks").json() == {"n": 1}
        transport.get("/tasks")
        transport.post("/tasks", {})
    assert names.asked == [(NAME, server.port)] * 2  # the second GET had the pooled connection, the POST its own
    assert {request.headers["Host"] for request in server.requests()} == {f"{NAME}:{server.port}"}


def test_an_address_needs_no_look_up(server: ScriptedServer) -> None:
    names = Names([PUBLIC])
    with guarded(server, names, loopback_only, host="127.0.0.1") as transport:
        transport.get("/tasks")
    assert not names.asked


def test_without_a_guard_nothing_is_looked_at(server: ScriptedServer) -> None:
    with Transport(server.url, timeouts=PATIENT, resolver=Names([])) as transport:
        assert transport.get("/tasks").status == 200


def test_the_next_address_does_where_the_first_does_not(server: ScriptedServer) -> None:
    with guarded(server, Names(["127.0.0.2", "127.0.0.1"]), Rules(allow_private=True).allows) as transport:
        assert transport.get("/tasks").status == 200


def test_what_cannot_be_reached_is_unreachable_as_without_a_guard() -> None:
    with refused_url() as url:
        for allow in (None, loopback_only):
            with Transport(url, timeouts=PATIENT, allow_address=allow) as transport:
                with pytest.raises(Unreachable, match="connection refused"):
                    transport.post("/tasks", {})


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with key and certificate of NAME, which is its own authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    day, now = datetime.timedelta(days=1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + 36500 * day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "tls.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def secure(certificate: Path) -> Iterator[int]:
    """Answer requests over TLS, one after the other; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    body = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{"n": 1}'

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain:
                plain.settimeout(30)
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        if connection.recv(65536):
                            connection.sendall(body)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


@pytest.mark.parametrize(
    ("host", "trusted", "answers"),
    [(NAME, True, True), (NAME, False, False), ("other.example.org", True, False), ("127.0.0.1", True, False)],
)
def test_certificates_are_checked_against_the_name_and_not_the_address(
    certificate: Path, host: str, trusted: bool, answers: bool
) -> None:
    with secure(certificate) as port:
        with Transport(
            f"https://{host}:{port}",
            timeouts=PATIENT,
            tls=Tls(ca_file=str(certificate)) if trusted else None,
            allow_address=loopback_only,
            resolver=Names(["127.0.0.1"]),
        ) as transport:
            if answers:
                assert transport.get("/tasks").json() == {"n": 1}
            else:
                with pytest.raises(Unreachable, match=r"certificate|doesn't match|mismatch|not valid"):
                    transport.get("/tasks")


# Where they do not


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fe80::1%lo",
        "0.0.0.0",
        "no address",
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(server: ScriptedServer, address: str) -> None:
    for found in ([address], [PUBLIC, address], [address, PUBLIC]):
        with guarded(server, Names(found)) as transport:
            with pytest.raises(Unreachable, match=REFUSAL) as of_get:
                transport.get("/service-info")
            with pytest.raises(Unreachable, match=REFUSAL) as of_post:
                transport.post("/tasks", {}, before_send=lambda: pytest.fail("sent"))
        assert not of_get.value.ambiguous
        assert not of_post.value.ambiguous
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"])
def test_an_address_that_leads_inside_is_refused(server: ScriptedServer, host: str) -> None:
    with guarded(server, Names([PUBLIC]), host=host) as transport, pytest.raises(Unreachable, match=REFUSAL):
        transport.get("/tasks")
    assert server.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_spellings_that_the_system_resolves_to_loopback_are_refused(server: ScriptedServer, host: str) -> None:
    """What normalise_url refuses would be caught here as well, by the system's own resolver."""
    with Transport(f"http://{host}:{server.port}", timeouts=PATIENT, allow_address=is_public) as transport:
        with pytest.raises(Unreachable):
            transport.get("/tasks")
    assert server.connections == 0


def test_a_name_that_leads_elsewhere_by_the_next_connection_is_checked_again(server: ScriptedServer) -> None:
    """The second look-up is that of the second connection: the first one's is never looked up twice."""
    names = Names(["127.0.0.1"], ["127.0.0.3"])
    with guarded(server, names, loopback_only) as transport:
        transport.get("/tasks")
        with pytest.raises(Unreachable, match=REFUSAL):
            transport.post("/tasks", {})
    assert len(names.asked) == 2
    assert server.connections == 1


def test_a_redirect_stays_on_the_host_and_its_new_connections_are_checked(server: ScriptedServer) -> None:
    server.on("GET", "/closing", redirect(f"http://{NAME}:{server.port}/x"))
    server.on("GET", "/away", redirect(f"http://127.0.0.1:{server.port}/x"))
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    with guarded(server, names, loopback_only) as transport:
        with pytest.raises(Exception, match="a redirect to another server"):
            transport.get("/away")
        transport.close()  # so that the redirect needs a connection of its own
        with pytest.raises(Unreachable, match=REFUSAL):
            transport.get("/closing")
    assert not server.requests("GET", "/x")


def test_probing_passes_the_refusal_on(server: ScriptedServer) -> None:
    with guarded(server, Names(["10.0.0.1"])) as transport, pytest.raises(Unreachable, match=REFUSAL):
        probe(transport)


def test_a_name_that_is_none_is_unreachable(server: ScriptedServer) -> None:
    def none_such(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with Transport(f"http://{NAME}", timeouts=PATIENT, allow_address=is_public, resolver=none_such) as transport:
        with pytest.raises(Unreachable, match="name or service not known"):
            transport.get("/tasks")
    with guarded(server, Names([])) as transport, pytest.raises(Unreachable, match="its host has no address"):
        transport.get("/tasks")


# Time


def test_a_look_up_that_hangs_holds_its_caller_no_longer_than_a_connection_may_take() -> None:
    go, asked = threading.Event(), []

    def hangs(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        go.wait(30)
        return [PUBLIC]

    guard = AddressGuard(is_public, hangs)
    with Transport(f"http://{NAME}", timeouts=QUICK, allow_address=is_public, resolver=hangs) as transport:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):
            transport.get("/tasks")
        assert time.monotonic() - began < 8
        calls = [lambda: guard.addresses(NAME, 80, 0.1) for _ in range(8)]
        assert all(isinstance(each, TimeoutError) for each in at_once(calls))
        assert len(asked) == 2  # the transport's own guard and this one: one thread each
        go.set()
    assert guard.addresses(NAME, 80, 30) == [PUBLIC]


def test_all_addresses_together_have_the_time_of_one_connection(server: ScriptedServer) -> None:
    """The first ones swallow what is sent to them (TEST-NET-1 is routed nowhere) or are refused at once."""
    timeouts = Timeouts(connect_seconds=1.5, get_seconds=30)
    names = Names(["192.0.2.1", "192.0.2.2", "127.0.0.1"])
    with guarded(server, names, Rules(allow_private=True).allows, timeouts=timeouts) as transport:
        began = time.monotonic()
        assert transport.get("/tasks").status == 200
    assert time.monotonic() - began < 8


def test_a_transport_asks_nothing_after_its_end(server: ScriptedServer) -> None:
    began = time.monotonic()
    with Transport(server.url, timeouts=PATIENT, until=began + 30) as transport:
        transport.get("/tasks")
    with Transport(server.url, timeouts=PATIENT, until=began) as transport:
        for call in (transport.get, transport.post):
            with pytest.raises(TimedOut):
                call("/tasks")
    assert server.count() == 1


def test_a_probe_of_many_slow_paths_ends_with_its_transport() -> None:
    with FakeTes(base_path="/elsewhere") as fake:
        with Transport(fake.server.url, timeouts=QUICK, until=time.monotonic() - 1) as transport:
            with pytest.raises(TimedOut):
                probe(transport)
        assert fake.server.count() == 0


# What shows in a URL


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("http://127.0.0.1:8000/x", True),
        ("https://[::1]", True),
        ("https://[::ffff:10.0.0.1]/x", True),
        ("http://localhost", True),
        ("http://tes.localhost:80", True),
        ("http://169.254.169.254/latest", True),
        ("https://93.184.216.34", False),
        ("https://tes.example.org", False),
        ("https://localhost.example.org", False),
    ],
)
def test_a_url_may_show_that_it_leads_inside(url: str, inside: bool) -> None:
    if inside:
        with pytest.raises(NotAllowed, match=REFUSAL):
            Rules().check(url)
    else:
        Rules().check(url)


def test_one_forbidden_address_is_enough() -> None:
    with pytest.raises(NotAllowed, match=REFUSAL):
        AddressGuard(is_public, Names([PUBLIC, "10.0.0.1"])).addresses(NAME, 80, 1)
    assert AddressGuard(is_public, Names([PUBLIC])).addresses(NAME, 80, 1) == [PUBLIC]
