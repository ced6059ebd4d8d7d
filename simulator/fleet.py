"""A population of things: who starts when, who is still busy, and what became of each.

Links are made by whoever builds the fleet, so the fleet runs over any transport and on any clock.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulator.errors import JobfleetError
from simulator.thing import Thing
from simulator.world import Link, World

MakeLink = Callable[[int, str, Thing], Link]


@dataclass(frozen=True, slots=True)
class Fates:
    """What the simulation knows of its things at the end: the truth that timeouts are held against.

    An execution is (job id, execution number).
    """

    hung: dict[str, tuple[str, int]]
    """A thing's name → the execution in which it hung."""
    unreported: dict[tuple[str, str, int], float]
    """(thing's name, *execution) → when its work was done, in seconds on the run's clock, of every
    execution whose end was not accepted."""


class Fleet:
    """The things of one scenario (or one worker's share of them)."""

    def __init__(self, names: list[str], world: World, make_link: MakeLink) -> None:
        self.names = names
        self.things: dict[int, Thing] = {}
        self._world = world
        self._make_link = make_link

    def start(self, index: int) -> None:
        """Bring thing ``index`` to life; one that lives already is left alone."""
        if index in self.things:
            return
        if index >= len(self.names):
            raise JobfleetError(f"the fleet has {len(self.names)} things, there is no {index}")
        thing = Thing(index, self._world)
        thing.link = self._make_link(index, self.names[index], thing)
        self.things[index] = thing
        thing.start()

    async def ramp(self, offsets: Iterable[float]) -> None:
        """Start thing 0, 1, 2, … each at its offset (seconds on the run's clock)."""
        for index, offset in enumerate(offsets):
            wait = offset - self._world.now()
            if wait > 0:
                await asyncio.sleep(wait)
            self.start(index)

    @property
    def active(self) -> int:
        """How many things are doing something."""
        return sum(thing.active for thing in self.things.values())

    async def settle(self, within: float, poll: float = 1.0) -> None:
        """Wait until no thing is busy, at most ``within`` seconds."""
        waited = 0.0
        while waited < within and self.active:
            await asyncio.sleep(poll)
            waited += poll

    def stop(self) -> None:
        """End every thing."""
        for thing in self.things.values():
            thing.stop()

    def fates(self) -> Fates:
        """What became of the things."""
        names, hung = self.names, {}
        unreported = {(names[i], *execution): at for i, execution, at in self._world.unreported}
        for index, thing in self.things.items():
            current = thing.current
            if thing.hung is not None:
                hung[names[index]] = thing.hung
            elif current is not None and current.done is not None:
                unreported[(names[index], *current.identity)] = current.done
        return Fates(hung, unreported)
