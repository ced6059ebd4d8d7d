"""One thing, a real Jobs service in memory, virtual time: what did the service see?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator import results
from simulator.behaviour import (
    Agent,
    Cohort,
    Network,
    NetworkChance,
    Outcome,
    Presence,
    PresenceTable,
    WorkPlan,
    WorkTable,
)
from simulator.campaign import register
from simulator.clock import VirtualLoop
from simulator.errors import Rejection
from simulator.fleet import Fates, Fleet
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.configuration import JobExecutionsRetryConfig, RetryCriteria, TimeoutConfig
from simulator.jobs.messages import CreateJobRequest, DataReply, DataRequest
from simulator.jobs.messages import UpdateJobExecutionRequest as Update
from simulator.results import Recorder
from simulator.thing import Thing
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.world import Link, World

NAME = "c-000000"
SUCCEED = WorkPlan(Outcome.SUCCEED, 60.0, 3, 1, None)
"""Three steps of a minute."""


class Plans(WorkTable):
    """Plans as the test says: one for every attempt and job, or by (attempt, job)."""

    def __init__(self, cohort: Cohort, plans: WorkPlan | dict[tuple[int, int], WorkPlan]) -> None:
        super().__init__((cohort,), 1)
        self._plans = plans

    def plan(self, thing: int, attempt: int, job: int = 0) -> WorkPlan:
        plans = self._plans
        return plans if isinstance(plans, WorkPlan) else plans.get((attempt, job), SUCCEED)


@dataclass
class Seen:
    """What came of it."""

    service: JobsService
    fates: Fates
    rows: list[results.Record]
    requests: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds, what was asked, what came of it) of every request that arrived."""

    def updates(self, job_id: str = "job") -> list[tuple[float, str, str]]:
        """The updates of a job."""
        return [
            (at, what.removeprefix(f"{job_id} "), how)
            for at, what, how in self.requests
            if what.startswith(f"{job_id} ")
        ]

    def end(self, job_id: str = "job", name: str = NAME) -> tuple[str, int, dict[str, str] | None]:
        """Status, version and details of the newest execution."""
        execution = self.service.execution(name, job_id)
        return execution.status, execution.version, execution.status_details

    def records(self, operation: int = results.UPDATE) -> list[results.Record]:
        """The records of one operation."""
        return [row for row in self.rows if row.operation == operation]

    def connects(self) -> list[float]:
        """When it connected, in seconds."""
        return [
            round(row.done, 3) for row in self.records(results.CONNECT) if row.outcome == 0
        ]  # fmt: skip


class Ear(Host):
    """A host that notes what it is asked."""

    heard: list[tuple[float, str, str]]

    def handle(
        self, thing_name: str, job_id: str | None, request: DataRequest, now: float | None = None
    ) -> DataReply:
        what = type(request).__name__.removesuffix("JobExecutionRequest")
        what = what.removesuffix("PendingJobExecutionsRequest")
        what = {"StartNextPending": "StartNext", "Get": "GetPending"}.get(what, what)
        if isinstance(request, Update):
            parts = [str(job_id), request.status]
            if request.expected_version is not None:
                parts.append(f"v{request.expected_version}")
            if request.step_timeout_in_minutes is not None:
                parts.append(f"{request.step_timeout_in_minutes}m")
            what = " ".join(parts)
        elif job_id is not None:
            what = f"{what} {job_id}"
        how = "accepted"
        try:
            return super().handle(thing_name, job_id, request)
        except Rejection as rejection:
            how = rejection.code
            raise
        finally:
            self.heard.append((round(self.now(), 3), what, how))


def live(
    plans: WorkPlan | dict[tuple[int, int], WorkPlan] = SUCCEED,
    agent: Agent | None = None,
    *,
    seconds: float = 86_400.0,
    jobs: tuple[str, ...] = ("job",),
    timeout_minutes: int | None = None,
    retries: int = 0,
    presence: Presence | None = None,
    network: Network | None = None,
    link: Callable[[MemoryLink], Link] | None = None,
    events: dict[float, Callable[[Host, Fleet], object]] | None = None,
) -> Seen:
    """Let one thing live among jobs created at 0; ``events`` happen at their seconds."""
    loop = VirtualLoop()  # type: ignore[abstract]

    async def main() -> Seen:
        cohort = Cohort("c", 1, agent=agent or Agent(), presence=presence or Presence())
        service, values = JobsService(), network or Network()
        host = Ear(service, loop)
        host.heard = []
        chance = NetworkChance(values, 1)
        world = World(
            loop, loop.time, Plans(cohort, plans), values, chance, Recorder(),
            jobs={job_id: at for at, job_id in enumerate(("job", "other", "third"))},
            presence=PresenceTable((cohort,), 1, 0.0),
        )  # fmt: skip
        broker = MemoryBroker(host, world.sleep)

        def make_link(_index: int, name: str, thing: Thing) -> Link:
            below = MemoryLink(broker, name, thing, thing.reader)
            return below if link is None else link(below)

        fleet = Fleet(world.work.names(), world, make_link)
        service.registry.create_thing("elsewhere")
        target = register(service.registry, "job", [NAME])
        for job_id in jobs:
            create(host, job_id, target, timeout_minutes, retries)
        for at, event in (events or {}).items():
            loop.call_later(at, event, host, fleet)
        fleet.start(0)
        await asyncio.sleep(seconds)
        rows = [results.Record(*row) for row in world.recorder.records().tolist()]
        seen = Seen(service, fleet.fates(), rows, host.heard)
        host.close()
        fleet.stop()
        return seen

    result: Seen = loop.run_until_complete(main())
    loop.close()
    return result


def create(
    host: Host, job_id: str, target: str, timeout_minutes: int | None = None, retries: int = 0
) -> None:
    """A job for the thing's group, or for a thing."""
    config: dict[str, Any] = {}
    if timeout_minutes is not None:
        config["timeout_config"] = TimeoutConfig(timeout_minutes)
    if retries:
        criteria = (RetryCriteria("ALL", retries),)
        config["job_executions_retry_config"] = JobExecutionsRetryConfig(criteria)
    host.service.create_job(job_id, CreateJobRequest([target], "{}", **config), host.now())
    host.publish()
