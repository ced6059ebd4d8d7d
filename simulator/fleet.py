"""A population of things: who starts when, who is still busy, and what became of each.

Links are made by whoever builds the fleet, so the fleet runs over any transport and on any clock.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.attendance import Attendance
from simulator.behaviour import Agent, Outcome, Partition
from simulator.errors import JobfleetError
from simulator.finders import thing_for
from simulator.thing import Thing
from simulator.world import Absence, Link, Mishap, World

MakeLink = Callable[[int, str, Thing], Link]

Truth = Literal["hung", "vanished", "away", "unreported", "working"]
"""What a thing really did when its execution timed out: it had hung; it was without power (or
restarting); its connection was gone while its work went on; its work was done and the report had
not been accepted; or it was still at it. ``unreported`` wins over ``away``."""


@dataclass(frozen=True, slots=True)
class Fates:
    """What the simulation knows of its things at the end: the truth that timeouts are held against.

    An execution is (job id, execution number). Times are seconds on the run's clock.
    """

    hung: dict[str, tuple[str, int]]
    """A thing's name → the execution in which it hung or vanished for ever."""
    unreported: dict[tuple[str, str, int], float]
    """(thing's name, *execution) → when its work was done, of every execution whose end was not
    accepted."""
    mishaps: dict[tuple[str, str, int], Mishap] = field(default_factory=dict)
    """(thing's name, *execution) → what befell the thing in it."""
    absences: dict[str, list[Absence]] = field(default_factory=dict)
    """A thing's name → when its connection was gone, in order."""

    partitions: list[tuple[Partition, NDArray[np.bool_]]] = field(default_factory=list)
    """The network's partitions, and which things each of them means."""
    indices: dict[str, int] = field(default_factory=dict)
    """A thing's name → its index."""
    time_scale: float = 1.0

    def truth(self, name: str, job_id: str, number: int, at: float) -> tuple[Truth, str]:
        """What a thing really did at ``at``, and the fault by which its connection was gone.

        The fault is one of ``results.FAULTS``, empty where there was a connection.
        """
        key = (name, job_id, number)
        mishap = self.mishaps.get(key)
        if mishap is not None and mishap.since <= at < mishap.until:
            return ("hung" if mishap.outcome is Outcome.HANG else "vanished"), ""
        fault = self._cut_off(name, at)
        done = self.unreported.get(key)
        if done is not None and done <= at:
            return "unreported", fault
        return ("away" if fault else "working"), fault

    def _cut_off(self, name: str, at: float) -> str:
        """By which fault a thing had no connection."""
        for gone in self.absences.get(name, ()):
            if gone.since <= at < gone.until:
                return results.FAULTS[gone.fault or results.DISCONNECT]
        now = at * self.time_scale
        for partition, meant in self.partitions:
            if partition.at <= now < partition.at + partition.lasts and meant[self.indices[name]]:
                return results.FAULTS[results.PARTITION]
        return ""


class Fleet:
    """The things of one scenario (or one worker's share of them)."""

    def __init__(self, names: list[str], world: World, make_link: MakeLink) -> None:
        self.names = names
        self.things: dict[int, Thing] = {}
        self.seconds: dict[int, Thing] = {}
        """The second agents, by their things."""
        self._world = world
        self._make_link = make_link
        table = world.presence
        self._attendance: Attendance | None = None
        if table is not None and not table.everywhere:
            self._attendance = Attendance(world, table)

    def start(self, index: int) -> None:
        """Bring thing ``index`` to life; one that lives already is left alone."""
        if index in self.things:
            return
        if index >= len(self.names):
            raise JobfleetError(f"the fleet has {len(self.names)} things, there is no {index}")
        agent = self._world.agent_of(index)
        self.things[index] = self._bring(index, agent)
        if agent.second and self._world.accompanied(index):
            self.seconds[index] = self._bring(index, agent, second=True)

    def _bring(self, index: int, agent: Agent, *, second: bool = False) -> Thing:
        thing = thing_for(agent)(index, self._world, agent)
        thing.second = second
        thing.link = self._make_link(index, self.names[index], thing)
        if self._attendance is not None:
            self._attendance.watch(thing)
        thing.start()
        return thing

    async def ramp(self, offsets: Iterable[float]) -> None:
        """Start thing 0, 1, 2, … each at its offset (seconds on the run's clock)."""
        for index, offset in enumerate(offsets):
            wait = offset - self._world.now()
            if wait > 0:
                await self._world.sleep(wait)
            self.start(index)

    @property
    def agents(self) -> Iterator[Thing]:
        """Every agent: the things', and the second ones."""
        yield from self.things.values()
        yield from self.seconds.values()

    @property
    def active(self) -> int:
        """How many things are doing something."""
        return sum(thing.active for thing in self.agents)

    async def settle(self, within: float, poll: float = 1.0) -> None:
        """Wait until no thing is busy, at most ``within`` seconds."""
        waited, busy = 0.0, self._busy(self.agents)
        while waited < within and busy:
            await asyncio.sleep(poll)
            waited += poll
            # All are asked only when those who were busy are not any more: there may be a million.
            busy = self._busy(busy) or self._busy(self.agents)

    @staticmethod
    def _busy(agents: Iterable[Thing]) -> list[Thing]:
        return [agent for agent in agents if agent.active]

    def stop(self) -> None:
        """End every thing."""
        if self._attendance is not None:
            self._attendance.close()
        for thing in self.agents:
            thing.stop()

    def untie(self) -> None:
        """Let things and links not know each other any more, once nobody asks them."""
        for agent in self.agents:
            del agent.link, agent.prompt

    def fates(self) -> Fates:
        """What became of the things."""
        names, world, hung = self.names, self._world, {}
        now, absences = world.now(), {}
        unreported = {(names[i], *execution): at for i, execution, at in world.unreported}
        for index, thing in self.things.items():
            if thing.lost is not None:
                hung[names[index]] = thing.lost
            for current in thing.assignments:
                done = current.done(now, world.time_scale, offline=not thing.link.connected)
                if done is not None:
                    unreported[(names[index], *current.identity)] = done
            if thing.gone is not None:
                absences[names[index]] = [Absence(index, *thing.gone, float("inf"))]
        for gone in reversed(world.absences):
            absences.setdefault(names[gone.thing], []).insert(0, gone)
        mishaps = {(names[one.thing], *one.execution): one for one in world.mishaps}
        partitions = [(one, world.work.select(one.where)) for one in world.network.partitions]
        indices = {name: at for at, name in enumerate(names)} if partitions else {}
        return Fates(
            hung, unreported, mishaps, absences, partitions, indices, world.time_scale
        )  # fmt: skip
