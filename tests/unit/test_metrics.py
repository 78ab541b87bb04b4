"""Metrics: the catalogue keeps to Prometheus' conventions, series stay few, and nothing fails for the figures' sake."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protes.clock import ManualClock
from protes.config.instances import InstanceSettings
from protes.federation.known import FederationView, KnownInstance, Probed
from protes.metrics import directory
from protes.metrics.catalogue import ALL, FINISHED, JOBS_NOW, SWEPT, UNFINISHED
from protes.metrics.names import InstanceNames
from protes.metrics.port import Metric, NoMeter
from protes.metrics.prometheus import PrometheusMeter, Reading
from protes.metrics.state import State
from protes.metrics.stores import measured
from protes.metrics.wrapping import public_methods, wrapped
from protes.store.factory import create_stores
from protes.store.protocols import Records, StoreUnavailable, TaskStore
from service_registry_client import Snapshot
from tests.support.running import Samples

NOW = datetime(2030, 1, 1, tzinfo=UTC)
UNITS = ("_seconds", "_total", "_bytes", "_ratio", "_info")


class NoRegistries:
    def registries(self) -> dict[str, Snapshot]:
        return {}


def view(*names: str) -> FederationView:
    return FederationView(tuple(known(each) for each in names))


def known(name: str) -> KnownInstance:
    url = f"https://{name}.example.org/ga4gh/tes/v1"
    probed = Probed(ok=True, at=NOW, next_at=NOW, heard_at=NOW, base_url=url, dialect="funnel")
    return KnownInstance(InstanceSettings(id=name, url=url), url, name, "configuration", probed)


def url_of(name: str) -> str:
    return f"https://{name}.example.org/ga4gh/tes/v1"


def page(meter: PrometheusMeter) -> Samples:
    return Samples.read(meter.page("")[0].decode())


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_keeps_to_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"protes_[a-z][a-z_]*[a-z]", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert metric.kind != "histogram" or (
        metric.name.endswith(UNITS) and metric.buckets == tuple(sorted(metric.buckets))
    )
    assert metric.help.endswith(".") or metric.name == "protes_build_info"
    assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)
    assert not {"path", "task", "id", "owner", "url", "tag"} & set(metric.labels)


def test_names_differ() -> None:
    assert len({each.name for each in ALL}) == len(ALL)


def test_what_is_measured_is_on_the_page() -> None:
    meter = PrometheusMeter(lambda: [(UNFINISHED, (), 7.0)], lambda: None)
    meter.count(FINISHED, "a", "COMPLETE")
    meter.count(FINISHED, "a", "COMPLETE", by=2)
    meter.count(JOBS_NOW, "tick")
    meter.count(JOBS_NOW, "tick", by=-1)
    seen = page(meter)
    assert seen.get("protes_tasks_finished_total", instance="a", state="COMPLETE") == 3
    assert seen.get("protes_jobs_in_progress", job="tick") == 0
    assert seen.get("protes_tasks_unfinished") == 7
    assert not any(name.endswith("_created") for name in seen.names())


def test_two_meters_of_one_process_know_nothing_of_each_other() -> None:
    one, other = (PrometheusMeter(lambda: (), lambda: None) for _ in range(2))
    one.count(FINISHED, "a", "COMPLETE")
    assert page(other).get("protes_tasks_finished_total", instance="a", state="COMPLETE") is None


def test_series_of_instances_that_have_left_are_gone_and_come_back_from_zero() -> None:
    now = [view("a", "b")]
    names = InstanceNames(lambda: now[0], 10)
    meter = PrometheusMeter(lambda: (), names.kept)
    for name in ("a", "b"):
        meter.set(SWEPT, 1.0, names.at(url_of(name)))
        meter.count(FINISHED, names.at(url_of(name)), "COMPLETE")
    assert page(meter).labels("protes_relay_swept_timestamp_seconds", "instance") == {"a", "b"}
    now[0] = view("a")
    assert page(meter).labels("protes_relay_swept_timestamp_seconds", "instance") == {"a"}
    now[0] = view("a", "b")
    assert page(meter).labels("protes_tasks_finished_total", "instance") == {"a"}
    meter.count(FINISHED, names.at(url_of("b")), "COMPLETE")
    assert page(meter).get("protes_tasks_finished_total", instance="b", state="COMPLETE") == 1


def test_what_does_not_belong_to_the_federation_shares_one_name() -> None:
    names = InstanceNames(lambda: view("a"), 10)
    assert names.at("https://brought.example.org/ga4gh/tes/v1") == "other"
    assert names.at(url_of("a")) == "a"


def test_no_more_instances_than_wanted_have_a_name_and_who_leaves_makes_room() -> None:
    now = [view("a", "b", "c")]
    names = InstanceNames(lambda: now[0], 2)
    assert [names.of(each) for each in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]
    now[0] = view("b", "c")
    assert names.kept() == {"b", "other", "none"}
    assert names.of("c") == "c"


def test_a_store_that_is_down_leaves_what_was_known() -> None:
    answers: list[FederationView | StoreUnavailable] = [view("a"), StoreUnavailable("away")]

    def ask() -> FederationView:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    class Tasks:
        def count(self, *, unfinished: bool = False) -> int:
            raise StoreUnavailable("away")

    names = InstanceNames(ask, 10)
    assert names.kept() == {"other", "none"}
    read = list(State(Tasks(), names, ManualClock()).read(NoRegistries()))
    assert ("protes_instance_up", ("a",), 1.0) in [(metric.name, *rest) for metric, *rest in read]
    assert UNFINISHED not in [metric for metric, *_ in read]


def test_counting_tasks_takes_little_of_the_time() -> None:
    clock, calls = ManualClock(), []

    class Tasks:
        def count(self, *, unfinished: bool = False) -> int:
            calls.append(clock.monotonic())
            clock.advance(2.0)
            return 5

    state = State(Tasks(), InstanceNames(FederationView, 1), clock)
    for _ in range(300):
        list(state.read(NoRegistries()))
        clock.advance(1.0)
    assert len(calls) <= 4


def test_the_store_is_measured_and_its_failures_counted() -> None:
    class Failing:
        def get(self, kind: str, key: str, now: datetime) -> None:
            raise StoreUnavailable("away")

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    stores = create_stores("memory:")
    meter = PrometheusMeter(lambda: (), lambda: None)
    object.__setattr__(stores, "records", Failing())
    used = measured(stores, meter, ManualClock())
    used.tasks.get("unknown", head=True)
    with pytest.raises(StoreUnavailable):
        used.records.get("kind", "key", NOW)
    seen = page(meter)
    assert seen.get("protes_store_seconds_count", operation="tasks.get") == 1
    assert seen.get("protes_store_seconds_count", operation="records.get") == 1
    assert seen.get("protes_store_failures_total", operation="records.get") == 1


def test_all_methods_of_the_protocols_are_measured() -> None:
    assert {"create", "get", "claim", "transition", "loads", "delete_many"} <= set(public_methods(TaskStore))
    assert {"get", "put", "scan", "expire"} <= set(public_methods(Records))


def test_a_wrapped_part_is_otherwise_itself() -> None:
    part = wrapped([1, 2, 3], {"count": lambda _: 42})
    assert part.count(1) == 42
    assert part.index(2) == 1
    assert repr(part) == "[1, 2, 3]"


def test_nobody_need_count() -> None:
    NoMeter().count(FINISHED, "a", "b")
    NoMeter().observe(FINISHED, 1.0)
    NoMeter().set(FINISHED, 1.0)


def test_a_folder_is_there_while_it_is_used_and_gone_afterwards(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    with directory.shared(environ, str(tmp_path / "new"), wanted=True):
        folder = Path(environ[directory.VARIABLE])
        assert folder.is_dir()
        with directory.shared({}, str(tmp_path / "new"), wanted=True):
            assert folder.is_dir()  # another server leaves it alone
    assert not folder.exists()
    assert environ == {}


def test_a_folder_left_behind_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "protes-metrics-dead"
    left.mkdir()
    (left / "in-use").touch()
    (left / "counter_1.db").touch()
    (tmp_path / "others").mkdir()
    with directory.shared({}, str(tmp_path), wanted=True):
        assert not left.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["others"]


def test_an_operators_folder_is_the_operators(tmp_path: Path) -> None:
    environ = {directory.VARIABLE: str(tmp_path)}
    with directory.shared(environ, None, wanted=True):
        assert environ == {directory.VARIABLE: str(tmp_path)}
    with directory.shared({}, None, wanted=False):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(directory.Unshared, match=r"set metrics\.directory"):
        with directory.shared({}, str(tmp_path / "file"), wanted=True):
            pass


def test_only_gauges_of_who_has_ended_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gauge_livesum_7.db", "gauge_livemax_7.db", "gauge_max_7.db", "counter_7.db", "gauge_livesum_77.db"):
        (tmp_path / name).touch()
    monkeypatch.setenv(directory.VARIABLE, str(tmp_path))
    directory.forget_process(7)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["counter_7.db", "gauge_livesum_77.db", "gauge_max_7.db"]
    monkeypatch.delenv(directory.VARIABLE)
    directory.forget_process(7)


@pytest.fixture
def imported() -> str:
    code = (
        "import sys; from protes.app import create_gateway; from protes.config.loading import load;"
        "settings = {'store': {'url': 'memory:'}, 'metrics': {'enabled': False}};"
        "gateway = create_gateway(load([], {}, settings), environ={});"
        "gateway.close(); print(sorted(name for name in sys.modules if name in ('prometheus_client', 'opentelemetry')))"
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_what_is_off_is_not_even_imported(imported: str) -> None:
    assert imported.strip() == "[]"


def test_readings_are_what_the_state_yields() -> None:
    reading: Reading = (UNFINISHED, (), 1.0)
    assert page(PrometheusMeter(lambda: [reading], lambda: frozenset())).get("protes_tasks_unfinished") == 1
