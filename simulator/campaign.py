"""The jobs of a scenario at a service of this process: created at their times, until all ended.

Rule 1: each job has a thing group of its own, which holds the things that it is for: AWS allows 100
        targets a job, and nothing of another run is in it.
Rule 2: a campaign is over when every job of it has ended: completed, canceled, or deleted.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from simulator.behaviour import JobPlan
from simulator.errors import ResourceAlreadyExists
from simulator.host import Host
from simulator.jobs.messages import CreateJobRequest, Effect, JobEnded
from simulator.jobs.registry import Registry
from simulator.scenario.model import Scenario

MakeRequest = Callable[[str, str], CreateJobRequest]
"""From a target's ARN and a job's id."""


def group_of(job_id: str) -> str:
    """The thing group that a job of a run targets."""
    return f"jobfleet-{job_id}"


def register(registry: Registry, job_id: str, names: Iterable[str]) -> str:
    """Make things and the group that a job has of them; return the group's ARN."""
    names = list(names)
    for name in names:
        registry.create_thing(name)
    return gather(registry, job_id, names)


def gather(registry: Registry, job_id: str, names: Iterable[str]) -> str:
    """Make the group of things that a job is for, if it is not there; return its ARN."""
    group = group_of(job_id)
    with suppress(ResourceAlreadyExists):  # jobs may have one in common
        registry.create_thing_group(group)
    for name in names:
        registry.add_thing_to_thing_group(name, group)
    return registry.group_arn(group)


def create_job_request(
    scenario: Scenario, target_arn: str, job_id: str | None = None
) -> CreateJobRequest:
    """One of the scenario's jobs, or the only one, as a checked request."""
    return msgspec.convert(scenario.create_job_request(target_arn, job_id), CreateJobRequest)


class Campaign:
    """Creates the jobs, and hears of their ends."""

    def __init__(
        self,
        host: Host,
        plans: Sequence[JobPlan],
        targets: Mapping[str, str],
        request: MakeRequest,
        over: Callable[[str], None],
    ) -> None:
        """Prepare it.

        Args:
            host: whose service it is.
            plans: the jobs.
            targets: the ARN that each is for, by its id.
            request: makes a CreateJob request.
            over: is told, in words, how all of them ended.
        """
        self._host = host
        self._plans = plans
        self._targets = targets
        self._request = request
        self._over = over
        self._ends: dict[str, str] = {}
        self._timers: list[asyncio.TimerHandle] = []
        host.listeners.append(self._heard)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Create what is to be created now, and the rest when its time comes."""
        scale = self._host.time_scale
        for plan in self._plans:
            if plan.at:
                self._timers.append(loop.call_later(plan.at / scale, self._create, plan.job_id))
            else:
                self._create(plan.job_id)

    def close(self) -> None:
        """Create no more."""
        for timer in self._timers:
            timer.cancel()

    def _create(self, job_id: str) -> None:
        host = self._host
        host.service.create_job(
            job_id, self._request(self._targets[job_id], job_id), host.now()
        )  # fmt: skip
        self._ends.setdefault(job_id, "")
        host.publish()

    def _heard(self, effect: Effect, _now: float) -> None:
        if isinstance(effect, JobEnded) and self._ends.get(effect.job_id) == "":
            self._ended(effect.job_id, effect.status.lower())

    def _ended(self, job_id: str, how: str) -> None:
        if self._ends.get(job_id):
            return  # one that was completed may be deleted: that does not end it again
        self._ends[job_id] = how
        if len(self._ends) < len(self._plans) or not all(self._ends.values()):
            return
        hows = list(dict.fromkeys(self._ends[plan.job_id] for plan in self._plans))
        if len(hows) == 1:
            self._over(f"job {hows[0]}")
        else:
            counts = (f"{list(self._ends.values()).count(how)} {how}" for how in hows)
            self._over("jobs ended: " + ", ".join(counts))
