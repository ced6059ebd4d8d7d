"""Other things beside the agent under test: fixture ``fleet`` of the pytest plugin.

Rule 1: a thing here is the thing of a rehearsal (``thing.py``), over the memory transport: one
        model of a device, and in a test's stepped time it works as time is advanced.
Rule 2: its network is perfect and it is always there; for all else there is ``rehearse``.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from simulator.background import LocalJobs
from simulator.errors import UsageError
from simulator.fleet import Fleet
from simulator.jobs.messages import UpdateJobExecutionRequest
from simulator.report.summary import Summary
from simulator.results import Recorder
from simulator.run import Rehearsal, Resolved
from simulator.scenario import load, loads
from simulator.thing import Thing
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.world import Link

MEMBERS: Final = ("work", "outcome", "agent")
"""What may be said of a cohort in a test."""


class Crowd:
    """Virtual things at one test's service."""

    def __init__(self, jobs: LocalJobs | None = None) -> None:
        """``jobs`` is where they come; rehearsals need none."""
        self._jobs = jobs
        self._fleets: dict[str, Fleet] = {}
        self._broker: MemoryBroker | None = None

    def rehearse(
        self,
        scenario: Mapping[str, Any] | str | Path,
        *,
        seed: int | None = None,
        things: int | None = None,
    ) -> Summary:
        """Rehearse a scenario, in virtual time of its own; returns its summary.

        ``scenario`` is a path, or the scenario itself as a mapping. Judge it by
        ``summary.verdict.passed``, or look at its numbers.

        Raises:
            ScenarioError: one line per fault.
        """
        if isinstance(scenario, Mapping):
            loaded = loads(yaml.safe_dump(dict(scenario), sort_keys=False), "scenario")
        else:
            loaded = load(Path(scenario))
        return Rehearsal(Resolved.of(loaded, seed, things)).run().summary

    def start(
        self, things: int = 1, *, cohort: str = "other", seed: int = 1, **members: Any
    ) -> list[str]:
        """Bring things to life at the test's service; returns their names, for ``create_job``.

        Args:
            things: how many.
            cohort: what their names begin with.
            seed: of all chance.
            members: ``work``, ``outcome`` and ``agent``, as in a scenario's ``fleet``.

        Raises:
            ScenarioError: a member is wrong.
            UsageError: there is such a cohort already, or a member that has no place here.
        """
        jobs = self._at_home()
        for name in members:
            if name not in MEMBERS:
                raise UsageError(f"fleet.start: {name!r} is none of {', '.join(MEMBERS)}")
        if cohort in self._fleets:
            raise UsageError(f"fleet.start: there is a cohort {cohort!r} already")
        part = {"work": {"duration": "60s"}, **members, "cohort": cohort, "things": things}
        text = yaml.safe_dump({"fleet": [part], "job": {"document": {}}}, sort_keys=False)
        resolved = Resolved.of(loads(text, "fleet.start"), seed, None)
        return jobs.thread.run(self._start(jobs, resolved, cohort))

    async def _start(self, jobs: LocalJobs, resolved: Resolved, cohort: str) -> list[str]:
        host, clock, loop = jobs.host, jobs.clock, asyncio.get_running_loop()
        scale = host.time_scale
        world = resolved.world(loop, lambda: host.now() / scale, Recorder(), scale)
        if clock is not None:
            world.sleep = world.nap = clock.sleep
        if self._broker is None:
            self._broker = MemoryBroker(host, world.sleep)
        broker = self._broker

        def make_link(_index: int, name: str, thing: Thing) -> Link:
            return MemoryLink(broker, name, thing, thing.reader)

        names = world.work.names()
        for name in names:
            host.service.registry.create_thing(name)
        fleet = self._fleets[cohort] = Fleet(names, world, make_link)
        for index in range(len(names)):
            fleet.start(index)
        if clock is not None:
            await clock.settle()
        return names

    def write(
        self, thing_name: str, job_id: str, status: str = "IN_PROGRESS", **members: Any
    ) -> int:
        """Be a second writer: update an execution as another agent of the thing would.

        Returns:
            The execution's version afterwards, which the agent under test does not know yet.

        Raises:
            Rejection: as the service refuses it.
        """
        jobs = self._at_home()
        try:
            request = msgspec.convert({"status": status, **members}, UpdateJobExecutionRequest)
        except msgspec.ValidationError as error:
            raise UsageError(f"fleet.write: {error}") from None
        jobs.thread.call(lambda: jobs.host.exchange(thing_name, job_id, request))
        return jobs.execution(thing_name, job_id).version

    def close(self) -> None:
        """End every thing."""
        if self._jobs is not None and self._fleets:
            self._jobs.thread.run(self._stop())

    async def _stop(self) -> None:
        for fleet in self._fleets.values():
            fleet.stop()
        await asyncio.sleep(0)  # who was cancelled ends in the loop's next turn
        self._fleets.clear()

    def _at_home(self) -> LocalJobs:
        if self._jobs is None:
            raise UsageError("these things have no service to come to")
        return self._jobs
