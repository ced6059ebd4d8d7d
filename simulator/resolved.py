"""A scenario with its seed and its fleet's size settled, and what is built of it for a run.

What is built here belongs to a loop and a clock that are handed in, so the same pieces make a
rehearsal and a live run.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.behaviour import EVERYTHING, NetworkChance, PresenceTable, WorkTable
from simulator.campaign import Campaign, create_job_request, gather, group_of
from simulator.director import Director, Tell, Who
from simulator.errors import UsageError
from simulator.host import Host
from simulator.pacing import Budget, Desk
from simulator.results import Recorder
from simulator.scenario import Scenario, dump
from simulator.scenario.file import Loaded
from simulator.scenario.model import DEFAULT_SEED
from simulator.scenario.units import parse_rate
from simulator.transports.paced import Pace
from simulator.transports.weather import Weather
from simulator.world import World


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scenario with its seed and its fleet's size settled."""

    name: str
    scenario: Scenario
    seed: int
    question: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, loaded: Loaded, seed: int | None, things: int | None, budget: str | None = None
    ) -> "Resolved":
        """Settle: the given seed, else the scenario's, else 1; the fleet rescaled if asked.

        ``budget`` is a rate as people write it, in the place of the scenario's.

        Raises:
            UsageError: fewer than one thing, a negative seed, or a budget that is no rate.
        """
        if things is not None and things < 1:
            raise UsageError(f"--things {things}: a fleet has at least one thing")
        if seed is not None and not 0 <= seed < 2**63:
            raise UsageError(f"--seed {seed}: a seed is 0 to 2**63 - 1")
        scenario = loaded.scenario
        if seed is None:
            seed = DEFAULT_SEED if scenario.seed is None else scenario.seed
        if budget is not None:
            try:
                scenario = scenario.with_budget(parse_rate(budget))
            except ValueError as error:
                raise UsageError(f"--budget: {error}") from None
        resolved = scenario.resolved(seed, scenario.things if things is None else things)
        return cls(loaded.name, resolved, seed, loaded.question, tuple(loaded.notes))

    def held_to(self, per_s: float) -> "Resolved":
        """The same with a budget of at most ``per_s``."""
        budget = self.scenario.load.budget
        if budget is not None and budget <= per_s:
            return self
        return replace(self, scenario=self.scenario.with_budget(per_s))

    def text(self) -> str:
        """The scenario as a run directory keeps it."""
        return dump(self.scenario, self.question)

    def work(self) -> WorkTable:
        """Every thing's work plans."""
        scenario = self.scenario
        return WorkTable(scenario.cohorts(), self.seed, scenario.batches(), scenario.jobs())

    def world(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        recorder: Recorder,
        time_scale: float,
    ) -> World:
        """What the things share; ``now`` is the run's clock, which starts at 0."""
        scenario = self.scenario
        network = scenario.network_values()
        chance = NetworkChance(network, self.seed)
        jobs = {job.job_id: at for at, job in enumerate(scenario.jobs())}
        presence = PresenceTable(scenario.cohorts(), self.seed, scenario.epoch_s)
        due = scenario.update_times()
        desk = None if due is None else Desk(loop, now, due / time_scale, scenario.things)
        return World(
            loop, now, self.work(), network, chance, recorder, time_scale, self.seed, jobs,
            presence, desk,
        )  # fmt: skip

    def pace(self, world: World) -> Pace | None:
        """The fleet's budget, where it has one: kept by every link that it is put around."""
        per_s = self.scenario.load.budget
        if per_s is None:
            return None
        budget = Budget(world.loop, world.now, per_s)
        return Pace(budget, world.recorder, scheduled=world.desk is not None)

    def weather(self, world: World) -> Weather:
        """The things' networks, to be put around their links."""
        return Weather(world, self.seed, world.work.select, self.scenario.epoch_s)

    def campaign(self, host: Host, work: WorkTable, over: Callable[[str], None]) -> Campaign:
        """Register the fleet and each job's things, and have the jobs ready to be created."""
        scenario, registry, names = self.scenario, host.service.registry, work.names()
        for name in names:
            registry.create_thing(name)
        targets = {}
        for plan in scenario.jobs():
            meant = names
            if plan.targets != EVERYTHING:
                meant = [names[at] for at in np.flatnonzero(work.select(plan.targets)).tolist()]
            targets[plan.job_id] = gather(registry, plan.home, meant)
        request = partial(create_job_request, scenario)
        return Campaign(host, scenario.jobs(), targets, request, over)

    def director(self, host: Host, who: Who, tell: Tell | None = None) -> Director:
        """Who makes the scenario's incidents happen; raises as ``Director`` does."""
        groups = {plan.job_id: group_of(plan.home) for plan in self.scenario.jobs()}
        return Director(host, self.scenario.incidents(), self.seed, who, groups, tell)
