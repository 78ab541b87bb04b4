"""Certificates of an authority of our own, and servers that show them over real TLS."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.http_messages import Request, read_request

_BEGINNING = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
Respond = Callable[[Request], tuple[int, dict[str, str], Any]]
"""Makes status, headers and JSON of the answer to a request."""


@dataclass(frozen=True)
class Authority:
    """An authority; its certificate is in `ca_file`."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path, name: str = "an authority") -> Authority:
        """Make one that signs itself."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(_name(name), _name(name), key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        authority = cls(folder, name, key, made.sign(key, hashes.SHA256()))
        authority.ca_file.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def ca_file(self) -> Path:
        """Its certificate, PEM."""
        return self.folder / "ca.pem"

    def issue(self, *hosts: str, expired: bool = False) -> Path:
        """Return a file with key and certificate for hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general(each) for each in hosts])
        made = _builder(_name(hosts[0]), _name(self.name), key, 1 if expired else 36500).add_extension(names, False)
        file = self.folder / f"{hosts[0].replace(':', '-')}{'-expired' if expired else ''}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        file.write_bytes(private + public)
        return file


@contextmanager
def secure_server(
    certificate: Path,
    answer: bytes | Respond,
    *,
    versions: Sequence[ssl.TLSVersion] = (),
    clients_of: Authority | None = None,
) -> Iterator[int]:
    """Answer all requests over TLS, one after the other; yields the port.

    Args:
        certificate: from `Authority.issue`.
        answer: body of all answers, JSON; or what makes each.
        versions: oldest and newest of TLS.
        clients_of: takes only clients that show a certificate of this authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if versions:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.maximum_version = versions[-1]
        context.minimum_version = versions[0]
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of.ca_file)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain, suppress(OSError):
                plain.settimeout(10)
                with context.wrap_socket(plain, server_side=True) as connection:
                    with connection.makefile("rb") as reader:
                        if (request := read_request(reader)) is not None:
                            connection.sendall(_message(request, answer))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _message(request: Request, answer: bytes | Respond) -> bytes:
    status, headers, body = (200, {}, answer) if isinstance(answer, bytes) else answer(request)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
    return f"HTTP/1.1 {status} Answered\r\n{lines}\r\n".encode() + content


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 36500
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINNING)
        .not_valid_after(_BEGINNING + days * _DAY)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
