"""Taking a changed configuration over: what is looked at, what is compared, what is refused (docs/reload.md)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from middleware import MiddlewareConfigError
from protes.clock import ManualClock
from protes.config.comparing import FIXED, changed_beside, changed_sections, keep_fixed
from protes.config.loading import ConfigError
from protes.config.settings import Settings
from protes.config.watching import ConfigFiles
from protes.current import Current
from protes.reload import Reloader, Trigger
from protes.store.protocols import StoreUnavailable

SECRET = "correct-horse-battery-staple"


def settings(**custom: Any) -> Settings:
    return Settings.model_validate(custom)


def write(file: Path, **custom: Any) -> None:
    file.write_text(yaml.safe_dump({"custom": custom}), encoding="utf-8")


# What is compared


def test_the_sections_that_differ_are_named() -> None:
    old = settings(api={"weight": "0.5"}, currency="EUR")
    new = settings(api={"weight": "0.4"}, instances=[{"id": "a", "url": "http://a.example"}])
    assert changed_sections(old, new) == ("api", "instances")
    assert changed_sections(old, settings(api={"weight": "0.5"})) == ()


def test_what_cannot_change_keeps_its_value_and_is_named() -> None:
    old = settings(gateway_id="gateway-one", server={"port": 1, "max_body_bytes": 2000}, store={"url": "here"})
    new = settings(
        gateway_id="gateway-two",
        server={"port": 2, "max_body_bytes": 3000, "workers": 3},
        store={"url": "there"},
        runner={"threads": 3, "tick_seconds": 9},
        api={"weight": "1"},
    )
    kept, dropped = keep_fixed(old, new)
    assert dropped == (
        "gateway_id",
        "server.port",
        "server.workers",
        "store.url",
        "runner.threads",
        "runner.tick_seconds",
    )
    assert (kept.gateway_id, kept.server.port, kept.server.workers, kept.store) == ("gateway-one", 1, 1, old.store)
    assert kept.runner == old.runner
    assert (kept.server.max_body_bytes, kept.api.weight) == (3000, "1")
    assert keep_fixed(old, kept) == (kept, ())


@pytest.mark.parametrize("path", FIXED)
def test_every_fixed_setting_is_one(path: str) -> None:
    model: Any = Settings
    for name in path.split("."):
        field = model.model_fields[name]
        model = field.annotation


def test_foca_s_own_sections_are_compared(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    files = ConfigFiles([file], {})
    write(file)
    before = files.load().foca
    file.write_text("custom: {currency: USD}\nlog: {root: {level: 10, handlers: [console]}}\n", encoding="utf-8")
    after = files.load().foca
    assert changed_beside(before, before) == ()
    assert changed_beside(before, after) == ("log",)


# What is looked at


class Watched:
    """A configuration file and a secret that it names, loaded once."""

    def __init__(self, folder: Path) -> None:
        self.file, self.secret = folder / "gateway.yaml", folder / "token"
        self.secret.write_text(SECRET)
        credentials = {"type": "bearer", "secret_file": str(self.secret)}
        write(self.file, instances=[{"id": "a", "url": "http://a.example", "credentials": credentials}])
        self.files = ConfigFiles([self.file], {})
        self.files.load()

    def looks(self, count: int) -> list[bool]:
        return [self.files.changed() for _ in range(count)]


@pytest.fixture(name="watched")
def _watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_file_that_stays_is_not_changed(watched: Watched) -> None:
    assert watched.looks(3) == [False, False, False]


def test_a_changed_file_counts_once_it_has_stood_still_for_a_look(watched: Watched) -> None:
    write(watched.file, currency="USD")
    assert watched.looks(2) == [False, True]
    assert watched.files.load().settings.currency == "USD"
    assert watched.looks(2) == [False, False]


def test_a_file_that_is_being_written_does_not_count(watched: Watched) -> None:
    for size in range(5):
        watched.file.write_text("#" * size)
        assert watched.looks(1) == [False]
    assert watched.looks(1) == [True]


def test_what_is_written_while_the_files_are_read_counts_as_changed(watched: Watched) -> None:
    class Environment(dict[str, str]):
        """Read by `load` after the files."""

        def __iter__(self) -> Any:
            write(watched.file, currency="USD")
            return super().__iter__()

    files = ConfigFiles([watched.file], Environment())
    assert files.load().settings.currency == "EUR"
    assert [files.changed(), files.changed()] == [False, True]


def test_a_file_behind_a_link_that_is_swapped_counts(tmp_path: Path) -> None:
    """As Kubernetes does it with a ConfigMap: the file's link leads through a folder's link, which is renamed over."""
    for name, currency in (("one", "USD"), ("two", "CHF")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "gateway.yaml", currency=currency)
        os.utime(tmp_path / name / "gateway.yaml", ns=(1, 1))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "gateway.yaml").symlink_to("..data/gateway.yaml")
    files = ConfigFiles([tmp_path / "gateway.yaml"], {})
    assert files.load().settings.currency == "USD"
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "..data")
    assert [files.changed(), files.changed()] == [False, True]
    assert files.load().settings.currency == "CHF"


def test_a_secret_s_file_counts_too_and_only_as_long_as_it_is_named(watched: Watched) -> None:
    watched.secret.write_text("another-secret-altogether")
    assert watched.looks(2) == [False, True]
    write(watched.file)
    watched.files.load()
    watched.secret.write_text("a-third-one")
    assert watched.looks(2) == [False, False]


def test_a_file_that_is_gone_counts_once(watched: Watched) -> None:
    watched.file.unlink()
    assert watched.looks(2) == [False, True]
    with pytest.raises(ConfigError, match=r"gateway\.yaml' could not be read: No such file"):
        watched.files.load()
    assert watched.looks(2) == [False, False]


def test_a_pipe_is_read_once_and_never_taken_for_empty(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write, args=(pipe,), kwargs={"currency": "USD"})
    writer.start()
    files = ConfigFiles([pipe], {})
    assert files.load().settings.currency == "USD"
    writer.join(10)
    with pytest.raises(ConfigError, match="no regular file"):
        files.load()


def test_forgetting_reads_again_what_has_not_changed(watched: Watched) -> None:
    watched.files.forget()
    assert watched.looks(2) == [True, True]
    watched.files.load()
    assert watched.looks(2) == [False, False]


# What is used


class Counted:
    """Parts that count how often they were closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_who_has_begun_with_the_old_parts_ends_with_them() -> None:
    first, second = Counted(), Counted()
    current = Current(first)
    with current.use() as used:
        current.replace(second)
        assert current.now is second
        with current.use() as used_later:
            assert (used, used_later) == (first, second)
        current.close_unused()
        assert first.closed == 0
    current.close_unused()
    current.close_unused()
    assert (first.closed, second.closed) == (1, 0)
    current.close()
    assert (first.closed, second.closed) == (1, 1)


def test_a_failing_user_counts_no_longer() -> None:
    current = Current(Counted())
    with pytest.raises(ZeroDivisionError), current.use() as used:
        raise ZeroDivisionError
    current.replace(Counted())
    current.close_unused()
    assert used.closed == 1


def test_nobody_s_parts_are_closed_under_many_users_and_replacements() -> None:
    current = Current(Counted())
    every = [current.now]
    wrong: list[str] = []
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            with current.use() as used:
                if used.closed:
                    wrong.append("closed while in use")

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for _ in range(300):
        every.append(Counted())
        current.replace(every[-1])
        current.close_unused()
    stop.set()
    for user in users:
        user.join(10)
    current.close_unused()
    assert not wrong
    assert [each.closed for each in every] == [1] * 300 + [0]


# What is taken over


class Reloading:
    """A reloader whose time is moved by hand, and what it has put in the place of the old."""

    def __init__(self, folder: Path, **custom: Any) -> None:
        self.file = folder / "gateway.yaml"
        write(self.file, **custom)
        self.files = ConfigFiles([self.file], {})
        self.clock, self.trigger = ManualClock(), Trigger()
        self.taken: list[Settings] = []
        self.tidied = 0
        self.problem: BaseException | None = None
        self.replaced = threading.Event()
        self.reloader = Reloader(self.files.load(), self.files, self.trigger, self._replace, self._tidy, self.clock)

    def looks(self, count: int = 3) -> int:
        """Let that many seconds pass, with a look each; return how often something was taken over."""
        before = len(self.taken)
        for _ in range(count):
            self.clock.advance(1)
            self.reloader.look()
        return len(self.taken) - before

    def _replace(self, settings: Settings) -> None:
        if self.problem is not None:
            raise self.problem
        self.taken.append(settings)
        self.replaced.set()

    def _tidy(self) -> None:
        self.tidied += 1


@pytest.fixture(name="make")
def _make(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Callable[..., Reloading]:
    caplog.set_level(logging.INFO, logger="protes.reload")
    return lambda **custom: Reloading(tmp_path, **custom)


def test_a_changed_file_is_taken_over_once_and_says_what_changed(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture
) -> None:
    reloading = make()
    assert reloading.looks() == 0
    write(reloading.file, currency="USD", api={"weight": "1"})
    assert reloading.looks() == 1
    assert reloading.taken[0].currency == "USD"
    assert caplog.messages == [f"process {os.getpid()} has taken the configuration over; changed: currency, api"]
    assert reloading.tidied == 6


def test_a_wish_is_granted_at_once_whether_something_changed_or_not(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture
) -> None:
    reloading = make(reload={"watch": False})
    write(reloading.file, reload={"watch": False}, currency="USD")
    assert reloading.looks() == 0
    reloading.trigger.ask()
    reloading.trigger.ask()
    reloading.reloader.look()
    assert [each.currency for each in reloading.taken] == ["USD"]
    reloading.trigger.ask()
    assert reloading.looks() == 1
    assert caplog.messages[-1].endswith("changed: no setting, but secrets were read again")


def test_how_often_to_look_can_change_too(make: Callable[..., Reloading]) -> None:
    reloading = make(reload={"watch_seconds": 10})
    write(reloading.file, reload={"watch_seconds": 1})
    assert reloading.looks(19) == 0
    assert reloading.looks(1) == 1
    write(reloading.file, reload={"watch": False})
    assert reloading.looks(11) == 1  # the next look was set by the old pause
    write(reloading.file, currency="USD")
    assert reloading.looks(30) == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("custom: [", "gateway.yaml' is not valid YAML: line 1, column 10"),
        ("- 1", "is not a YAML mapping"),
        ("custom: {colour: red}", "custom.colour: Extra inputs are not permitted"),
        ("colour: red", "colour: unknown section"),
        ("custom: {server: {port: 99999}}", "custom.server.port: "),
        (f"custom: {{server: {{operator_token: [{SECRET}]}}}}", "custom.server.operator_token: "),
        (f"custom: {{instances: [{{id: a, url: x, token: {SECRET}}}]}}", "custom.instances.0.token: "),
        (f"custom: {{x: {SECRET}\n  y: : {SECRET}", "is not valid YAML: line "),
        ("[" * 1000, "failed with RecursionError"),
    ],
)
def test_a_bad_file_is_refused_once_without_showing_it_and_a_good_one_taken_after_it(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture, text: str, why: str
) -> None:
    reloading = make()
    reloading.file.write_text(text, encoding="utf-8")
    assert reloading.looks(6) == 0
    [record] = caplog.records
    assert record.levelname == "ERROR"
    said = record.getMessage()
    assert said.startswith(f"process {os.getpid()} refused the configuration in {reloading.file} and keeps the old one")
    assert why in said
    assert "\n" not in said
    assert SECRET not in caplog.text
    write(reloading.file, currency="USD")
    assert reloading.looks() == 1


@pytest.mark.parametrize(
    "problem", [ConfigError("the variable X is not set"), MiddlewareConfigError("step 1 (x): no middleware")]
)
def test_what_cannot_be_made_is_refused_and_changes_nothing(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    reloading = make()
    reloading.problem = problem
    write(reloading.file, currency="USD")
    assert reloading.looks(5) == 0
    assert [str(problem) in each for each in caplog.messages] == [True]
    reloading.problem = None
    reloading.trigger.ask()
    assert reloading.looks() == 1
    # Compared with what was in use, not with what was refused.
    assert caplog.messages[-1].endswith("changed: currency")


def test_a_store_that_is_down_is_no_bad_file(make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture) -> None:
    reloading = make()
    reloading.problem = StoreUnavailable("the disk is full")
    write(reloading.file, currency="USD")
    assert reloading.looks(3) == 0
    assert "the disk is full" in caplog.messages[0]
    reloading.problem = None
    assert reloading.looks(2) == 1


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_whatever_fails_the_old_one_stays_and_no_secret_is_shown(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    reloading = make()
    reloading.problem = kind(SECRET)
    write(reloading.file, currency="USD")
    assert reloading.looks(5) == 0
    assert [each.endswith(f"it failed with {kind.__name__}") for each in caplog.messages] == [True]
    assert SECRET not in caplog.text


def test_what_needs_a_restart_is_said_and_the_rest_is_taken_over(
    make: Callable[..., Reloading], caplog: pytest.LogCaptureFixture
) -> None:
    reloading = make(store={"url": "here"})
    custom = {"store": {"url": "there"}, "server": {"port": 1}, "currency": "USD"}
    reloading.file.write_text(yaml.safe_dump({"custom": custom, "security": {"cors": {"enabled": True}}}))
    assert reloading.looks() == 1
    [taken] = reloading.taken
    assert (taken.store.url, taken.server.port, taken.currency) == ("here", 8080, "USD")
    assert caplog.messages[0].endswith("changed: currency")
    assert caplog.records[1].levelname == "WARNING"
    assert caplog.messages[1].startswith("a restart is needed for what is new in security, server.port, store.url;")


def test_the_thread_looks_until_it_is_closed(make: Callable[..., Reloading]) -> None:
    """The manual clock's waits return at once, each with its time gone by."""
    others = set(threading.enumerate())
    reloading = make()
    write(reloading.file, currency="USD")
    reloading.reloader.start()
    assert reloading.replaced.wait(30)
    reloading.reloader.close()
    assert not [each for each in set(threading.enumerate()) - others if each.name == "protes-reload"]
