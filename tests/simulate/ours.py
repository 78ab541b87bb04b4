"""Our own policies: the chain that the gateway runs by default, fed with given or with learned figures.

Given: what a careful operator and client say: speeds and bandwidths as declared, run times, waits and output sizes with
noise. Learned: instances declare prices and routes only; run times, speeds, waits and output sizes are what
`protes.learning` makes of the tasks that have ended so far, beginning with nothing.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from middleware import (
    Candidate,
    Context,
    DataObject,
    DistributionRequest,
    ExecutorView,
    InputView,
    Limits,
    Network,
    OutputView,
    Preference,
    Prices,
    Replica,
    Resources,
    Route,
    StepSpec,
    TaskView,
    build_chain,
)
from protes.config.planning import LearningSettings
from protes.learning import Model, Observation, bucket_of, signature_of
from tests.simulate.places import PLACES
from tests.simulate.play import Finished, Interval, State
from tests.simulate.policies import Unlearning, noisy_wait
from tests.simulate.truth import Plan
from tests.simulate.world import Site, Task, World

__all__ = ["Given", "Learning", "Surroundings"]

START = datetime(2026, 1, 1, tzinfo=UTC)
Choice = tuple[Plan, Interval | None]


class Surroundings:
    """A world as the gateway knows it; made once per world, for all policies of ours."""

    def __init__(self, world: World) -> None:
        """Put everything into the words of middleware."""
        self.chain = build_chain([StepSpec("feasible"), StepSpec("cost_runtime")])
        self.network = _network(world)
        self.bare = tuple(_candidate(site) for site in world.sites)
        """The candidates without speed and wait."""
        self.views = tuple(_view(task) for task in world.tasks)
        self.data = tuple(_data(task) for task in world.tasks)

    def context(self, task: Task, preference: Preference) -> Context:
        """Return what surrounds a task, but for what is said or learned of its run time and outputs."""
        return Context(
            seed=task.id,
            preference=preference,
            network=self.network,
            data=self.data[task.index],
            zones={_output_url(task): task.output_zone},
        )

    def choose(self, task: Task, candidates: tuple[Candidate, ...], context: Context, state: State) -> Choice:
        """Ask the chain; take what it ranks first, with the replicas that it names."""
        request = DistributionRequest(task=self.views[task.index], candidates=candidates, context=context)
        best = self.chain.distribute(request).ranked[0]
        site = next(each for each in state.world.sites if each.id == best.candidate_id)
        replicas = best.estimate.replicas
        wait, run = best.estimate.queue_interval_ms, best.estimate.run_interval_ms
        said = Interval(_seconds(wait), _seconds(run))
        return state.truth.plan(task, site, replicas), said


class Given(Unlearning):
    """With given figures that are off by chance."""

    def __init__(self, known: Surroundings, world: World, weight: float) -> None:
        """Choose by a weight from 0 (cost) to 1 (time)."""
        self._known = known
        self._millionths = round(weight * 1_000_000)
        self._candidates = tuple(
            replace(bare, speed=site.declared_speed) for bare, site in zip(known.bare, world.sites, strict=True)
        )

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        seconds = max(1, round(task.seconds * task.noise.runtime))
        preference = Preference(weight_millionths=self._millionths, runtime_seconds=seconds)
        context = replace(
            self._known.context(task, preference), output_bytes=round(task.output_bytes * task.noise.outputs)
        )
        candidates = tuple(
            replace(each, queue_seconds=noisy_wait(task, site, state), in_flight=state.in_flight[site.index])
            for each, site in zip(self._candidates, state.world.sites, strict=True)
        )
        return self._known.choose(task, candidates, context, state)


class Learning:
    """With what finished tasks teach."""

    def __init__(self, known: Surroundings, weight: float) -> None:
        """Choose by a weight from 0 (cost) to 1 (time); know nothing yet."""
        self._known = known
        self._preference = Preference(weight_millionths=round(weight * 1_000_000))
        self._model = Model(LearningSettings())
        self._predicted: dict[int, tuple[float | None, int]] = {}
        """Wait that was predicted, and tasks of ours that waited there, of tasks that have not ended."""
        self._kinds = tuple((signature_of(view), bucket_of(view)) for view in known.views)

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        signature, bucket = self._kinds[task.index]
        now = START + timedelta(seconds=state.now)
        context = replace(
            self._known.context(task, self._preference),
            runtime=self._model.runtime(signature, now),
            output_bytes=self._model.output_bytes(signature, now),
        )
        candidates = tuple(
            self._learned(each, bucket, now, (state.in_flight[site.index], state.queued(site)))
            for each, site in zip(self._known.bare, state.world.sites, strict=True)
        )
        plan, said = self._known.choose(task, candidates, context, state)
        self._predicted[task.index] = candidates[plan.site].queue_seconds, state.queued(state.world.sites[plan.site])
        return plan, said

    def _learned(self, bare: Candidate, bucket: str, now: datetime, load: tuple[int, int]) -> Candidate:
        speed = self._model.speed(bare.url, now, None)
        wait = self._model.queue(bare.url, bucket, now, load, None)
        return replace(
            bare,
            speed=speed.value if speed else None,
            queue_seconds=wait.seconds,
            queue_interval=wait.interval,
            in_flight=load[0],
            basis={"speed": "learned", "queue_seconds": wait.basis},
        )

    def learn(self, done: Finished) -> None:
        """Observe a task that has ended."""
        signature, bucket = self._kinds[done.index]
        predicted, queued = self._predicted.pop(done.index)
        self._model.observe(
            Observation(
                at=START + timedelta(seconds=done.end),
                instance_url=self._known.bare[done.plan.site].url,
                signature=signature,
                bucket=bucket,
                queue_seconds=done.wait,
                run_seconds=done.plan.run,
                output_bytes=done.task.output_bytes,
                outcome="complete",
                predicted_wait=predicted,
                queued=queued,
                id=done.task.id,
            )
        )


def _seconds(interval: tuple[int, int] | None) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] / 1000, interval[1] / 1000)


def _network(world: World) -> Network:
    """Declare the routes between the zones that instances and data of this world are in."""
    zones = {site.zone for site in world.sites} | {task.output_zone for task in world.tasks}
    zones |= {zone for task in world.tasks for each in task.inputs for zone in each.zones}
    routes = tuple(
        Route(
            source=source,
            target=target,
            egress_gb=Decimal(str(route.egress_gb)),
            bytes_per_second=route.declared,
            latency_seconds=route.latency,
        )
        for (source, target), route in world.routes.items()
        if source in zones and target in zones
    )
    return Network(currency="EUR", routes=routes)


def _candidate(site: Site) -> Candidate:
    return Candidate(
        id=site.id,
        url=site.url,
        limits=Limits(max_cpu_cores=site.cores),
        prices=Prices(
            currency="EUR",
            cpu_core_hour=Decimal(str(site.cpu_core_hour)),
            ram_gb_hour=Decimal(str(site.ram_gb_hour)),
            disk_gb_hour=Decimal(str(site.disk_gb_hour)),
            per_task=Decimal(str(site.per_task)),
            billing_quantum_seconds=site.quantum,
            billing_minimum_seconds=site.minimum,
        ),
        zone=site.zone,
        coordinates=site.coordinates,
        staging=site.staging,
        bills_staging=site.bills_staging,
        ingress_bytes_per_second=site.ingress,
    )


def _view(task: Task) -> TaskView:
    kind = task.kind
    return TaskView(
        id=task.id,
        executors=(ExecutorView(image=f"registry.example.org/{kind.name}:1", command=(kind.name, "--in", "/in/0")),),
        inputs=tuple(InputView(path=f"/in/{index}", url=_input_url(task, index)) for index in range(len(task.inputs))),
        outputs=(OutputView(path="/out", url=_output_url(task)),),
        resources=Resources(cpu_cores=kind.cores, ram_gb=kind.ram_gb, disk_gb=kind.disk_gb),
    )


def _data(task: Task) -> dict[str, DataObject]:
    return {
        _input_url(task, number): DataObject(
            size_bytes=each.size,
            replicas=tuple(
                Replica(url=f"https://data.example.org/{zone}/{task.id}/{number}", zone=zone, coordinates=PLACES[zone])
                for zone in each.zones
            ),
        )
        for number, each in enumerate(task.inputs)
    }


def _input_url(task: Task, index: int) -> str:
    return f"drs://data.example.org/{task.id}-{index}"


def _output_url(task: Task) -> str:
    return f"s3://results.example.org/{task.output_zone}/{task.id}"
