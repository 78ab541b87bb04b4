"""How servers are checked, against real TLS servers: every client of the gateway in the same way."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from protes.clock import ManualClock, SystemClock
from protes.config.instances import InstanceSettings, RegistrySettings
from protes.config.loading import ConfigError
from protes.config.outbound import OutboundSettings, TlsSettings
from protes.config.settings import Settings
from protes.federation.clients import Clients
from protes.federation.registries import Registries
from protes.outbound.guard import Guard
from protes.outbound.rules import Rules
from protes.outbound.tls import BadTls, Tls, tls_of
from protes.outbound.web import Silent, Trusted, Web, origin_of
from protes.store.memory import MemoryRecords
from protes.tes.credentials import NoToken
from protes.tes.errors import Unreachable
from protes.tes.oauth2 import ClientCredentials, TokenGrant
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from service_registry_client import RegistryClient, RegistryUnreachable
from tests.support.certificates import Authority, secure_server

HOST = "tes.example.org"
PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30)
Call = Callable[[str, Tls], Any]


@pytest.fixture(scope="module", name="authority")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module", name="stranger")
def _stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("other"), "another authority")


def here(*_: Any) -> list[str]:
    return ["127.0.0.1"]


def by_transport(url: str, tls: Tls) -> Any:
    with Transport(url, timeouts=PATIENT, tls=tls, allow_address=lambda _: True, resolver=here) as transport:
        return transport.get("/x").json()


def by_web(url: str, tls: Tls) -> Any:
    web = Web(SystemClock(), Guard(Rules(allow_private=True), here), tls)
    return web.request("GET", url + "/x", until=time.monotonic() + 30).json()


def by_registry_client(url: str, tls: Tls) -> Any:
    with RegistryClient(url, tls=tls.context(), resolver=here) as client:
        return client.services().services


CLIENTS: dict[str, tuple[Call, type[Exception]]] = {
    "transport": (by_transport, Unreachable),
    "web": (by_web, Silent),
    "registry": (by_registry_client, RegistryUnreachable),
}


@pytest.fixture(name="client", params=sorted(CLIENTS))
def _client(request: pytest.FixtureRequest) -> tuple[Call, type[Exception]]:
    return CLIENTS[request.param]


def test_a_server_of_a_named_authority_is_trusted(authority: Authority, client: tuple[Call, type[Exception]]) -> None:
    call, _ = client
    with secure_server(authority.issue(HOST), b"[]") as port:
        assert len(call(f"https://{HOST}:{port}", Tls(ca_file=str(authority.ca_file)))) == 0


@pytest.mark.parametrize("trouble", ["unknown authority", "another authority", "wrong host", "expired", "own address"])
def test_others_are_not(
    authority: Authority, stranger: Authority, client: tuple[Call, type[Exception]], trouble: str
) -> None:
    call, error = client
    tls = Tls(ca_file=str(authority.ca_file))
    certificate, host = authority.issue(HOST), HOST
    if trouble == "unknown authority":
        tls = Tls()  # certifi's bundle
    elif trouble == "another authority":
        tls = Tls(ca_file=str(stranger.ca_file))
    elif trouble == "wrong host":
        host = "other.example.org"
    elif trouble == "expired":
        certificate = authority.issue(HOST, expired=True)
    else:
        host = "127.0.0.1"
    with secure_server(certificate, b"[]") as port, pytest.raises(error):
        call(f"https://{host}:{port}", tls)


def test_an_address_may_have_a_certificate_of_its_own(authority: Authority) -> None:
    with secure_server(authority.issue("127.0.0.1"), b"[]") as port:
        assert by_transport(f"https://127.0.0.1:{port}", Tls(ca_file=str(authority.ca_file))) == []


def test_an_environment_cannot_add_or_remove_trust(
    authority: Authority, client: tuple[Call, type[Exception]], monkeypatch: pytest.MonkeyPatch
) -> None:
    call, error = client
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with secure_server(authority.issue(HOST), b"[]") as port:
        with pytest.raises(error):
            call(f"https://{HOST}:{port}", Tls())
        assert len(call(f"https://{HOST}:{port}", Tls(ca_file=str(authority.ca_file)))) == 0


@pytest.mark.parametrize(
    ("oldest", "newest", "minimum", "works"),
    [
        ("TLSv1_2", "TLSv1_2", "1.2", True),
        ("TLSv1_2", "TLSv1_3", "1.3", True),
        ("TLSv1_2", "TLSv1_2", "1.3", False),
        ("TLSv1_1", "TLSv1_1", "1.2", False),
        ("TLSv1", "TLSv1", "1.2", False),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_the_oldest_version_is_kept_to(
    authority: Authority, client: tuple[Call, type[Exception]], oldest: str, newest: str, minimum: Any, works: bool
) -> None:
    call, error = client
    tls = Tls(ca_file=str(authority.ca_file), minimum_version=minimum)
    versions = (ssl.TLSVersion[oldest], ssl.TLSVersion[newest])
    with secure_server(authority.issue(HOST), b"[]", versions=versions) as port:
        if works:
            assert len(call(f"https://{HOST}:{port}", tls)) == 0
        else:
            with pytest.raises(error):
                call(f"https://{HOST}:{port}", tls)


def test_a_server_may_ask_for_a_certificate(authority: Authority, stranger: Authority) -> None:
    own = str(authority.issue("the-gateway"))
    with secure_server(authority.issue(HOST), b"[]", clients_of=authority) as port:
        url = f"https://{HOST}:{port}"
        assert by_transport(url, Tls(ca_file=str(authority.ca_file), client_cert_file=own)) == []
        assert by_transport(url, Tls(ca_file=str(authority.ca_file), client_cert_file=own, client_key_file=own)) == []
        for other in (None, str(stranger.issue("the-gateway"))):
            with pytest.raises(Exception, match=r"(?i)certificate|alert|connection|closed|answer|eof|disconnected"):
                by_transport(url, Tls(ca_file=str(authority.ca_file), client_cert_file=other))


def test_contexts_are_shared_until_a_file_changes(authority: Authority, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.ca_file.read_bytes())
    tls = Tls(ca_file=str(bundle))
    before = tls.context()
    assert tls.context() is before
    assert Tls(ca_file=str(bundle), minimum_version="1.3").context() is not before
    bundle.write_bytes(authority.ca_file.read_bytes() * 2)
    assert tls.context() is not before


@pytest.mark.parametrize("content", [None, "", "hunter2"])
def test_files_that_are_none_are_refused_by_name(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    for tls in (Tls(ca_file=str(file)), Tls(client_cert_file=str(file))):
        with pytest.raises(BadTls, match=r"file\.pem") as refused:
            tls.check()
        assert "hunter2" not in str(refused.value)
    instance = {"id": "a", "url": "https://a.example.org", "ca_file": str(file)}
    with pytest.raises(ConfigError, match=r"custom\.instances: a: .*file\.pem"):
        Clients(Settings.model_validate({"instances": [instance]}), {}, ManualClock())
    with pytest.raises(ConfigError, match=r"custom\.outbound\.ca_file: .*file\.pem"):
        Clients(Settings.model_validate({"outbound": {"ca_file": str(file)}}), {}, ManualClock())
    registry = RegistrySettings(url="https://a.example.org", ca_file=str(file))
    with pytest.raises(ConfigError, match=r"custom\.registries: .*file\.pem"):
        Registries([registry], {}, MemoryRecords(), ManualClock())


def test_there_is_no_way_not_to_check() -> None:
    with pytest.raises(ValidationError, match="always checked"):
        InstanceSettings(id="a", url="https://a", verify_tls=False)
    with pytest.raises(ValidationError, match="at most one"):
        InstanceSettings(id="a", url="https://a", verify_tls="x", ca_file="y")
    with pytest.raises(ValidationError, match="goes with client_cert_file"):
        InstanceSettings(id="a", url="https://a", client_key_file="y")
    assert InstanceSettings(id="a", url="https://a", verify_tls="x").tls.ca_file == "x"
    outbound = OutboundSettings(ca_file="all", tls_minimum_version="1.3")
    assert tls_of(outbound) == Tls("all", "1.3")
    assert tls_of(outbound, TlsSettings(ca_file="own")) == Tls("own", "1.3")


def test_token_servers_are_checked_too(authority: Authority) -> None:
    body = b'{"access_token": "t", "token_type": "Bearer"}'
    with secure_server(authority.issue("127.0.0.1"), body) as port:
        for tls, works in ((Tls(ca_file=str(authority.ca_file)), True), (Tls(), False)):
            grant = TokenGrant(f"https://127.0.0.1:{port}/token", "me", SecretStr("s"), tls=tls)
            if works:
                assert ClientCredentials(grant, SystemClock()).authorization() == "Bearer t"
            else:
                with pytest.raises(NoToken):
                    ClientCredentials(grant, SystemClock()).authorization()


def test_a_server_that_the_operator_named_has_a_bundle_of_its_own(authority: Authority) -> None:
    with secure_server(authority.issue("127.0.0.1"), b"[]") as port:
        url, web = f"https://127.0.0.1:{port}", Web(SystemClock(), Guard(Rules()))
        own = Trusted(origin_of(url), Tls(ca_file=str(authority.ca_file)))
        assert web.request("GET", url, until=time.monotonic() + 30, trusted=own).json() == []
        with pytest.raises(Silent):
            web.request("GET", url, until=time.monotonic() + 30, trusted=Trusted(origin_of(url)))
