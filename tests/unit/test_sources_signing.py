"""Signed URLs of blobs (their acceptance by a real service is tested in `tests/peers`), and logs in blobs."""

import base64
import hashlib
import hmac
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from middleware import Permission
from protes.clock import ManualClock
from protes.config.loading import ConfigError
from protes.config.planning import SignerSettings, SourceSettings
from protes.sources.output_urls import with_own_urls
from protes.sources.signing import BlobSigner

KEY = base64.b64encode(b"hunter2 hunter2 hunter2").decode()
BASE = "https://account.blob.core.windows.net"
BLOB = f"{BASE}/runs/a%20b/rc"
READ: frozenset[Permission] = frozenset({"read"})


def signer(clock: ManualClock | None = None, environ: dict[str, str] | None = None, **settings: Any) -> BlobSigner:
    given = SignerSettings.model_validate({"name": "runs", "account": "account", "key_env": "KEY", **settings})
    return BlobSigner(given, clock or ManualClock(), environ or {"KEY": KEY})


def fields_of(url: str | None) -> dict[str, str]:
    assert url is not None
    return {name: value for name, [value] in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


def test_the_signature_is_that_of_the_documented_text() -> None:
    text = (
        "cw\n"  # signedPermissions
        "2029-12-31T23:45:00Z\n"  # signedStart: a quarter of an hour ago
        "2030-01-03T00:00:00Z\n"  # signedExpiry
        "/blob/account/runs/a b/rc\n"  # canonicalizedResource
        "\n"  # signedIdentifier
        "\n"  # signedIP
        "https\n"  # signedProtocol
        "2020-12-06\n"  # signedVersion
        "b\n"  # signedResource
        "\n"  # signedSnapshotTime
        "\n"  # signedEncryptionScope
        "\n\n\n\n"  # rscc, rscd, rsce, rscl; and rsct, without an end of line
    )
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    url = signer().signed(BLOB, frozenset({"write", "create"}))
    assert fields_of(url) == {
        "sp": "cw",
        "st": "2029-12-31T23:45:00Z",
        "se": "2030-01-03T00:00:00Z",
        "spr": "https",
        "sv": "2020-12-06",
        "sr": "b",
        "sig": base64.b64encode(digest).decode(),
    }
    assert url is not None
    assert url.startswith(f"{BLOB}?")


def test_a_directory_is_signed_by_its_container() -> None:
    permissions: frozenset[Permission] = frozenset({"read", "list"})
    one = fields_of(signer().signed(f"{BASE}/runs/a", permissions, below=True))
    other = fields_of(signer().signed(f"{BASE}/runs/b", permissions, below=True))
    assert one == other
    assert (one["sr"], one["sp"]) == ("c", "rl")


@pytest.mark.parametrize(("seconds", "end"), [(None, "01:00:00"), (90.2, "00:01:31"), (7200, "01:00:00")])
def test_no_url_is_good_for_longer_than_the_operator_says(seconds: float | None, end: str) -> None:
    url = signer(expire_seconds=3600).signed(BLOB, READ, seconds)
    assert fields_of(url)["se"] == f"2030-01-01T{end}Z"


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        (BLOB.replace("https", "http"), {}),
        (BLOB.replace("account", "another"), {}),
        (BLOB.replace("https://", "https://user@"), {}),
        (f"{BLOB}?sv=1", {}),
        (f"{BLOB}#x", {}),
        (f"{BASE}/runs", {}),
        (f"{BASE}/runs/", {}),
        (f"{BASE}/runs/../private/x", {}),
        (f"{BASE}/runs/%2e%2e/private/x", {}),
        (f"{BASE}/runs/a%5C..%5Cx", {}),
        (f"{BASE}/runs/a%0A%0Ab", {}),
        (f"{BASE}/runs/a%FF", {}),
        (f"{BASE}/private/x", {"container": "runs"}),
        (f"{BASE}/runs2/x", {"container": "runs"}),
        ("https://h/emulated2/runs/x", {"endpoint": "https://h/emulated"}),
        ("https://h:444/emulated/runs/x", {"endpoint": "https://h/emulated"}),
        ("s3://runs/x", {}),
        ("https://[h/x", {}),
        ("", {}),
    ],
)
def test_what_is_not_its_own_or_not_clean_is_not_signed(url: str, settings: dict[str, Any]) -> None:
    assert signer(**settings).signed(url, READ) is None
    assert not signer(**settings).covers(url)


def test_nothing_is_signed_for_nothing() -> None:
    assert signer().signed(BLOB, frozenset()) is None


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    signer().signed(text, READ)
    signer().signed(f"{BASE}/runs/{text}", READ)


def test_an_endpoint_of_ones_own() -> None:
    by = signer(endpoint="http://127.0.0.1:10000/account", allow_http=True)
    assert fields_of(by.signed("http://127.0.0.1:10000/account/runs/x", READ))["spr"] == "https,http"


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    by = signer(key_env=None, key_file=str(file))
    assert by.signed(BLOB, READ) == signer().signed(BLOB, READ)
    assert KEY not in repr(by)
    assert repr(by) == "BlobSigner('runs')"


@pytest.mark.parametrize("environ", [{"OTHER": KEY}, {"KEY": "hunter2!"}, {"KEY": "hunter2"}, {"KEY": "ä"}])
def test_a_key_that_is_none_stops_the_start_and_is_not_shown(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^sources\.signers\.runs: ") as caught:
        signer(environ=environ)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["https://h/x?sig=hunter2", "https://user:hunter2@h/", "https://"])
def test_an_endpoint_that_is_none_stops_the_start(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"^sources\.signers\.runs\.endpoint: ") as caught:
        signer(endpoint=endpoint)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"key_file": "x"},
        {"key_env": None},
        {"account": "Account"},
        {"account": "a/b"},
        {"container": "../x"},
        {"endpoint": "http://h"},
        {"endpoint": "ftp://h", "allow_http": True},
        {"expire_seconds": 10},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        signer(**settings)


def test_two_signers_have_two_names() -> None:
    one = {"name": "runs", "account": "account", "key_env": "KEY"}
    with pytest.raises(ValidationError, match="two signers have the same name"):
        SourceSettings.model_validate({"signers": [one, one]})


def test_clocks_may_differ_by_a_quarter_of_an_hour() -> None:
    clock = ManualClock()
    start = fields_of(signer(clock).signed(BLOB, READ))["st"]
    assert start == (clock.now() - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")


# What instances log of outputs


OUTPUTS = [
    {"path": "/o/rc", "url": "/tes-wd/shared/rc", "type": "FILE"},
    {"path": "/o/dir", "url": "/tes-wd/shared/dir/", "type": "DIRECTORY"},
    {"path": "/o/dir/deep", "url": "file:///deep", "type": "DIRECTORY"},
    {"path": "/w/*.txt", "path_prefix": "/w", "url": "/tes-wd/shared/w", "type": "FILE"},
    {"path": "/s3", "url": "s3://b/k", "type": "FILE"},
]


@pytest.mark.parametrize(
    ("path", "url", "shown"),
    [
        ("/o/rc", f"{BLOB}?sig=hunter2", "/tes-wd/shared/rc"),
        ("/o/dir/a/b", f"{BLOB}?sig=hunter2", "/tes-wd/shared/dir/a/b"),
        ("/o/dir/deep/x", f"{BLOB}?sig=hunter2", "file:///deep/x"),
        ("/w/x.txt", f"{BLOB}?sig=hunter2", "/tes-wd/shared/w/x.txt"),
        ("/elsewhere", f"{BLOB}?sig=hunter2", BLOB),
        ("/s3", "s3://b/k?versionId=1", "s3://b/k?versionId=1"),
        ("/o/rc", "/mounted/rc", "/mounted/rc"),
        ("/o/rc", "file:///mounted/rc", "file:///mounted/rc"),
    ],
)
def test_outputs_are_shown_under_the_clients_urls(path: str, url: str, shown: str) -> None:
    log = {"logs": [], "outputs": [{"path": path, "url": url, "size_bytes": "1"}]}
    assert with_own_urls(OUTPUTS, log)["outputs"] == [{"path": path, "url": shown, "size_bytes": "1"}]


def test_outputs_of_a_task_without_paths_are_left_alone() -> None:
    log = {"outputs": [{"path": "/s3", "url": "https://mirror/k?versionId=1", "size_bytes": "1"}]}
    assert with_own_urls(OUTPUTS[4:], log) == log
