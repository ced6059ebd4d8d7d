"""A scenario played to a service: its fleet registered, jobs created, incidents directed.

For whoever serves a scenario to agents of others (``serve``, ``try-agent``).

Rule 1: the timeline's 0 is the moment of ``start``, or, where somebody else creates the jobs, the
        creation of the scenario's first job.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from simulator.behaviour import EVERYTHING, JobPlan, Selection
from simulator.campaign import Campaign, gather
from simulator.director import Director, Tell, population
from simulator.host import Host
from simulator.run import Resolved, create_job_request

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
        tell: Tell | None = None,
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
        scenario, work = resolved.scenario, resolved.work()
        self.plans: tuple[JobPlan, ...] = scenario.jobs()
        self._host = host
        self._jobs = jobs
        self._incidents = incidents
        self._owns = owns
        self._population = population(work)
        self._following: asyncio.Task[None] | None = None
        registry = host.service.registry
        for name in self.who(EVERYTHING):
            registry.create_thing(name)
        targets = {p.job_id: gather(registry, p.home, self.who(p.targets)) for p in self.plans}
        request = partial(create_job_request, scenario)
        over = tell if jobs and tell is not None else _nobody  # else whoever creates them tells
        self._campaign = Campaign(host, self.plans, targets, request, over)
        self.director: Director = resolved.director(host, self.who, tell)

    def start(self) -> None:
        """Let the timeline run."""
        loop = asyncio.get_running_loop()
        if not self._jobs:
            self._following = loop.create_task(self._follow(), name="the first job")
            return
        self._campaign.start(loop)
        if self._incidents:
            self.director.start(self._host.now())

    def stop(self) -> None:
        """Let nothing more happen."""
        if self._following is not None:
            self._following.cancel()
        self._campaign.close()
        self.director.stop()

    async def happened(self) -> None:
        """Wait until all jobs are created, and all incidents that come to an end have happened."""
        await self._host.until(max(plan.at for plan in self.plans))
        await asyncio.sleep(LOOK_S)  # the last job's timer may be due in this very moment
        await self.director.happened()

    def who(self, selection: Selection) -> list[str]:
        """The things of this service that are meant, by name."""
        meant, owns = self._population(selection), self._owns
        return meant if owns is None else [name for name in meant if owns(name)]

    async def _follow(self) -> None:
        """Wait for the first job, then direct."""
        jobs, first = self._host.service.jobs, self.plans[0]
        while first.job_id not in jobs:  # noqa: ASYNC110  # a service tells nobody of a new job
            await asyncio.sleep(LOOK_S)
        if self._incidents:
            self.director.start(jobs[first.job_id].created_at - first.at)


def _nobody(_what: str) -> None:
    """There is nobody to tell."""
