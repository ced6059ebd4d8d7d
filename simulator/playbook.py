"""A scenario played to a service: its fleet registered, jobs created, incidents directed.

For whoever serves a scenario to agents of others (``serve``, ``try-agent``); a run of our own
things has an owner of its own.

Rule 1: the timeline's 0 is the moment of ``start``, or, where somebody else creates the jobs, the
        creation of the scenario's first job.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from simulator.behaviour import EVERYTHING, JobPlan, Selection
from simulator.director import Director
from simulator.errors import Rejection
from simulator.host import Host
from simulator.jobs.messages import CreateJobRequest
from simulator.run import Resolved, group_of

LOOK_S: Final = 0.02
"""Between two looks whether the first job is there, where somebody else creates it."""


class Playbook:
    """What a scenario has happen to one service."""

    def __init__(
        self,
        resolved: Resolved,
        host: Host,
        *,
        owns: Callable[[str], bool] | None = None,
        jobs: bool = True,
        incidents: bool = True,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Register the fleet and the jobs' groups.

        Args:
            resolved: the scenario.
            host: whose service it is.
            owns: whether a thing is this service's, where several share the fleet.
            jobs: whether to create the jobs.
            incidents: whether to let anything happen.
            tell: is told in a line what happens.

        Raises:
            UsageError: an incident cannot be meant.
        """
        self.names = resolved.work().names()
        self.plans: tuple[JobPlan, ...] = resolved.scenario.jobs()
        self._resolved = resolved
        self._host = host
        self._owns = owns
        self._jobs = jobs
        self._tell = tell
        self._tasks: list[asyncio.Task[None]] = []
        self.director: Director = resolved.director(host, self.who, tell, incidents=incidents)
        self._register()

    def start(self) -> None:
        """Let the timeline run."""
        if self._jobs:
            begin = self._host.now()
            self.director.start(begin)
            self._spawn(self._create(begin), "jobs of the scenario")
        else:
            self._spawn(self._follow(), "incidents of the scenario")

    def stop(self) -> None:
        """Let nothing more happen."""
        for task in self._tasks:
            task.cancel()
        self.director.stop()

    async def happened(self) -> None:
        """Wait until all jobs are created, and all incidents that come to an end have happened."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.director.happened()

    def who(self, selection: Selection) -> list[str]:
        """The things of this service that are meant, by name."""
        meant, owns = self._resolved.who(selection, self.names), self._owns
        return meant if owns is None else [name for name in meant if owns(name)]

    # ----------------------------------------------------------------------- inside

    def _register(self) -> None:
        registry = self._host.service.registry
        for name in self.who(EVERYTHING):
            registry.create_thing(name)
        for plan in self.plans:
            group = group_of(plan.job_id)
            registry.create_thing_group(group)
            for name in self.who(plan.targets):
                registry.add_thing_to_thing_group(name, group)

    async def _create(self, begin: float) -> None:
        """Create each job at its time."""
        host, scenario = self._host, self._resolved.scenario
        for plan in sorted(self.plans, key=lambda plan: plan.at):
            await host.until(begin + plan.at)
            target = host.service.registry.group_arn(group_of(plan.job_id))
            request = scenario.create_job_request(target, plan.job_id)
            try:
                checked = msgspec.convert(request, CreateJobRequest)
                host.service.create_job(plan.job_id, checked, host.now())
            except Rejection as rejection:
                self._say(f"job {plan.job_id} could not be created: {rejection}")
            else:
                self._say(f"job {plan.job_id} is created")
            host.publish()

    async def _follow(self) -> None:
        """Wait for the first job, then direct."""
        jobs, first = self._host.service.jobs, self.plans[0]
        while first.job_id not in jobs:  # noqa: ASYNC110  # a service tells nobody of a new job
            await asyncio.sleep(LOOK_S)
        self.director.start(jobs[first.job_id].created_at - first.at)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_over)
        self._tasks.append(task)

    def _say(self, what: str) -> None:
        if self._tell is not None:
            self._tell(what)


def _over(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()  # a fault of ours must not pass in silence
