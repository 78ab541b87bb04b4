"""The doctor's look at a certificate: by the CA that is named, and where the guard lets it go."""

from datetime import timedelta
from pathlib import Path

from protes.cli.doctor.certificate import check_certificate
from protes.cli.doctor.finding import Reporter
from protes.clock import SystemClock
from protes.outbound.addresses import AddressGuard, is_public
from tests.support.certificates import Authority, secure_server

REPORT = Reporter("instance", "one")


def test_a_certificate_is_looked_at_by_its_own_ca_and_behind_the_guard(tmp_path: Path) -> None:
    authority, now = Authority.create(tmp_path), SystemClock().now()
    ca_file = str(authority.ca_file)
    with secure_server(authority.issue("localhost"), b"[]") as port:
        url = f"https://localhost:{port}"
        found = check_certificate(url, ca_file, now, REPORT)
        assert found is not None
        assert found.result in ("ok", "warn")
        late = check_certificate(url, ca_file, now + timedelta(days=36500), REPORT)
        assert late is not None
        assert late.result == "warn"
        assert check_certificate(url, None, now, REPORT) is None  # certifi's bundle does not know it
        allowed = AddressGuard(lambda address: address == "127.0.0.1", lambda host, port: ("127.0.0.1",))
        assert check_certificate(url, ca_file, now, REPORT, allowed) is not None
        assert check_certificate(url, ca_file, now, REPORT, AddressGuard(is_public)) is None
