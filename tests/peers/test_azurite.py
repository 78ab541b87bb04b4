"""Signed URLs and logs in blobs against a real blob service: Azurite."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from middleware import Permission
from protes.clock import Clock, ManualClock, SystemClock
from protes.config.outbound import OutboundSettings
from protes.config.planning import SignerSettings
from protes.outbound.guard import guard_of
from protes.outbound.web import Web
from protes.sources.blob_logs import BlobLogs, LogSigner
from protes.sources.signing import BlobSigner
from tests.support import azurite
from tests.support.azurite import ACCOUNT, CONTAINER, KEY
from tests.support.cromwell_tasks import for_tesazure
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.services import missing

pytestmark = pytest.mark.services

READ: frozenset[Permission] = frozenset({"read"})
WRITE: frozenset[Permission] = frozenset({"create", "write"})
SECONDS = 20


@pytest.fixture(scope="module")
def account_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = azurite.executable(os.environ)
    if program is None:
        missing(request, "Azurite is not there: make services-install, or name it in PROTES_AZURITE")
    with azurite.running(program, tmp_path_factory.mktemp("azurite")) as url:
        yield url


def signer(account_url: str, clock: Clock | None = None, key: str = KEY, **settings: Any) -> BlobSigner:
    endpoint = {"endpoint": account_url, "allow_http": account_url.startswith("http:")}
    given = SignerSettings(name="runs", account=ACCOUNT, key_env="KEY", **{**endpoint, **settings})
    return BlobSigner(given, clock or SystemClock(), {"KEY": key})


def put(url: str, content: bytes) -> int:
    return requests.put(url, content, headers={"x-ms-blob-type": "BlockBlob"}, timeout=SECONDS).status_code


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=SECONDS)


def signed(by: BlobSigner, url: str, permissions: frozenset[Permission], **further: Any) -> str:
    found = by.signed(url, permissions, **further)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["rc", "a b/c+d&e=f.txt", "100%/ü/#1?", "shared/wf/call-x/execution/rc", "tes-wd//x"])
def test_what_is_put_by_one_signed_url_is_got_by_another(account_url: str, name: str) -> None:
    url, by = f"{account_url}/{CONTAINER}/{quote(name)}", signer(account_url)
    assert put(signed(by, url, WRITE), b"hello") == 201
    answer = get(signed(by, url, READ))
    assert (answer.status_code, answer.content) == (200, b"hello")


def test_a_url_allows_what_it_is_signed_for_and_nothing_else(account_url: str) -> None:
    url, by = f"{account_url}/{CONTAINER}/permissions", signer(account_url)
    assert put(signed(by, url, WRITE), b"1") == 201
    assert put(signed(by, url, READ), b"2") == 403
    assert get(signed(by, url, WRITE)).status_code == 403
    assert get(signed(by, url, READ).replace("/permissions?", "/other?")).status_code == 403
    assert get(signed(by, url, READ).replace("sp=r&", "sp=rw&")).status_code == 403
    assert get(signed(signer(account_url, key="bm90IHRoZSBrZXk="), url, READ)).status_code == 403
    assert get(url).status_code in (403, 404)
    assert get(signed(by, url, READ)).content == b"1"


@pytest.mark.parametrize(
    ("moved", "status"),
    [(timedelta(0), 201), (timedelta(minutes=10), 201), (timedelta(hours=-3), 403), (timedelta(hours=1), 403)],
    ids=["now", "our clock is somewhat ahead", "expired", "not good yet"],
)
def test_a_url_is_good_for_its_time(account_url: str, moved: timedelta, status: int) -> None:
    by = signer(account_url, ManualClock(datetime.now(UTC) + moved), expire_seconds=7200)
    assert put(signed(by, f"{account_url}/{CONTAINER}/times", WRITE), b"x") == status


def test_without_a_word_a_url_is_good_over_tls_only(account_url: str) -> None:
    secure = account_url.replace("http://", "https://")
    url = signed(signer(secure), f"{secure}/{CONTAINER}/tls", WRITE)
    assert put(url.replace("https://", "http://"), b"x") == 403


def test_a_directory_is_good_for_what_lies_below(account_url: str) -> None:
    by, folder = signer(account_url), f"{account_url}/{CONTAINER}/folder"
    base, _, query = signed(by, folder, WRITE, below=True).partition("?")
    assert put(f"{base}/one?{query}", b"1") == 201
    base, _, query = signed(by, folder, READ | {"list"}, below=True).partition("?")
    assert get(f"{base}/one?{query}").content == b"1"
    listed = get(f"{account_url}/{CONTAINER}?restype=container&comp=list&prefix=folder/&{query}")
    assert (listed.status_code, "<Name>folder/one</Name>" in listed.text) == (200, True)
    assert put(f"{base}/two?{query}", b"2") == 403


@pytest.mark.parametrize(
    ("first", "second", "most", "text"),
    [
        (b"ab\n", b"cd\n", 1024, "ab\ncd\n"),
        (b"", b"", 1024, ""),
        (b"x" * 10, b"y" * 10, 15, "[5 bytes before this were left out]\nxxxxxyyyyyyyyyy"),
        (b"x" * 10, b"y" * 10, 4, "[16 bytes before this were left out]\nyyyy"),
        (b"", "äöü".encode(), 3, "[4 bytes before this were left out]\nü"),
        (b"", b"\xff!", 9, "\ufffd!"),
    ],
)
def test_logs_in_blobs_are_read_from_their_end(
    account_url: str, tmp_path: Path, first: bytes, second: bytes, most: int, text: str
) -> None:
    by = signer(account_url)
    urls = [f"{account_url}/{CONTAINER}/{tmp_path.name}/{number}" for number in (1, 2)]
    assert [put(signed(by, url, WRITE), data) for url, data in zip(urls, (first, second), strict=True)] == [201, 201]
    clock = SystemClock()
    logs = BlobLogs([LogSigner(by, frozenset({"azure"}))], Web(clock, guard_of(OutboundSettings())), clock, 10.0)
    listed = "[" + ", ".join(f'"{url}"' for url in urls) + "]"
    log = {"logs": [{"exit_code": 0, "stdout": listed}], "outputs": []}
    assert logs.filled("azure", log, most) == {"logs": [{"exit_code": 0, "stdout": text}], "outputs": []}
    assert logs.filled("other", log, most) == log


def test_cromwells_task_runs_elsewhere_with_the_urls_it_is_sent(account_url: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY, encoding="utf-8")
    runs = {"name": "runs", "account": ACCOUNT, "key_file": str(file), "endpoint": account_url, "allow_http": True}
    mapping = {"prefix": "/tes-wd/shared", "url": f"{account_url}/{CONTAINER}/shared", "sas": "runs"}
    chain = [{"use": "feasible"}, {"use": "rewrite_paths", "options": {"mappings": [mapping]}}]
    document = for_tesazure()
    script = f"{account_url}/{CONTAINER}/{document['inputs'][0]['url'].removeprefix('/tes-wd/')}"
    by = signer(account_url)
    assert put(signed(by, script, WRITE), b"#!/bin/bash") == 201
    clock = ManualClock(datetime.now(UTC))  # by which the service judges what is signed
    with (
        FakeTes(service_id="unknown") as fake,
        Harness(instance("one", fake), clock=clock, chain=chain, sources={"signers": [runs]}) as found,
    ):
        found.probe()
        found.post(document)
        found.turn()
        [copy] = fake.tasks.values()
    assert get(copy.document["inputs"][0]["url"]).content == b"#!/bin/bash"
    assert put(copy.document["outputs"][0]["url"], b"0") == 201
    path = document["outputs"][0]["url"].removeprefix("/tes-wd/")
    assert get(signed(by, f"{account_url}/{CONTAINER}/{path}", READ)).content == b"0"
