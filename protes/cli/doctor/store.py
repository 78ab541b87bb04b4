"""Checks of the store: there, of our schema, writable, with room; and whether a process leads."""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from protes.cli.doctor.finding import Finding, Reporter
from protes.clock import Clock
from protes.config.loading import ConfigError, store_url
from protes.config.settings import Settings
from protes.config.store import is_mongodb, redacted
from protes.leader import leading
from protes.store.factory import FILE, Stores, create_stores
from protes.store.protocols import Records, StoreError
from protes.store.sqlite.schema import STEPS

_KIND = "doctor"
_PROBE_LASTS = timedelta(minutes=1)
_LEAST_SHARE, _LEAST_BYTES = 0.1, 1 << 30
_GIGABYTE = 1e9


def check_store(settings: Settings, clock: Clock, *, serving: bool) -> Iterator[Finding]:
    """Look at the store; it is neither made nor brought to a newer schema.

    Args:
        settings: as loaded.
        clock: the clock.
        serving: a gateway answers where these settings say, so that one of its processes must lead.
    """
    try:
        url = store_url(settings.store)
    except ConfigError as error:
        yield Reporter("store").fail(str(error), "mend the file that store.url_file names")
        return
    report = Reporter("store", redacted(url))
    if url == "memory:":
        yield report.warn("everything is lost when the gateway ends", "set store.url to a folder, or to MongoDB")
        return
    if not is_mongodb(url):
        findings = list(_folder(Path(url), report))
        yield from findings
        if any(each.result in ("skip", "fail") for each in findings):
            return
    yield from _opened(url, report, clock, serving)


def _folder(folder: Path, report: Reporter) -> Iterator[Finding]:
    there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path("/"))
    if not os.access(there, os.W_OK):
        yield report.fail(f"{there} cannot be written to", "run as the gateway's user, or let that user write there")
        return
    yield _room(there, report)
    file = folder / FILE
    if not file.exists():
        yield report.skip("there is no store yet: the first start makes it")
        return
    yield _schema(file, report)


def _room(folder: Path, report: Reporter) -> Finding:
    usage = shutil.disk_usage(folder)
    text = f"{usage.free / _GIGABYTE:.1f} GB of {usage.total / _GIGABYTE:.1f} GB are free on its disk"
    if usage.free < min(_LEAST_SHARE * usage.total, _LEAST_BYTES):
        return report.warn(text, "make room: a full store refuses tasks (503)")
    return report.ok(text)


def _schema(file: Path, report: Reporter) -> Finding:
    """Read the version without opening the store, which would bring it to ours under a gateway that runs."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        return report.fail(f"{file} cannot be read: {error}", "see that it is the store's file, or restore the backup")
    known = len(STEPS)
    if version > known:
        text = f"it was written by a newer protes: its schema is {version}, this version knows up to {known}"
        return report.fail(text, "run the newer version, or restore the backup of before the upgrade")
    if version < known:
        return report.skip(f"its schema is {version}; the next start brings it to {known}", "make a backup before")
    return report.ok(f"its schema is {version}, as it should be")


def _opened(url: str, report: Reporter, clock: Clock, serving: bool) -> Iterator[Finding]:
    try:
        stores = create_stores(url)
    except StoreError as error:
        yield report.fail(f"it cannot be opened: {error}", "see that it runs and that address and password are right")
        return
    try:
        yield from _used(stores, report, clock)
        if serving:
            yield _led(stores.records, clock)
    except StoreError as error:
        yield report.fail(f"it does not work: {error}", "look at the store's own log, and at its disk")
    finally:
        stores.close()


def _used(stores: Stores, report: Reporter, clock: Clock) -> Iterator[Finding]:
    key, begun = uuid.uuid4().hex, clock.monotonic()
    stores.records.put(_KIND, key, {"probe": key}, clock.now(), expires_at=clock.now() + _PROBE_LASTS)
    found = stores.records.get(_KIND, key, clock.now())
    stores.records.delete(_KIND, key)
    if found is None or found.value["probe"] != key:
        yield report.fail("a record that was written cannot be read", "see docs/stores.md for what a store must do")
        return
    milliseconds = (clock.monotonic() - begun) * 1000
    text = f"a record was written and read in {milliseconds:.0f} ms; {stores.tasks.count(unfinished=True)} tasks"
    if milliseconds > 1000:
        yield report.warn(f"{text} are unfinished", "look at the disk or the network: every POST waits for the store")
    else:
        yield report.ok(f"{text} are unfinished")


def _led(records: Records, clock: Clock) -> Finding:
    report = Reporter("store", "leader")
    if leading(records, clock.now()) is not None:
        return report.ok("a process leads: due work is looked for")
    text = "no process leads, so that tasks are accepted and none is sent"
    return report.fail(text, "start a worker, or serve with runner.execute; see that they use this store")
